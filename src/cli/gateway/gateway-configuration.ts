import * as z from 'zod'
import { CountersignError } from '../../errors.ts'
import {
  parsePromptScopes,
  parseResourceScopes,
  type OfferScope,
} from '../../identity/offer-scope.ts'
import { parseServerScopes } from '../../identity/ceiling.ts'
import { parseSpiffeId, type SpiffeId } from '../../identity/spiffe-id.ts'
import type { ToolScope } from '../../identity/tool-scope.ts'
import { parseTrustDomain, type TrustDomain } from '../../identity/trust-domain.ts'
import {
  limitContradictions,
  limitNames,
  limitRanges,
  serverLimitContradictions,
  serverLimitNames,
  type GatewayLimits,
  type ServerLimits,
} from '../../gateway/limits.ts'
import type { DenialMode } from '../../gateway/permit/hide.ts'
import { upstreamConflicts } from '../../gateway/upstream/conflicts.ts'
import type { UpstreamConfig } from '../../gateway/upstream/upstream.ts'
import type { ListDetail } from '../../policy/event.ts'
import { claimsSchema, type ClaimsConfig } from '../claims-configuration.ts'
import { parsedBy, parsedListBy, pathIn } from '../configuration.ts'
import { decisionLogFields, type DecisionLogConfig } from '../decision-log.ts'
import {
  federationConflicts,
  federationSchema,
  type FederatedDomainConfig,
} from './federation-configuration.ts'
import {
  adminSchema,
  logSchema,
  policySchema,
  type AdminConfig,
  type LogConfig,
  type PolicyConfig,
} from '../shared-configuration.ts'
import { tracingSchema, type TracingConfig } from '../tracing-configuration.ts'

/** What `countersign gateway --config` reads. */
export interface GatewayConfig {
  /** Where it was read from; tool servers are followed there. No field of it. */
  readonly file?: string | undefined
  readonly trustDomain: TrustDomain
  /** Path; the pod's own service account when absent. */
  readonly kubeconfig?: string | undefined
  readonly listen: { readonly host: string; readonly port: number }
  /** Processes that serve; with more than one, another that looks after them. */
  readonly workers: number
  /** How many gateways serve beside each other; a policy that keeps a history has to know it. */
  readonly replicas?: number | undefined
  /** The gateway's own pod certificate: the one-file bundle that kubelet writes. */
  readonly credentialBundle: string
  /** The anchors that agents and tool servers are verified with. */
  readonly trustBundle: string
  /** Other trust domains, whose agents may call. */
  readonly federation?: readonly FederatedDomainConfig[] | undefined
  /** The signer's; required in production. */
  readonly identityExtensionOid?: string | undefined
  /** Refuses what is only fit for trying out: docs/OPERATING.md, Production. */
  readonly production: boolean
  /** Values of the Host header that are answered: a name without a port at every port, one with a port at that one. */
  readonly hosts: readonly string[]
  /** Values of the Origin header that are answered; requests without one are no browser's. */
  readonly origins: readonly string[]
  readonly upstreams: readonly {
    readonly server: string
    readonly url: string
    readonly spiffeId: SpiffeId
    readonly eras: readonly ('modern' | 'legacy')[]
    readonly timeoutSeconds: number
    readonly pins?: Readonly<Record<string, string>> | undefined
    readonly trustOnFirstUse?: boolean | undefined
    readonly scopes?: readonly ToolScope[] | undefined
    readonly prompts?: readonly OfferScope[] | undefined
    readonly resources?: readonly OfferScope[] | undefined
    readonly limits?: ServerLimits | undefined
  }[]
  /** Pods may be given to somebody after they started, as the signer follows it; they are not when absent. */
  readonly claims?: ClaimsConfig | undefined
  /** Calls may wait for an approval, as objects of this namespace; undefined: none can. */
  readonly approvals?: { readonly namespace: string } | undefined
  /** Serves the ToolServers of the cluster, too. */
  readonly toolServers: boolean
  /** Where definitions that are trusted on first use are remembered. */
  readonly firstUseFolder?: string | undefined
  /** Folder of keys that handles are sealed with, or one such file, shared by all replicas; required in production. */
  readonly handleKeys?: string | undefined
  /** How what is denied is told: as denied, or, where no list shows it, as what is not there. */
  readonly denials: DenialMode
  /** How long the watches on pods and revocations may be broken before calls are refused. */
  readonly staleSecondsMax: number
  readonly drain: {
    /** How long everything is still served after the gateway was told to end. */
    readonly graceSeconds: number
    /** How long what is under way after that may take. */
    readonly callSecondsMax: number
  }
  readonly decisionLog: DecisionLogConfig & {
    readonly lists: ListDetail
  }
  readonly limits: GatewayLimits
  /** Undefined: no call is traced. */
  readonly tracing?: TracingConfig | undefined
  readonly policy: PolicyConfig
  readonly admin: AdminConfig
  readonly log: LogConfig
}

const slug = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

const limitFields = Object.fromEntries(
  limitNames.map((name) => {
    const [min, max, without] = limitRanges[name]
    return [name, z.int().min(min).max(max).default(without)]
  }),
) as Readonly<Record<keyof GatewayLimits, z.ZodDefault<z.ZodInt>>>

const limitsSchema = z
  .strictObject(limitFields)
  .superRefine((limits, context) => {
    for (const { name, message } of limitContradictions(limits)) {
      context.addIssue({ code: 'custom', path: [name], message })
    }
  })
  .prefault({})

const serverLimitFields = Object.fromEntries(
  serverLimitNames.map((name) => {
    const [min, max] = limitRanges[name]
    return [name, z.int().min(min).max(max).optional()]
  }),
) as Readonly<Record<(typeof serverLimitNames)[number], z.ZodOptional<z.ZodInt>>>

