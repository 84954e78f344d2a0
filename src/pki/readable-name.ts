import { DerReader, tags } from './der-read.ts'
import { quoted } from '../errors.ts'

/** The string types of a Name that Go's crypto/x509 reads, and of what they may consist there. */
const readable: Readonly<Record<number, (octets: Buffer) => boolean>> = {
  // UTF8String
  0x0c: (octets) => isUtf8(octets),
  // NumericString
  0x12: (octets) => /^[0-9 ]*$/.test(octets.toString('latin1')),
  // PrintableString: with `*` and `&`, which many CAs have written.
  0x13: (octets) => /^[A-Za-z0-9 '()+,\-./:=?*&]*$/.test(octets.toString('latin1')),
  // T61String, read as if it were Latin-1
  0x14: () => true,
  // IA5String
  0x16: (octets) => octets.every((octet) => octet < 0x80),
  // BMPString
  0x1e: (octets) => octets.length % 2 === 0,
}

/** What in a Name (RFC 5280 §4.1.2.4) a Go program cannot read, and with it the whole certificate; undefined when there is nothing. */
export function unreadableName(name: Buffer): string | undefined {
  const parts = new DerReader(name).enter(tags.sequence, 'name')
  while (parts.nextTag !== -1) {
    const relative = parts.enter(tags.set, 'name part')
    while (relative.nextTag !== -1) {
      const attribute = relative.enter(tags.sequence, 'name attribute')
      attribute.objectIdentifier('name attribute type')
      const tag = attribute.nextTag
      const octets = attribute.content(tag, 'name attribute value')
      if (readable[tag]?.(octets) !== true) return quoted(octets.toString('latin1'))
    }
  }
  return undefined
}

function isUtf8(octets: Buffer): boolean {
  return Buffer.from(octets.toString('utf8'), 'utf8').equals(octets)
}
