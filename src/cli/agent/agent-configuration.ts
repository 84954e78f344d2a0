import * as z from 'zod'
import { parseTrustDomain, type TrustDomain } from '../../identity/trust-domain.ts'
import { annotationKeys } from '../../identity/governance-key.ts'
import { keyTypes, type KeyType } from '../../pki/subject-key.ts'
import { parsedBy, pathIn } from '../configuration.ts'
import {
  adminSchema,
  logSchema,
  type AdminConfig,
  type LogConfig,
} from '../shared-configuration.ts'
import type { HookConfig } from './change-hook.ts'

/** What `countersign agent --config` reads. */
export interface AgentConfig {
  /** Every certificate and anchor has to be of it. */
  readonly trustDomain: TrustDomain
  readonly signerName: string
  /** Path; the pod's own service account when absent. */
  readonly kubeconfig?: string | undefined
  /** Where the credential is kept. */
  readonly folder: string
  /** PEM file of anchors; the signer's ClusterTrustBundle when absent. */
  readonly trustBundle?: string | undefined
  /** Whether the group may read what others need of it. */
  readonly groupReadable: boolean
  readonly keyType: KeyType
  readonly expirationSeconds?: number | undefined
  /** What is asked for, as the pod's annotations declare it. */
  readonly annotations: Readonly<Record<string, string>>
  readonly identityExtensionOid?: string | undefined
  readonly renewPercent: number
  readonly afterChange?: HookConfig | undefined
  readonly admin: AdminConfig
  readonly log: LogConfig
}

const asked = Object.values(annotationKeys)

export function agentSchema(folder: string): z.ZodType<AgentConfig> {
  return z.strictObject({
    trustDomain: parsedBy(parseTrustDomain),
    signerName: z.string().max(571).default('countersign.dev/identity'),
    kubeconfig: pathIn(folder).optional(),
    folder: pathIn(folder),
    trustBundle: pathIn(folder).optional(),
    groupReadable: z.boolean().default(false),
    keyType: z.enum(keyTypes).default('ECDSAP256'),
    expirationSeconds: z.int().min(3600).max(86_400).optional(),
    annotations: z.partialRecord(z.enum(asked), z.string().max(8192)).default({}),
    identityExtensionOid: z.string().max(128).optional(),
    renewPercent: z.int().min(10).max(80).default(50),
    afterChange: z
      .strictObject({
        command: z.array(z.string().min(1)).min(1).max(64),
        timeoutSeconds: z.int().min(1).max(600).default(30),
      })
      .optional(),
    admin: adminSchema(9_444),
    log: logSchema,
  })
}
