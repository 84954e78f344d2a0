import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { ClusterAccess, Material } from './kubeconfig.ts'
import { readSmallFile, unusable } from './small-file.ts'

/** What the next connection shows, and what it takes the server for. */
export interface ClusterCredential {
  readonly ca: string | undefined
  readonly certificate: string | undefined
  readonly privateKey: string | undefined
  readonly token: string | undefined
}

const certificateBlock = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

/** Reads what is in files, and checks all of it. Throws 'kubernetes/configuration', never with a word of a key. */
export function readCredential(access: ClusterAccess): ClusterCredential {
  const { authority, certificate, privateKey, token } = access
  if ((certificate === undefined) !== (privateKey === undefined)) {
    const [given, missing] =
      certificate === undefined
        ? ['client-key', 'client-certificate']
        : ['client-certificate', 'client-key']
    throw unusable(`${missing}: want=beside ${given} got=none`)
  }
  const credential = {
    ca: authority === undefined ? undefined : certificates(authority),
    certificate: certificate === undefined ? undefined : certificates(certificate),
    privateKey: privateKey === undefined ? undefined : unencrypted(privateKey),
    token: token === undefined ? undefined : checkToken(read(token), nameOf(token)),
  }
  checkPair(credential.certificate, credential.privateKey)
  return credential
}

/** A pair that TLS takes. */
export function checkPair(certificate: string | undefined, privateKey: string | undefined): void {
  if (certificate === undefined || privateKey === undefined) return
  try {
    createSecureContext({ cert: certificate, key: privateKey })
  } catch {
    throw unusable('client-certificate and client-key: want=a certificate and its key got=other')
  }
}

/** One line, fit for a header: files end with a newline, as a rule. */
export function checkToken(token: string, what: string): string {
  const trimmed = token.trim()
  if (/^[\x21-\x7e]+$/.test(trimmed)) return trimmed
  throw unusable(
    `${what}: want=one line of printable ASCII got=${trimmed === '' ? 'nothing' : 'other'}`,
  )
}

function read(material: Material): string {
  return 'text' in material ? material.text : readSmallFile(material.file, material.field)
}

function nameOf(material: Material): string {
  return 'text' in material ? material.field : `${material.field} ${JSON.stringify(material.file)}`
}

function certificates(material: Material): string {
  const text = read(material)
  const blocks = text.match(certificateBlock) ?? []
  try {
    blocks.forEach((block) => void new X509Certificate(block))
  } catch {
    throw unusable(`${nameOf(material)}: want=PEM certificates got=one that cannot be read`)
  }
  if (blocks.length === 0) throw unusable(`${nameOf(material)}: want=PEM certificates got=none`)
  return text
}

function unencrypted(material: Material): string {
  const text = read(material)
  if (/ENCRYPTED/.test(text)) {
    throw unusable(
      `${nameOf(material)}: want=an unencrypted key got=an encrypted one`,
      'openssl pkey -in <encrypted> -out <key> takes the password off; keep the file to yourself',
    )
  }
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    throw unusable(`${nameOf(material)}: want=PEM private key got=other`)
  }
  return text
}
