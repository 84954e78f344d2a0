import { isIP } from 'node:net'
import * as z from 'zod'
import { isDnsSubdomain } from '../../identity/kubernetes-name.ts'
import { parseSpiffeId, type SpiffeId } from '../../identity/spiffe-id.ts'
import { parseTrustDomain, type TrustDomain } from '../../identity/trust-domain.ts'
import { annotationKeys } from '../../identity/governance-key.ts'
import { keyTypes, type KeyType } from '../../pki/subject-key.ts'
import { sourceNames, type SourceName } from '../../renewal/credential-source.ts'
import type { FilesOfOthers } from '../../renewal/files-source.ts'
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
  readonly trustDomain?: TrustDomain | undefined
  readonly signerName: string
  /** The serving certificate of a node is kept instead of a workload's. */
  readonly kubeletServing?: KubeletServingConfig | undefined
  /** The ways to a credential, the one to use first. */
  readonly sources: readonly SourceName[]
  /** Where somebody else keeps one. */
  readonly files?: FilesOfOthers | undefined
  /** Of the certificate that is made where nobody is asked; a node's has its names. */
  readonly selfSigned?: { readonly spiffeId: SpiffeId } | undefined
  readonly fallBackSeconds: number
  readonly production: boolean
  /** Path; the pod's own service account when absent. */
  readonly kubeconfig?: string | undefined
  /** Where the credential is kept. */
  readonly folder: string
  /** PEM file of anchors; the signer's ClusterTrustBundle when absent. */
  readonly trustBundle?: string | undefined
  /** Whether the folder has to be in memory. */
  readonly memory: boolean
  /** Whether the group may read what others need of it. */
  readonly groupReadable: boolean
  readonly keyType: KeyType
  readonly expirationSeconds?: number | undefined
  /** What is asked for, as the pod's annotations declare it. */
  readonly annotations: Readonly<Record<string, string>>
  readonly identityExtensionOid?: string | undefined
  /** A default of its own for nodes when absent. */
  readonly renewPercent?: number | undefined
  readonly afterChange?: HookConfig | undefined
  readonly admin: AdminConfig
  readonly log: LogConfig
}

export interface KubeletServingConfig {
  /** Name of the Node. */
  readonly node: string
  readonly dnsNames: readonly string[]
  readonly addresses: readonly string[]
}

const asked = Object.values(annotationKeys)

const servingSchema = z
  .strictObject({
    node: z.string().refine(isDnsSubdomain, 'want=the name of a node'),
    dnsNames: z.array(z.string().refine(isDnsSubdomain, 'want=a DNS name')).max(32).default([]),
    addresses: z
      .array(
        z.string().refine((each) => isIP(each) !== 0 && !each.includes('%'), 'want=an IP address'),
      )
      .max(32)
      .default([]),
  })
  .refine(
    ({ dnsNames, addresses }) => dnsNames.length + addresses.length > 0,
    'want=dnsNames or addresses, or both',
  )

type Contradiction = readonly [field: string, message: string]

function contradictionOf(read: AgentConfig): Contradiction | undefined {
  return contradictionOfSources(read) ?? contradictionOfNames(read)
}

/** Each source that is configured stands in the order, and once: none is used that nobody has put before or behind the others. */
function contradictionOfSources(read: AgentConfig): Contradiction | undefined {
  const { sources, files, selfSigned, kubeletServing, production, trustDomain } = read
  const twice = sources.find((each, index) => sources.indexOf(each) !== index)
  if (twice !== undefined) return ['sources', `want=each once got="${twice}" twice`]
  if (files !== undefined && !sources.includes('files')) {
    return ['sources', `files and ${sources.join(', ')} are of equal rank, want=an order of them`]
  }
  if (files === undefined && sources.includes('files')) {
    return ['files', 'want=where they are, because sources has files']
  }
  const isMade = sources.includes('self-signed')
  if (isMade && production) {
    return ['sources', 'want=production: false beside self-signed, which proves nothing']
  }
  if (selfSigned !== undefined && !isMade) {
    return ['sources', `self-signed and ${sources.join(', ')} are of equal rank, want=an order`]
  }
  if (!isMade || kubeletServing !== undefined) {
    return selfSigned === undefined ? undefined : ['selfSigned', 'want=none beside kubeletServing']
  }
  const { spiffeId } = selfSigned ?? {}
  if (spiffeId === undefined) return ['selfSigned', 'want=a spiffeId, because sources has it']
  return spiffeId.path !== '' && spiffeId.trustDomain === trustDomain
    ? undefined
    : ['selfSigned.spiffeId', `want=of a workload of ${trustDomain ?? 'trustDomain'}`]
}

/** Who keeps the certificate of a node asks nothing of ours. */
function contradictionOfNames(read: AgentConfig): Contradiction | undefined {
  const { kubeletServing, trustDomain, identityExtensionOid, annotations, trustBundle } = read
  if (kubeletServing === undefined) {
    return trustDomain === undefined ? ['trustDomain', 'want=a trust domain'] : undefined
  }
  const others = { trustDomain, identityExtensionOid, annotations: Object.keys(annotations)[0] }
  const [odd] = Object.entries(others).find(([, value]) => value !== undefined) ?? []
  if (odd !== undefined) return [odd, 'want=nothing of workloads beside kubeletServing']
  // The signer of Kubernetes publishes none, and what signs itself has its own.
  return trustBundle === undefined && read.sources.some((each) => each !== 'self-signed')
    ? ['trustBundle', 'want=a file beside kubeletServing']
    : undefined
}

export function agentSchema(folder: string): z.ZodType<AgentConfig> {
  return agentObject(folder).superRefine((read, context) => {
    const [field, message] = contradictionOf(read) ?? []
    if (field !== undefined) context.addIssue({ code: 'custom', path: field.split('.'), message })
  })
}

function agentObject(folder: string): z.ZodType<AgentConfig> {
  return z.strictObject({
    trustDomain: parsedBy(parseTrustDomain).optional(),
    kubeletServing: servingSchema.optional(),
    signerName: z.string().max(571).default('countersign.dev/identity'),
    sources: z.array(z.enum(sourceNames)).min(1).max(8).default(['csr']),
    files: z
      .union([
        z.strictObject({ credentialBundle: pathIn(folder) }),
        z.strictObject({ certificate: pathIn(folder), privateKey: pathIn(folder) }),
      ])
      .optional(),
    selfSigned: z.strictObject({ spiffeId: parsedBy(parseSpiffeId) }).optional(),
    fallBackSeconds: z.int().min(1).max(3600).default(30),
    production: z.boolean().default(true),
    kubeconfig: pathIn(folder).optional(),
    folder: pathIn(folder),
    trustBundle: pathIn(folder).optional(),
    memory: z.boolean().default(false),
    groupReadable: z.boolean().default(false),
    keyType: z.enum(keyTypes).default('ECDSAP256'),
    expirationSeconds: z.int().min(3600).max(86_400).optional(),
    annotations: z.partialRecord(z.enum(asked), z.string().max(8192)).default({}),
    identityExtensionOid: z.string().max(128).optional(),
    renewPercent: z.int().min(10).max(80).optional(),
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