const upstreamSchema = z
  .strictObject({
    server: z.string().regex(slug, 'want=a server name: lower-case letters, digits, dashes'),
    url: z.url({ protocol: /^https$/, error: 'want=an https URL' }),
    spiffeId: parsedBy(parseSpiffeId),
    eras: z
      .array(z.enum(['modern', 'legacy']))
      .min(1)
      .default(['modern']),
    timeoutSeconds: z.int().min(1).max(3600).default(60),
    pins: z.record(z.string(), z.string().regex(/^[0-9a-f]{64}$/)).optional(),
    trustOnFirstUse: z.boolean().default(false),
    scopes: z.array(z.string()).optional(),
    prompts: parsedListBy(parsePromptScopes).optional(),
    resources: parsedListBy(parseResourceScopes).optional(),
    limits: z.strictObject(serverLimitFields).optional(),
  })
  .transform(({ scopes, ...upstream }, context) => {
    if (scopes === undefined) return upstream
    try {
      return { ...upstream, scopes: parseServerScopes(upstream.server, scopes) }
    } catch (error) {
      if (!(error instanceof CountersignError)) throw error
      context.addIssue({ code: 'custom', path: ['scopes'], message: error.message })
      return z.NEVER
    }
  })

/** A tool server of the configuration, as the gateway takes one. */
export function upstreamConfigOf(upstream: GatewayConfig['upstreams'][number]): UpstreamConfig {
  const { pins, trustOnFirstUse = false, scopes, prompts, resources, limits, ...rest } = upstream
  return {
    ...rest,
    ...(pins === undefined ? {} : { pins }),
    ...(trustOnFirstUse ? { trustOnFirstUse } : {}),
    ...(scopes === undefined ? {} : { scopes }),
    ...(prompts === undefined ? {} : { prompts }),
    ...(resources === undefined ? {} : { resources }),
    ...(limits === undefined ? {} : { limits }),
  }
}

export function gatewaySchema(folder: string): z.ZodType<GatewayConfig> {
  return z
    .strictObject({
      trustDomain: parsedBy(parseTrustDomain),
      kubeconfig: pathIn(folder).optional(),
      listen: z
        .strictObject({
          host: z.string().min(1).default('0.0.0.0'),
          port: z.int().min(0).max(65_535).default(8443),
        })
        .prefault({}),
      workers: z.int().min(1).max(64).default(1),
      replicas: z.int().min(1).max(1000).optional(),
      credentialBundle: pathIn(folder),
      trustBundle: pathIn(folder),
      federation: federationSchema(folder).optional(),
      identityExtensionOid: z.string().max(128).optional(),
      production: z.boolean().default(true),
      hosts: z.array(z.string().min(1)).min(1),
      origins: z.array(z.string().min(1)).default([]),
      upstreams: z.array(upstreamSchema).default([]),
      claims: claimsSchema.optional(),
      approvals: z
        .strictObject({ namespace: z.string().regex(slug, 'want=a name of a namespace') })
        .optional(),
      toolServers: z.boolean().default(false),
      firstUseFolder: pathIn(folder).optional(),
      handleKeys: pathIn(folder).optional(),
      denials: z.enum(['explicit', 'hide']).default('explicit'),
      staleSecondsMax: z.int().min(5).max(3600).default(120),
      drain: z
        .strictObject({
          graceSeconds: z.int().min(0).max(600).default(5),
          callSecondsMax: z.int().min(0).max(3600).default(10),
        })
        .prefault({}),
      decisionLog: z.strictObject({
        ...decisionLogFields(folder, 'block'),
        lists: z.enum(['digest', 'full']).default('digest'),
      }),
      limits: limitsSchema,
      tracing: tracingSchema.optional(),
      policy: policySchema(folder),
      admin: adminSchema(9_444),
      log: logSchema,
    })
    .superRefine((config, context) => {
      for (const issue of contradictionsOf(config)) context.addIssue({ code: 'custom', ...issue })
    })
}

interface Contradiction {
  readonly path: PropertyKey[]
  readonly message: string
}

/** What no field says by itself. */
function contradictionsOf({
  upstreams,
  toolServers,
  trustDomain,
  limits,
  production,
  firstUseFolder,
  federation = [],
}: GatewayConfig): readonly Contradiction[] {
  const nobody =
    upstreams.length === 0 && !toolServers ? [{ path: ['upstreams'], message: 'want=1..' }] : []
  const conflicts = upstreamConflicts(upstreams, trustDomain)
  return [
    ...nobody,
    ...federationConflicts(trustDomain, federation).map(({ index, message }) => ({
      path: ['federation', index, 'trustDomain'],
      message,
    })),
    ...upstreams.flatMap(({ pins, trustOnFirstUse }, index) => {
      const at = (field: string, message: string): readonly Contradiction[] => [
        { path: ['upstreams', index, field], message },
      ]
      if (trustOnFirstUse && firstUseFolder === undefined) {
        return at('trustOnFirstUse', 'want=firstUseFolder, where first use is remembered')
      }
      return production && pins === undefined && !trustOnFirstUse
        ? at('pins', 'required in production, or trustOnFirstUse: true')
        : []
    }),
    ...conflicts.map(({ index, field, message }) => ({
      path: ['upstreams', index, field],
      message,
    })),
    ...upstreams.flatMap(({ limits: own = {} }, index) =>
      serverLimitContradictions(own, limits).map(({ name, message }) => ({
        path: ['upstreams', index, 'limits', name],
        message,
      })),
    ),
  ]
}
