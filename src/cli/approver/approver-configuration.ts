import { hostname } from 'node:os'
import * as z from 'zod'
import { parseAddress, parseRanges } from '../../approver/address.ts'
import { canonicalSpelling } from '../../approver/spelling.ts'
import { isDnsLabel, isDnsSubdomain } from '../../identity/kubernetes-name.ts'
import { keyTypes, type KeyType } from '../../pki/subject-key.ts'
import { pathIn } from '../configuration.ts'
import {
  adminSchema,
  logSchema,
  type AdminConfig,
  type LogConfig,
} from '../shared-configuration.ts'

/** What `countersign approve-requests --config` reads. */
export interface ApproverConfig {
  /** Path; the pod's own service account when absent. */
  readonly kubeconfig?: string | undefined
  /** Names this process in the ledger; the host name when absent. */
  readonly replica: string
  /** Whether requests for `kubernetes.io/kubelet-serving` are answered. */
  readonly kubeletServing: boolean
  /** Whether requests for `kubernetes.io/kube-apiserver-client-kubelet` are answered. */
  readonly kubeletClient: boolean
  /** Who asks for the first client certificate of which nodes. */
  readonly bootstrap?:
    { readonly groups: readonly string[]; readonly nodes: readonly string[] } | undefined
  /** What is known of single nodes without asking them. */
  readonly nodes: readonly ConfiguredNodeConfig[]
  /** Ranges of the addresses that nodes may say they have, as `10.0.0.0/8`; all when absent. */
  readonly addressRanges?: readonly string[] | undefined
  /** Such as `.nodes.example`: what the names that nodes may say they have end with, beside their own name; none when absent. */
  readonly dnsSuffixes?: readonly string[] | undefined
  readonly keyTypes: readonly KeyType[]
  /** Of what is asked for. */
  readonly expirationSecondsMax: number
  /** Of one node and signer. */
  readonly approvalsPerHour: number
  readonly ledger: { readonly file: string }
  readonly admin: AdminConfig
  readonly log: LogConfig
}

export interface ConfiguredNodeConfig {
  readonly name: string
  /** Who asks for its serving certificate beside itself, as a virtual kubelet does. */
  readonly serviceAccount?:
    { readonly namespace: string; readonly name: string; readonly ofPod: boolean } | undefined
  readonly dnsNames: readonly string[]
  readonly addresses: readonly string[]
}

const subdomain = z.string().refine(isDnsSubdomain, 'want=a DNS name in lower case, no wildcard')

const nodeSchema = z.strictObject({
  name: subdomain,
  serviceAccount: z
    .strictObject({
      namespace: z.string().refine(isDnsLabel, 'want=the name of a namespace'),
      name: subdomain,
      ofPod: z.boolean().default(true),
    })
    .optional(),
  dnsNames: z.array(subdomain).max(64).default([]),
  addresses: z
    .array(z.string().refine((each) => parseAddress(each) !== undefined, 'want=an IP address'))
    .max(64)
    .default([]),
})

/**
 * A name that is given twice means two things, an account that is bound to two nodes is bound to none, and with what two nodes have each
 * would pass for the other.
 */
function repeated(nodes: readonly ConfiguredNodeConfig[]): string | undefined {
  const names = nodes.map(({ name }) => `node ${name}`)
  const accounts = nodes.flatMap(({ serviceAccount: account }) =>
    account === undefined ? [] : [`service account ${account.namespace}/${account.name}`],
  )
  const places = nodes.flatMap(({ name, dnsNames, addresses }) =>
    [...new Set([name, ...dnsNames, ...addresses].map(canonicalSpelling))].map(
      (each) => `name or address ${each}`,
    ),
  )
  const all = [...names, ...accounts, ...places]
  const seen = new Set<string>()
  return all.find((each) => seen.size === seen.add(each).size)
}

export function approverSchema(folder: string): z.ZodType<ApproverConfig> {
  return z
    .strictObject({
      kubeconfig: pathIn(folder).optional(),
      replica: z.string().min(1).max(253).default(hostname),
      kubeletServing: z.boolean().default(false),
      kubeletClient: z.boolean().default(false),
      bootstrap: z
        .strictObject({
          groups: z.array(z.string().startsWith('system:bootstrappers').max(253)).min(1).max(16),
          nodes: z.array(subdomain).min(1).max(10_000),
        })
        .optional(),
      nodes: z.array(nodeSchema).max(10_000).default([]),
      addressRanges: z
        .array(z.string().refine((each) => parseRanges([each]) !== undefined, 'want=10.0.0.0/8'))
        .min(1)
        .optional(),
      dnsSuffixes: z
        .array(
          z
            .string()
            .refine(
              (each) => each.startsWith('.') && isDnsSubdomain(each.slice(1)),
              'want=.domain',
            ),
        )
        .min(1)
        .optional(),
      keyTypes: z
        .array(z.enum(keyTypes))
        .min(1)
        .default([...keyTypes]),
      expirationSecondsMax: z.int().min(600).max(31_536_000).default(86_400),
      approvalsPerHour: z.int().min(1).max(3600).default(12),
      ledger: z.strictObject({ file: pathIn(folder) }),
      admin: adminSchema(9_445),
      log: logSchema,
    })
    .superRefine((read, context) => {
      const issue = (field: string, message: string): void =>
        context.addIssue({ code: 'custom', path: [field], message })
      const twice = repeated(read.nodes)
      if (twice !== undefined) issue('nodes', `${twice} is there twice`)
      if (!read.kubeletServing && !read.kubeletClient) {
        issue('kubeletServing', 'want=kubeletServing or kubeletClient, or both')
      }
      if (read.bootstrap !== undefined && !read.kubeletClient) {
        issue('bootstrap', 'want=kubeletClient: true beside it')
      }
    })
}
