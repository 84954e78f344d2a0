import { X509Certificate, type KeyObject } from 'node:crypto'
import { readDer, readObjectIdentifier, readOneDer, tags, type DerValue } from '../der.ts'

/** What the API server looks at in a certificate, and no more. */
export interface Certificate {
  readonly publicKey: KeyObject
  /** Milliseconds since the epoch. */
  readonly notBefore: number
  readonly notAfter: number
  readonly isCa: boolean
  readonly dnsNames: readonly string[]
  readonly emailAddresses: readonly string[]
}

const subjectAltName = '2.5.29.17'
const rfc822Name = 0x81
const dnsName = 0x82

/** Undefined for what is no certificate. */
export function parseCertificate(octets: Buffer): Certificate | undefined {
  try {
    // OpenSSL reads the first value and ignores what follows; Go does not.
    readOneDer(octets)
    const certificate = new X509Certificate(octets)
    const names = alternativeNames(octets)
    const textsOf = (tag: number): readonly string[] =>
      names.filter((name) => name.tag === tag).map(({ content }) => content.toString('latin1'))
    return {
      publicKey: certificate.publicKey,
      notBefore: certificate.validFromDate.getTime(),
      notAfter: certificate.validToDate.getTime(),
      isCa: certificate.ca,
      dnsNames: textsOf(dnsName),
      emailAddresses: textsOf(rfc822Name),
    }
  } catch {
    return undefined
  }
}

function alternativeNames(octets: Buffer): readonly DerValue[] {
  const [tbs] = readDer(readOneDer(octets).content)
  const explicitExtensions = readDer(tbs?.content ?? Buffer.alloc(0)).find(
    ({ tag }) => tag === 0xa3,
  )
  if (explicitExtensions === undefined) return []
  for (const extension of readDer(readOneDer(explicitExtensions.content).content)) {
    const members = readDer(extension.content)
    const [oid] = members
    const value = members.at(-1)
    if (oid === undefined || value?.tag !== tags.octetString) continue
    if (readObjectIdentifier(oid.content) !== subjectAltName) continue
    return readDer(readOneDer(value.content).content)
  }
  return []
}
