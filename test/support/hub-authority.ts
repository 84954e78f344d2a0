import { parseTrustDomain, type TrustDomain } from '../../src/identity/trust-domain.ts'
import { parseAuthority, type Authority } from '../../src/pki/authority.ts'
import { formatCertificates } from '../../src/pki/pem.ts'
import {
  craftCa,
  extension,
  generalNames,
  seededKey,
  sequence,
  utcTime,
} from './craft-certificate.ts'

export const trustDomain: TrustDomain = parseTrustDomain('edge-1.example')
export const dnsSuffixes: readonly string[] = ['svc', 'svc.cluster.local']

export interface HubCa {
  readonly certificatePem: string
  readonly privateKeyPem: string
  readonly authority: Authority
}

/** The CA of a hub for one other cluster, of a seed. It may have CAs below it unless told otherwise. */
export function createHubCa(options: {
  readonly seed?: number
  readonly now: number
  readonly notAfter?: Date
  /** DER of the basicConstraints' content. */
  readonly basicConstraints?: Buffer
}): HubCa {
  const { seed = 1, now, notAfter = new Date(now + 3650 * 86_400_000) } = options
  const { basicConstraints = sequence(Buffer.from('0101ff', 'hex')) } = options
  const time = (at: Date): Buffer =>
    utcTime(`${at.toISOString().slice(2, 19).replaceAll(/[-:T]/g, '')}Z`)
  const root = craftCa({
    name: `hub ${seed}`,
    seed,
    parts: { validity: sequence(time(new Date(now - 3_600_000)), time(notAfter)) },
    extensions: {
      subjectAltName: extension('2.5.29.17', false, generalNames([`spiffe://${trustDomain}`])),
      basicConstraints: extension('2.5.29.19', true, basicConstraints),
    },
  })
  const certificatePem = formatCertificates([root])
  const privateKeyPem = seededKey(seed).export({ format: 'pem', type: 'pkcs8' }).toString()
  const authority = parseAuthority({
    certificatePem,
    privateKeyPem,
    trustDomain,
    dnsSuffixes,
    now: () => now,
  })
  return { certificatePem, privateKeyPem, authority }
}
