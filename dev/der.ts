/**
 * The little DER that a control plane needs. It shares nothing with src/pki on purpose: what judges the
 * signer's work must not be blind where the signer's own encoder is.
 */

export interface DerValue {
  readonly tag: number
  readonly content: Buffer
  /** Tag, length and content. */
  readonly raw: Buffer
}

/** All values that follow each other in these octets; throws a RangeError for anything that is not DER. */
export function readDer(octets: Buffer): readonly DerValue[] {
  const values: DerValue[] = []
  let offset = 0
  while (offset < octets.length) {
    const value = readOne(octets.subarray(offset))
    values.push(value)
    offset += value.raw.length
  }
  return values
}

/** Exactly one value, nothing after it. */
export function readOneDer(octets: Buffer): DerValue {
  const value = readOne(octets)
  if (value.raw.length !== octets.length) throw new RangeError('octets after the value')
  return value
}

function readOne(octets: Buffer): DerValue {
  const [tag, first] = octets
  if (tag === undefined || first === undefined) throw new RangeError('truncated')
  // Multi-octet tags do not occur in X.509.
  if ((tag & 0x1f) === 0x1f) throw new RangeError('high tag number')
  const lengthOctets = first < 0x80 ? 0 : first & 0x7f
  if (first === 0x80 || lengthOctets > 4) throw new RangeError('bad length')
  if (octets.length < 2 + lengthOctets) throw new RangeError('truncated')
  const length = lengthOctets === 0 ? first : octets.readUIntBE(2, lengthOctets)
  const shortest = lengthOctets === 0 || (length >= 0x80 && octets[2] !== 0)
  if (!shortest) throw new RangeError('length is not minimal')
  const start = 2 + lengthOctets
  if (octets.length < start + length) throw new RangeError('truncated')
  return {
    tag,
    content: octets.subarray(start, start + length),
    raw: octets.subarray(0, start + length),
  }
}

export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
} as const

export function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents)
  return Buffer.concat([Buffer.of(tag, ...lengthOf(content.length)), content])
}

function lengthOf(length: number): readonly number[] {
  if (length < 0x80) return [length]
  const octets: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256)
  return [0x80 | octets.length, ...octets]
}

export function sequence(...contents: readonly Uint8Array[]): Buffer {
  return der(tags.sequence, ...contents)
}

/** A positive integer of these octets. */
export function integer(octets: Uint8Array): Buffer {
  const [first = 0] = octets
  return der(tags.integer, first >= 0x80 ? Buffer.of(0) : Buffer.alloc(0), octets)
}

export function bitString(octets: Uint8Array): Buffer {
  return der(tags.bitString, Buffer.of(0), octets)
}

export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return der(tags.objectIdentifier, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

function base128(arc: number): readonly number[] {
  const octets = [arc % 128]
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) {
    octets.unshift(0x80 | (rest % 128))
  }
  return octets
}

/** The dotted form of an object identifier's content. */
export function readObjectIdentifier(content: Buffer): string {
  const arcs: number[] = []
  let arc = 0
  for (const octet of content) {
    arc = arc * 128 + (octet & 0x7f)
    if (octet >= 0x80) continue
    arcs.push(arc)
    arc = 0
  }
  const [first = 0, ...rest] = arcs
  const root = Math.min(Math.floor(first / 40), 2)
  return [root, first - root * 40, ...rest].join('.')
}
