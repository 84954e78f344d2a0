import { isIP } from 'node:net'
import { CountersignError } from '../errors.ts'
import type { CertificateRequest } from './certificate-request.ts'
import { DerReader, tags, withCode } from './der-read.ts'
import { oids } from './oid.ts'

/** The names that a certificate request asks for, all of them. */
export interface RequestedNames {
  readonly commonName: string
  readonly organizations: readonly string[]
  /** As they are written. */
  readonly dnsNames: readonly string[]
  /** Four octets or sixteen each. */
  readonly ipAddresses: readonly Buffer[]
}

const printableString = 0x13
const dnsNameTag = 0x82
const ipAddressTag = 0x87

/** Nobody's node has more. */
const namesMax = 64

/**
 * Reads them where the request asks for nothing else: a subject of one common name and of organizations, in the string types that Go writes,
 * and at most one extension, of DNS names and addresses. Throws `pki/csr-malformed`, naming what is there beside.
 */
export function readRequestedNames(
  request: Pick<CertificateRequest, 'subject' | 'alternativeNames' | 'others'>,
): RequestedNames {
  const [other] = request.others
  if (other !== undefined) throw refused(`asks for ${other}`)
  const [alternativeNames, second] = request.alternativeNames
  if (second !== undefined) throw refused('has its alternative names twice')
  return withCode('pki/csr-malformed', () => ({
    ...readSubject(new DerReader(request.subject)),
    ...readAlternativeNames(alternativeNames),
  }))
}

function readSubject(name: DerReader): Pick<RequestedNames, 'commonName' | 'organizations'> {
  const commonNames: string[] = []
  const organizations: string[] = []
  while (name.nextTag !== -1) {
    const part = name.enter(tags.set, 'subject part')
    do {
      const attribute = part.enter(tags.sequence, 'subject attribute')
      const type = attribute.objectIdentifier('subject attribute type')
      const isKnown = type === oids.commonName || type === oids.organization
      if (!isKnown) throw refused('has more in its subject than a common name and organizations')
      const isText = [printableString, tags.utf8String].includes(attribute.nextTag)
      if (!isText) throw refused('has a subject in a string type of other times')
      const text = attribute.ascii(attribute.nextTag, 'subject attribute value')
      attribute.finish('subject attribute')
      const of = type === oids.commonName ? commonNames : organizations
      if (of.push(text) > namesMax) throw refused('has too many names in its subject')
    } while (part.nextTag !== -1)
  }
  const [commonName, second] = commonNames
  if (commonName === undefined || second !== undefined) throw refused('has not one common name')
  return { commonName, organizations }
}

function readAlternativeNames(
  value: Buffer | undefined,
): Pick<RequestedNames, 'dnsNames' | 'ipAddresses'> {
  const dnsNames: string[] = []
  const ipAddresses: Buffer[] = []
  if (value === undefined) return { dnsNames, ipAddresses }
  const reader = new DerReader(value)
  const names = reader.enter(tags.sequence, 'subjectAltName')
  reader.finish('subjectAltName')
  while (names.nextTag !== -1) {
    if (dnsNames.length + ipAddresses.length === namesMax) {
      throw refused('has too many alternative names')
    }
    if (names.nextTag === dnsNameTag) dnsNames.push(names.ascii(dnsNameTag, 'dNSName'))
    else if (names.nextTag === ipAddressTag) ipAddresses.push(readAddress(names))
    else throw refused('has an alternative name that is neither a DNS name nor an address')
  }
  return { dnsNames, ipAddresses }
}

/** RFC 5280 §4.2.1.6 */
function readAddress(names: DerReader): Buffer {
  const octets = names.content(ipAddressTag, 'iPAddress')
  if (octets.length === 4 || octets.length === 16) return octets
  throw refused('has an address of neither four octets nor sixteen')
}

/** Of an address as people write it, as a certificate has it. */
export function addressOctets(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number))
  // A URL has one spelling of each (RFC 5952), without dots.
  const [left = '', right] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'))
  const [before, after] = [groups(left), groups(right ?? '')]
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  const all = [...before, ...zeros, ...after].map((each) => each.padStart(4, '0'))
  return Buffer.from(all.join(''), 'hex')
}

function refused(what: string): CountersignError {
  return new CountersignError('pki/csr-malformed', `certificate request ${what}`)
}
