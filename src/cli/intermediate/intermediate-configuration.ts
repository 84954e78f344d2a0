import { hostname } from 'node:os'
import * as z from 'zod'
import { parseClusterDomain } from '../../identity/cluster-domain.ts'
import { isDnsLabel, isDnsSubdomain } from '../../identity/kubernetes-name.ts'
import { parseTrustDomain, type TrustDomain } from '../../identity/trust-domain.ts'
import { keyTypes, type KeyType } from '../../pki/subject-key.ts'
import { parsedBy, pathIn } from '../configuration.ts'
import {
  adminSchema,
  logSchema,
  type AdminConfig,
  type LogConfig,
} from '../shared-configuration.ts'

/** What `countersign intermediates --config` reads. */
export interface IntermediateConfig {
  /** Of the other cluster: all that its CA may sign for. */
  readonly trustDomain: TrustDomain
  /** Of the cluster of the CA, and of every other that it signs for: none is that of this one, which could name their workloads. */
  readonly otherTrustDomains: readonly TrustDomain[]
  /** Of the other cluster: `svc` and `svc.<clusterDomain>` are the DNS names that its CA may sign for. */
  readonly clusterDomain: string
  /** Path: the cluster whose signer asks. */
  readonly kubeconfig: string
  /** Names this process in the ledger; the host name when absent. */
  readonly replica: string
  /** What that signer asks for: its `authority.csr.signerName`. */
  readonly signerName: string
  /** That signer's service account: whoever else asks is not answered. */
  readonly requester: { readonly namespace: string; readonly serviceAccount: string }
  /** The CA above, of this trust domain alone. */
  readonly authority: {
    readonly files: { readonly certificate: string; readonly privateKey: string }
  }
  readonly keyTypes: readonly KeyType[]
  /** However long is asked for. */
  readonly lifetimeSecondsMax: number
  /** The cluster whose Revocations that name this trust domain are made in the other one; none are when absent. */
  readonly revocations?: { readonly from: string; readonly kubeconfig: string } | undefined
  readonly ledger: { readonly file: string }
  readonly admin: AdminConfig
  readonly log: LogConfig
}

export function intermediateSchema(folder: string): z.ZodType<IntermediateConfig> {
  const fields = z.strictObject({
    trustDomain: parsedBy(parseTrustDomain),
    otherTrustDomains: z.array(parsedBy(parseTrustDomain)).min(1).max(1000),
    clusterDomain: parsedBy(parseClusterDomain).default('cluster.local'),
    kubeconfig: pathIn(folder),
    replica: z.string().min(1).max(253).default(hostname),
    signerName: z
      .string()
      .max(571)
      .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+\/[a-z0-9.-]+$/, 'want=<domain>/<name>')
      .refine((name) => !/^([^/]*\.)?kubernetes\.io\//.test(name), 'want=none of kubernetes.io')
      .default('countersign.dev/intermediate'),
    requester: z
      .strictObject({
        namespace: z
          .string()
          .refine(isDnsLabel, 'want=the name of a namespace')
          .default('countersign-system'),
        serviceAccount: z
          .string()
          .refine(isDnsSubdomain, 'want=the name of a service account')
          .default('countersign-signer'),
      })
      .prefault({}),
    authority: z.strictObject({
      files: z.strictObject({ certificate: pathIn(folder), privateKey: pathIn(folder) }),
    }),
    keyTypes: z
      .array(z.enum(keyTypes))
      .min(1)
      .default([...keyTypes]),
    lifetimeSecondsMax: z.int().min(172_800).max(31_536_000).default(7_776_000),
    revocations: z
      .strictObject({
        from: z.string().refine(isDnsLabel, 'want=a name for that cluster: a DNS label'),
        kubeconfig: pathIn(folder),
      })
      .optional(),
    ledger: z.strictObject({ file: pathIn(folder) }),
    admin: adminSchema(9_447),
    log: logSchema,
  })
  return fields.superRefine(({ trustDomain, otherTrustDomains }, context) => {
    if (!otherTrustDomains.includes(trustDomain)) return
    const message = `want=a trust domain of that cluster alone got=${trustDomain}, which is in otherTrustDomains`
    context.addIssue({ code: 'custom', path: ['trustDomain'], message })
  })
}
