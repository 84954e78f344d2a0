import { CountersignError } from '../errors.ts'
import type { TrustDomain } from '../identity/trust-domain.ts'
import { anchorsMax, bundleOf, type Bundle } from '../pki/bundle.ts'
import {
  isOfTrustDomain,
  isReadByOpenSsl,
  parseCaCertificate,
  type CaCertificate,
} from '../pki/ca-certificate.ts'

/** The bundle of a trust domain as SPIFFE writes it down: a JWK Set (SPIFFE Trust Domain and Bundle §4). It does not name its trust domain. */
export interface BundleDocument {
  readonly bundle: Bundle
  /** Rises with each change of the content; undefined where its writer keeps none. */
  readonly sequence: bigint | undefined
  /** How often it should be read again; undefined where its writer does not say. */
  readonly refreshHintSeconds: number | undefined
}

/** Far above what the anchors take that may be in it, and read in some milliseconds, which nobody else is served in. */
export const documentOctetsMax: number = 512 * 1024

/** Each costs a verified signature when it is read, and some octets and time wherever a handshake is prepared. */
const foreignAnchorsMax = 32

/** §4.1.1: sequence numbers may need 64 bits. */
const sequenceMax = 2n ** 64n - 1n

/** A certificate of 16 KiB in base64. */
const certificateCharactersMax = 24 * 1024

/**
 * Reads the document of a trust domain. What is no X.509 anchor is skipped, as §4.2 and X509-SVID §6.2 say, and so is an anchor that no
 * verifier here could use: one that a domain has withdrawn must not live on because another one beside it is odd. Without any that
 * can be used every SVID of the trust domain is invalid. Throws `federation/bundle`.
 */
export function parseBundleDocument(text: string, trustDomain: TrustDomain): BundleDocument {
  if (text.length > documentOctetsMax) {
    throw refused(`is too long, want=..${documentOctetsMax} got=${text.length}`)
  }
  const document = parseObject(text)
  const { keys } = document
  if (!Array.isArray(keys)) throw refused('has no list of keys')
  if (keys.length > anchorsMax) {
    throw refused(`has too many keys, want=..${anchorsMax} got=${keys.length}`)
  }
  const certified = keys.map(certificateOf).filter(isThere)
  if (certified.length > foreignAnchorsMax) {
    throw refused(`has too many anchors, want=..${foreignAnchorsMax} got=${certified.length}`)
  }
  const anchors = certified.map((each) => readAnchor(each, trustDomain)).filter(isThere)
  return {
    bundle: bundleOf(trustDomain, anchors),
    sequence: readSequence(document['spiffe_sequence'], text),
    refreshHintSeconds: readRefreshHint(document['spiffe_refresh_hint']),
  }
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw refused('is not JSON')
  }
  if (isObject(value)) return value
  throw refused('is not an object')
}

/** Within a string its quotes would be escaped, so it is a member. */
const sequenceMember = /"spiffe_sequence"\s*:\s*(\d{1,20})(?=\s*[,}])/g

/**
 * By its text: read as a number, two that follow each other could be the same. It is looked for there alone, because a reviver costs JSON
 * ten times its time; where the text has several, which one is meant is not known.
 */
function readSequence(value: unknown, text: string): bigint | undefined {
  if (value === undefined) return undefined
  const [found, another] = text.matchAll(sequenceMember)
  const [, digits = ''] = found ?? []
  const isMeant = another === undefined && digits !== '' && Number(digits) === value
  const sequence = isMeant ? BigInt(digits) : undefined
  if (sequence !== undefined && sequence <= sequenceMax) return sequence
  throw refused('has a sequence that is no whole number of 64 bits')
}

function readRefreshHint(value: unknown): number | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw refused('has a refresh hint that is no whole number of seconds')
}

/** In base64; undefined for a key that is not for SVIDs of X.509. */
function certificateOf(key: unknown): string | undefined {
  if (!isObject(key) || key['use'] !== 'x509-svid' || !Array.isArray(key['x5c'])) return undefined
  // §6.2: whatever follows the first one says nothing.
  const certificate: unknown = key['x5c'][0]
  return typeof certificate === 'string' && certificate.length <= certificateCharactersMax
    ? certificate
    : undefined
}

/** Undefined for what is no anchor of this trust domain. */
function readAnchor(certificate: string, trustDomain: TrustDomain): CaCertificate | undefined {
  try {
    const anchor = parseCaCertificate(Buffer.from(certificate, 'base64'), 'federation/bundle')
    const isAnchor = anchor.selfSigned && isOfTrustDomain(anchor, trustDomain)
    return isAnchor && isReadByOpenSsl(anchor) ? anchor : undefined
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isThere<T>(value: T | undefined): value is T {
  return value !== undefined
}

function refused(message: string): CountersignError {
  return new CountersignError('federation/bundle', `bundle document ${message}`)
}
