import { CountersignError, quoted } from '../errors.ts'

/** Contents of the object identifiers that we read and write, in hex: the key under which the reader gives them. */
export const oids = {
  /** 2.5.29.14 to 2.5.29.56: the certificate extensions of RFC 5280 §4.2.1 and RFC 9608. */
  subjectKeyIdentifier: '551d0e',
  keyUsage: '551d0f',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
  nameConstraints: '551d1e',
  certificatePolicies: '551d20',
  authorityKeyIdentifier: '551d23',
  policyConstraints: '551d24',
  extendedKeyUsage: '551d25',
  noRevAvail: '551d38',
  /** 1.3.6.1.5.5.7.3.1 and .2. */
  serverAuth: '2b06010505070301',
  clientAuth: '2b06010505070302',
  /** 2.5.4.3 */
  commonName: '550403',
  /** 2.5.4.10 */
  organization: '55040a',
  /** 1.2.840.113549.1.9.14 (PKCS#9): the extensions that a certificate request asks for. */
  extensionRequest: '2a864886f70d01090e',
} as const

/** RFC 5612: for documentation, so it may be anybody's and means nothing between organizations. It serves until an arc is registered. */
export const exampleArc = '1.3.6.1.4.1.32473'

/** Go's encoding/asn1 reads no larger arc (golang/go#30757), and kube-apiserver is Go; this also excludes 2.25.<uuid>. */
const arcMax = 2 ** 31 - 1

/** The content of an object identifier in hex, from its dotted text. Throws `pki/der`. */
export function parseObjectIdentifier(text: string): string {
  const arcs = text.split('.').map(Number)
  const [top = 3, second = 40] = arcs
  const wellFormed =
    text.length <= 128 &&
    /^[0-2](?:\.(?:0|[1-9][0-9]{0,9})){2,}$/.test(text) &&
    arcs.every((arc) => arc <= arcMax)
  if (!wellFormed || top > 2 || (top < 2 && second > 39) || (top === 2 && second === 25)) {
    throw new CountersignError(
      'pki/der',
      `object identifier is not dotted arcs of at most ${arcMax} outside 2.25, got=${quoted(text)}`,
    )
  }
  return [40 * top + second, ...arcs.slice(2)].map((arc) => arcHex(arc)).join('')
}

/** The dotted text of an object identifier's content, for messages. */
export function formatObjectIdentifier(hex: string): string {
  const arcs: bigint[] = []
  let arc = 0n
  for (const octet of Buffer.from(hex, 'hex')) {
    arc = arc * 128n + BigInt(octet & 0x7f)
    if (octet < 0x80) {
      arcs.push(arc)
      arc = 0n
    }
  }
  const [first = 0n, ...rest] = arcs
  const top = first < 80n ? first / 40n : 2n
  return [top, first - top * 40n, ...rest].join('.')
}

function arcHex(arc: number): string {
  const octets = [arc % 128]
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) {
    octets.unshift((rest % 128) | 0x80)
  }
  return Buffer.from(octets).toString('hex')
}
