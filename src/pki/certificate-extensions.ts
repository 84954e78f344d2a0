import { CountersignError } from '../errors.ts'
import type { Certificate, Extension } from './certificate.ts'
import { DerReader, tags } from './der-read.ts'
import { formatObjectIdentifier, oids } from './oid.ts'

/** Bits of KeyUsage (RFC 5280 §4.2.1.3), bit 0 on top. */
export const keyUsages = {
  digitalSignature: 0x8000,
  keyEncipherment: 0x2000,
  keyAgreement: 0x0800,
  keyCertSign: 0x0400,
  cRLSign: 0x0200,
} as const

export interface BasicConstraints {
  readonly ca: boolean
  readonly pathLength: number | undefined
}

export interface AlternativeNames {
  readonly uris: readonly string[]
  readonly dnsNames: readonly string[]
  /** Context tags of the names that are neither. */
  readonly otherTags: readonly number[]
}

/** RFC 5280 §4.2.1.10, for the two kinds of names that we judge. */
export interface NameConstraints {
  readonly permitted: AlternativeNames
  readonly excluded: AlternativeNames
}

const uriTag = 0x86
const dnsNameTag = 0x82
export const ipAddressTag = 0x87
const generalNameTags: readonly number[] = [
  0xa0,
  0x81,
  dnsNameTag,
  0xa3,
  0xa4,
  0xa5,
  uriTag,
  ipAddressTag,
  0x88,
]

/** Reads an extension's value with nothing left over; undefined when the certificate does not have it. */
function readExtension<T>(
  certificate: Certificate,
  oid: string,
  what: string,
  read: (reader: DerReader, extension: Extension) => T,
): T | undefined {
  const extension = certificate.extensions.get(oid)
  if (extension === undefined) return undefined
  const reader = new DerReader(extension.value)
  const value = read(reader, extension)
  reader.finish(what)
  return value
}

export function basicConstraintsOf(certificate: Certificate): BasicConstraints | undefined {
  return readExtension(certificate, oids.basicConstraints, 'basicConstraints', (reader) => {
    const constraints = reader.enter(tags.sequence, 'basicConstraints')
    const ca = constraints.optionalTrue('cA')
    const limited = constraints.nextTag !== -1
    const pathLength = limited
      ? constraints.smallInteger(tags.integer, 'pathLenConstraint')
      : undefined
    constraints.finish('basicConstraints')
    if (!ca && limited) throw broken('pathLenConstraint is set in what is no CA')
    return { ca, pathLength }
  })
}

/** The KeyUsage bits, undefined without the extension. */
export function keyUsageOf(certificate: Certificate): number | undefined {
  return readExtension(certificate, oids.keyUsage, 'keyUsage', (reader) =>
    reader.namedBits('keyUsage'),
  )
}

/** The purposes of ExtendedKeyUsage by their contents in hex. */
export function extendedKeyUsageOf(certificate: Certificate): readonly string[] | undefined {
  return readExtension(certificate, oids.extendedKeyUsage, 'extKeyUsage', (reader) => {
    const list = reader.enter(tags.sequence, 'extKeyUsage')
    const purposes: string[] = []
    do purposes.push(list.objectIdentifier('extKeyUsage purpose'))
    while (list.nextTag !== -1)
    return purposes
  })
}

export function alternativeNamesOf(certificate: Certificate): AlternativeNames | undefined {
  return readExtension(certificate, oids.subjectAltName, 'subjectAltName', (reader) => {
    const names = reader.enter(tags.sequence, 'subjectAltName')
    const found = { uris: [] as string[], dnsNames: [] as string[], otherTags: [] as number[] }
    do readGeneralName(names, found, isAddress)
    while (names.nextTag !== -1)
    return found
  })
}

/** The key identifier of AuthorityKeyIdentifier; the issuer-and-serial form is not used by anybody we trust. */
export function authorityKeyIdentifierOf(certificate: Certificate): Buffer | undefined {
  return readExtension(
    certificate,
    oids.authorityKeyIdentifier,
    'authorityKeyIdentifier',
    (reader) => {
      const identifier = reader.enter(tags.sequence, 'authorityKeyIdentifier')
      const key =
        identifier.nextTag === 0x80 ? identifier.content(0x80, 'keyIdentifier') : undefined
      while (identifier.nextTag !== -1)
        identifier.content(identifier.nextTag, 'authorityKeyIdentifier')
      return key
    },
  )
}

