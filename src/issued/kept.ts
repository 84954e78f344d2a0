import { createPrivateKey, createPublicKey, hash } from 'node:crypto'
import type { IssuedCertificate } from '../kubernetes/issued-certificate.ts'
import type { Secret } from '../kubernetes/secret.ts'
import type { Bounce, Chosen } from './bounce.ts'

/** A key whose certificate is asked for, with the digest of what is asked. */
export interface Pending {
  readonly privateKeyPem: string
  readonly asked: string
}

/** What consumers have. */
export interface Current {
  /** PEM: key and chain. */
  readonly credentialBundle: string
  readonly trustBundle: string
  readonly asked: string
  /** When it was taken; milliseconds since the epoch. */
  readonly takenAt: number
  /** What is left to restart for it. */
  readonly bounce: Bounce | undefined
}

/** What the Secret of an IssuedCertificate holds. */
export interface Kept {
  readonly pending?: Pending
  readonly current?: Current
  /** PEM: the chain that was taken last, also where its key is gone by now. */
  readonly chainPem?: string
}

/** Names in the Secret: those of a mounted volume, and those of a `kubernetes.io/tls` Secret. */
const names = {
  credential: 'credential-bundle.pem',
  anchors: 'trust-bundle.pem',
  certificate: 'tls.crt',
  key: 'tls.key',
  next: 'next.key',
} as const

/** Annotations of the Secret. */
const askedKey = 'countersign.dev/asked'
const takenAtKey = 'countersign.dev/taken-at'
const nextAskedKey = 'countersign.dev/next-asked'
const bounceKey = 'countersign.dev/bounce'

/** Only what was made for this very resource is written. */
export function isOf({ metadata }: Secret, certificate: IssuedCertificate): boolean {
  return metadata.ownerReferences.some(({ uid }) => uid === certificate.metadata.uid)
}

export function readKept({ metadata, data }: Secret): Kept {
  const text = (name: string): string | undefined => {
    const value = data[name]
    return value === undefined || value === '' ? undefined : decode(value)
  }
  const privateKeyPem = text(names.next)
  const credentialBundle = text(names.credential)
  const chainPem = text(names.certificate)
  const trustBundle = text(names.anchors) ?? ''
  const { [askedKey]: asked = '', [nextAskedKey]: nextAsked = '' } = metadata.annotations
  const takenAt = Date.parse(metadata.annotations[takenAtKey] ?? '') || 0
  const current = {
    trustBundle,
    asked,
    takenAt,
    bounce: readBounce(metadata.annotations[bounceKey]),
  }
  return {
    ...(chainPem === undefined ? {} : { chainPem }),
    ...(privateKeyPem === undefined ? {} : { pending: { privateKeyPem, asked: nextAsked } }),
    ...(credentialBundle === undefined ? {} : { current: { credentialBundle, ...current } }),
  }
}

/** What of a Secret is written in one merge patch, so that there is no moment in which its parts disagree. Null takes away. */
export interface Write {
  readonly data: Readonly<Record<string, string | null>>
  readonly annotations: Readonly<Record<string, string | null>>
}

/** What others have written there restarts nothing. */
function readBounce(text: string | undefined): Bounce | undefined {
  if (text === undefined || text === 'due') return text
  try {
    const chosen: unknown = JSON.parse(text)
    return Array.isArray(chosen) && chosen.every(isChosen) ? chosen : undefined
  } catch {
    return undefined
  }
}

function isChosen(value: unknown): value is Chosen {
  const { controller, pods } = (value ?? {}) as Partial<Record<keyof Chosen, unknown>>
  const { kind, name, uid } = (controller ?? {}) as Record<string, unknown>
  const isController = [kind, name, uid].every((each) => typeof each === 'string' && each !== '')
  const arePods = Array.isArray(pods) && pods.every((each) => typeof each === 'string')
  return arePods && (controller === undefined || isController)
}

/** What is written when the pods are known, and when nothing is left of them. */
export function bounceWrite(bounce: Bounce | undefined): Write {
  const text = bounce === 'due' || bounce === undefined ? bounce : JSON.stringify(bounce)
  return { data: {}, annotations: { [bounceKey]: text ?? null } }
}

export function pendingWrite({ privateKeyPem, asked }: Pending): Write {
  return { data: { [names.next]: encode(privateKeyPem) }, annotations: { [nextAskedKey]: asked } }
}

export function forgottenWrite(): Write {
  return { data: { [names.next]: null }, annotations: {} }
}

/** No key is left. The chain stays: by it is known what was revoked. */
export function endedWrite(): Write {
  const { credential, key, next } = names
  const data = { [credential]: null, [key]: null, [next]: null }
  return { data, annotations: bounceWrite(undefined).annotations }
}

/** The key that was pending is the one in force, with its chain. */
export function takenWrite(
  { privateKeyPem, asked }: Pending,
  {
    chainPem,
    trustBundle,
    now,
    bounce,
  }: {
    readonly chainPem: string
    readonly trustBundle: string
    readonly now: number
    readonly bounce: Bounce | undefined
  },
): Write {
  return {
    data: {
      [names.credential]: encode(`${privateKeyPem}${chainPem}`),
      [names.certificate]: encode(chainPem),
      [names.key]: encode(privateKeyPem),
      [names.anchors]: encode(trustBundle),
      [names.next]: null,
    },
    annotations: {
      [askedKey]: asked,
      [takenAtKey]: new Date(now).toISOString(),
      ...bounceWrite(bounce).annotations,
    },
  }
}

export function anchorsWrite(trustBundle: string): Write {
  return { data: { [names.anchors]: encode(trustBundle) }, annotations: {} }
}

/** The one name that a request for this key can have: whoever sends it twice finds it there. Undefined for what is no key. */
export function requestNameOf({ privateKeyPem }: Pending): string | undefined {
  try {
    const key = createPublicKey(createPrivateKey(privateKeyPem))
    const spki = key.export({ type: 'spki', format: 'der' })
    return `countersign-${hash('sha256', spki, 'hex').slice(0, 32)}`
  } catch {
    return undefined
  }
}

/** A digest of what an IssuedCertificate asks for: what is kept for another one is not for it. */
export function askedOf({ spec: { hosts, org, annotations } }: IssuedCertificate): string {
  const sorted = Object.entries(annotations).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return hash('sha256', JSON.stringify([hosts, org ?? '', sorted]), 'hex')
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64')
}

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8')
}
