import { parseCertificateRequestPem } from '../../src/pki/certificate-request.ts'
import { formatCertificates } from '../../src/pki/pem.ts'
import {
  authorityKeyIdentifier,
  craftCa,
  extension,
  generalNames,
  sequence,
  tlv,
  utcTime,
  type CertificateParts,
} from './craft-certificate.ts'

/** A CA above ours, as whoever answers CertificateSigningRequests has one. */
export interface ParentCa {
  /** PEM of its root, which is no part of any answer. */
  readonly rootPem: string
  /** PEM of what it makes of a request, in PEM: a CA below itself, good but for what is told. */
  answer(requestPem: string, told?: AnswerOptions): string
}

export interface AnswerOptions {
  /** Milliseconds since 1970. */
  readonly notBefore: number
  readonly lifetimeSeconds: number
  readonly parts?: Partial<CertificateParts>
  readonly extensions?: Readonly<Record<string, Buffer>>
}

/** Its root is one of a seed, of the trust domain. It is valid for ten years from then. */
export function createParentCa(options: {
  readonly seed: number
  readonly trustDomain: string
  readonly now: number
  readonly lifetimeSeconds?: number
}): ParentCa {
  const { seed, trustDomain, now, lifetimeSeconds = 3650 * 86_400 } = options
  const issuer = { name: `parent ${seed}`, seed }
  const subjectAltName = extension('2.5.29.17', false, generalNames([`spiffe://${trustDomain}`]))
  const root = craftCa({
    ...issuer,
    parts: { validity: validity(now - 3_600_000, lifetimeSeconds) },
    extensions: { subjectAltName },
  })
  let answered = 0
  return {
    rootPem: formatCertificates([root]),
    answer(requestPem, told = { notBefore: now, lifetimeSeconds: 90 * 86_400 }) {
      const { subject, key } = parseCertificateRequestPem(requestPem)
      answered += 1
      const certificate = craftCa({
        name: '',
        seed: 200 + seed,
        issuer,
        parts: {
          serialNumber: tlv(0x02, Buffer.of(0x40, seed, answered)),
          subject: sequence(subject),
          spki: key.spki,
          validity: validity(told.notBefore, told.lifetimeSeconds),
          ...told.parts,
        },
        extensions: {
          basicConstraints: extension(
            '2.5.29.19',
            true,
            sequence(Buffer.from('0101ff020100', 'hex')),
          ),
          subjectAltName,
          subjectKeyIdentifier: extension('2.5.29.14', false, tlv(0x04, key.keyIdentifier)),
          authorityKeyIdentifier: authorityKeyIdentifier(seed),
          ...told.extensions,
        },
      })
      return formatCertificates([certificate])
    },
  }
}

function validity(notBefore: number, lifetimeSeconds: number): Buffer {
  const time = (at: number): Buffer => {
    const digits = new Date(at).toISOString().replaceAll(/[^0-9]/g, '')
    return utcTime(`${digits.slice(2, 14)}Z`)
  }
  return sequence(time(notBefore), time(notBefore + lifetimeSeconds * 1000))
}