/** By what AuthorityKeyIdentifier names the issuer (RFC 5280 §4.2.1.1): each may be absent. */
export interface IssuerReference {
  readonly keyIdentifier: Buffer | undefined
  /** DER of the first directory name among the names of the issuer's issuer. */
  readonly directoryName: Buffer | undefined
  readonly serialNumber: Buffer | undefined
}

export function issuerReferenceOf(certificate: Certificate): IssuerReference | undefined {
  const what = 'authorityKeyIdentifier'
  return readExtension(certificate, oids.authorityKeyIdentifier, what, (reader) => {
    const identifier = reader.enter(tags.sequence, what)
    const optional = (tag: number): Buffer | undefined =>
      identifier.nextTag === tag ? identifier.content(tag, what) : undefined
    const keyIdentifier = optional(0x80)
    const names = optional(0xa1)
    const serialNumber = optional(0x82)
    identifier.finish(what)
    let directoryName: Buffer | undefined
    for (const list = new DerReader(names ?? Buffer.alloc(0)); list.nextTag !== -1;) {
      const isDirectoryName = list.nextTag === 0xa4
      const content = list.content(list.nextTag, what)
      if (isDirectoryName) directoryName ??= content
    }
    return { keyIdentifier, directoryName, serialNumber }
  })
}

export function subjectKeyIdentifierOf(certificate: Certificate): Buffer | undefined {
  return readExtension(certificate, oids.subjectKeyIdentifier, 'subjectKeyIdentifier', (reader) =>
    reader.content(tags.octetString, 'subjectKeyIdentifier'),
  )
}

export function nameConstraintsOf(certificate: Certificate): NameConstraints | undefined {
  return readExtension(certificate, oids.nameConstraints, 'nameConstraints', (reader) => {
    const constraints = reader.enter(tags.sequence, 'nameConstraints')
    const permitted = readSubtrees(constraints, 0xa0, 'permittedSubtrees')
    const excluded = readSubtrees(constraints, 0xa1, 'excludedSubtrees')
    constraints.finish('nameConstraints')
    return { permitted, excluded }
  })
}

/** The first critical extension that is not among those understood, in dotted text. */
export function unknownCriticalExtension(
  certificate: Certificate,
  understood: readonly string[],
): string | undefined {
  for (const [oid, { critical }] of certificate.extensions) {
    if (critical && !understood.includes(oid)) return formatObjectIdentifier(oid)
  }
  return undefined
}

function readSubtrees(constraints: DerReader, tag: number, what: string): AlternativeNames {
  const found = { uris: [] as string[], dnsNames: [] as string[], otherTags: [] as number[] }
  if (constraints.nextTag !== tag) return found
  const subtrees = constraints.enter(tag, what)
  do {
    const subtree = subtrees.enter(tags.sequence, what)
    readGeneralName(subtree, found, isAddressRange)
    // RFC 5280 §4.2.1.10: minimum is zero, so absent in DER, and maximum is absent.
    subtree.finish(what)
  } while (subtrees.nextTag !== -1)
  return found
}

function readGeneralName(
  reader: DerReader,
  found: { uris: string[]; dnsNames: string[]; otherTags: number[] },
  isIpAddress: (octets: Buffer) => boolean,
): void {
  const tag = reader.nextTag
  if (tag === uriTag) {
    found.uris.push(reader.ascii(tag, 'uniformResourceIdentifier'))
    return
  }
  if (tag === dnsNameTag) {
    found.dnsNames.push(reader.ascii(tag, 'dNSName'))
    return
  }
  if (!generalNameTags.includes(tag)) throw broken('a general name is of no known kind')
  const octets = reader.content(tag, 'general name')
  // Go reads no certificate in which one is malformed.
  if (tag === ipAddressTag && !isIpAddress(octets)) throw broken('iPAddress is malformed')
  found.otherTags.push(tag)
}

/** RFC 5280 §4.2.1.6: four octets or sixteen. */
function isAddress({ length }: Buffer): boolean {
  return length === 4 || length === 16
}

/** RFC 5280 §4.2.1.10: an address, and a mask that is ones and then zeros. */
function isAddressRange(octets: Buffer): boolean {
  const mask = octets.subarray(octets.length / 2).toString('hex')
  return isAddress(octets.subarray(octets.length / 2)) && /^f*[8ce]?0*$/.test(mask)
}

function broken(message: string): CountersignError {
  return new CountersignError('pki/der', message)
}
