import { createPrivateKey, X509Certificate } from 'node:crypto'
import { CountersignError, quoted } from '../errors.ts'
import { formatPem, parsePem } from './pem.ts'

/** What a node's certificate has to say, and how long it is one. */
export interface ServingNames {
  readonly nodeName: string
  readonly dnsNames: readonly string[]
  /** As Node writes them. */
  readonly addresses: readonly string[]
}

const charactersMax = 128 * 1024
const octetsMax = 1024 * 1024
const certificatesMax = 9
const serverAuth = '1.3.6.1.5.5.7.3.1'

/** Throws `pki/bundle` for what is not certificates, one at least. */
export function checkServingAnchors(pem: string): void {
  certificatesOf(pem)
}

/**
 * A serving certificate of a node as it stands in a file: it is the key's, for all that was asked for and for no other node, for servers, and an anchor
 * vouches for it now. Throws `pki/credential` and `pki/bundle`.
 */
export function verifyServing(
  credentialBundle: string,
  options: {
    readonly names: ServingNames
    /** PEM. */
    readonly trustBundle: string
    /** Milliseconds since the epoch. */
    readonly now: number
  },
): { readonly subject: string; readonly notBefore: Date; readonly notAfter: Date } {
  const { names, trustBundle, now } = options
  const [key, ...rest] = parsePem(credentialBundle, {
    code: 'pki/credential',
    what: 'credential',
    charactersMax,
  })
  const [leaf, ...others] = rest
    .filter(({ label }) => label === 'CERTIFICATE')
    .map(({ der }) => certificateOf(der, 'pki/credential'))
  if (key?.label !== 'PRIVATE KEY' || leaf === undefined || rest.length > certificatesMax) {
    throw refused('is not a key, its certificate and some intermediates')
  }
  if (!belongs(key.der, leaf)) throw refused('is of another key')
  const subject = `CN=system:node:${names.nodeName},O=system:nodes`
  if (leaf.subject.split('\n').toSorted().join(',') !== subject)
    throw refused(`is of another subject, got=${quoted(leaf.subject)}`)
  if (leaf.ca || !leaf.keyUsage?.includes(serverAuth)) throw refused('is not for a server')
  for (const name of names.dnsNames) {
    if (leaf.checkHost(name, { wildcards: false, subject: 'never' }) === undefined)
      throw refused(`is not for ${quoted(name)}`)
  }
  for (const address of names.addresses) {
    if (leaf.checkIP(address) === undefined) throw refused(`is not for ${quoted(address)}`)
  }
  const [notBefore, notAfter] = [leaf.validFromDate, leaf.validToDate]
  if (now < notBefore.getTime()) throw refused(`is of later, from=${notBefore.toISOString()}`)
  if (now >= notAfter.getTime()) throw refused(`has ended, at=${notAfter.toISOString()}`)
  const anchors = certificatesOf(trustBundle)
  if (!leadsTo(leaf, others, { anchors, now })) throw refused('leads to none of the anchors')
  return { subject: `system:node:${names.nodeName}`, notBefore, notAfter }
}

/** Key and certificates of one file, as they are for programs that want two. Throws `pki/credential`. */
export function splitCredentialBundle(pem: string): {
  readonly privateKeyPem: string
  readonly chainPem: string
} {
  const [key, ...chain] = parsePem(pem, {
    code: 'pki/credential',
    what: 'credential',
    charactersMax,
  })
  if (key === undefined) throw refused('is not there')
  return {
    privateKeyPem: formatPem(key.label, key.der),
    chainPem: chain.map(({ label, der }) => formatPem(label, der)).join(''),
  }
}

function certificatesOf(pem: string): readonly [X509Certificate, ...X509Certificate[]] {
  const code = 'pki/bundle'
  const blocks = parsePem(pem, { code, what: 'trustBundle', charactersMax: octetsMax })
  const odd = blocks.find(({ label }) => label !== 'CERTIFICATE')
  const [first, ...others] = blocks.map(({ der }) => certificateOf(der, code))
  if (first !== undefined && odd === undefined) return [first, ...others]
  throw new CountersignError(code, 'trustBundle: want=one certificate or more, and nothing else')
}

/** OpenSSL's own message is dropped: of a key it may tell octets. */
function belongs(key: Buffer, leaf: X509Certificate): boolean {
  try {
    return leaf.checkPrivateKey(createPrivateKey({ key, format: 'der', type: 'pkcs8' }))
  } catch {
    return false
  }
}

function certificateOf(der: Buffer, code: 'pki/credential' | 'pki/bundle'): X509Certificate {
  try {
    return new X509Certificate(der)
  } catch (cause) {
    throw new CountersignError(code, 'a certificate cannot be read', { cause })
  }
}

/** Each step by name, key and time, over what was issued beside the leaf. */
function leadsTo(
  leaf: X509Certificate,
  others: readonly X509Certificate[],
  { anchors, now }: { readonly anchors: readonly X509Certificate[]; readonly now: number },
): boolean {
  const issues = (each: X509Certificate, to: X509Certificate): boolean =>
    each.ca && each.validToDate.getTime() > now && to.checkIssued(each) && to.verify(each.publicKey)
  let last = leaf
  for (let steps = 0; steps <= others.length; steps += 1) {
    const current = last
    if (anchors.some((each) => issues(each, current))) return true
    const next = others.find((each) => issues(each, current))
    if (next === undefined) return false
    last = next
  }
  return false
}

function refused(why: string): CountersignError {
  return new CountersignError('pki/credential', `the certificate ${why}`)
}
