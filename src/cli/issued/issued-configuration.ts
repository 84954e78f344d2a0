import * as z from 'zod'
import { isDnsLabel } from '../../identity/kubernetes-name.ts'
import { parseTrustDomain, type TrustDomain } from '../../identity/trust-domain.ts'
import { keyTypes, type KeyType } from '../../pki/subject-key.ts'
import { parsedBy, pathIn } from '../configuration.ts'
import {
  adminSchema,
  logSchema,
  type AdminConfig,
  type LogConfig,
} from '../shared-configuration.ts'

/** What `countersign issued-certificates --config` reads. */
export interface IssuedConfig {
  /** Every name, certificate and anchor has to be of it. */
  readonly trustDomain: TrustDomain
  readonly signerName: string
  /** Path; the pod's own service account when absent. */
  readonly kubeconfig?: string | undefined
  /** Whose IssuedCertificates are kept; those of all when absent. */
  readonly namespace?: string | undefined
  /** PEM file of anchors; the signer's ClusterTrustBundle when absent. */
  readonly trustBundle?: string | undefined
  readonly keyType: KeyType
  readonly expirationSeconds?: number | undefined
  readonly identityExtensionOid?: string | undefined
  readonly renewPercent: number
  /** Whether the pods that an IssuedCertificate names are restarted. */
  readonly bouncePods: boolean
  /** Whether a Revocation of the cluster takes the key from the Secret. */
  readonly revocations: boolean
  readonly admin: AdminConfig
  readonly log: LogConfig
}

export function issuedSchema(folder: string): z.ZodType<IssuedConfig> {
  const config = z.strictObject({
    trustDomain: parsedBy(parseTrustDomain),
    signerName: z.string().max(571).default('countersign.dev/identity'),
    kubeconfig: pathIn(folder).optional(),
    namespace: z.string().refine(isDnsLabel, 'want=the name of a namespace').optional(),
    trustBundle: pathIn(folder).optional(),
    keyType: z.enum(keyTypes).default('ECDSAP256'),
    expirationSeconds: z.int().min(3600).max(86_400).optional(),
    identityExtensionOid: z.string().max(128).optional(),
    renewPercent: z.int().min(10).max(80).default(50),
    bouncePods: z.boolean().default(false),
    revocations: z.boolean().default(false),
    admin: adminSchema(9_446),
    log: logSchema,
  })
  return config.refine(
    ({ revocations, identityExtensionOid }) => !revocations || identityExtensionOid !== undefined,
    {
      path: ['identityExtensionOid'],
      error: 'want=the number of the extension, with revocations: it names what they are about',
    },
  )
}
