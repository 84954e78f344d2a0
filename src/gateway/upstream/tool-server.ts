import { CountersignError } from '../../errors.ts'
import { parseServerScopes } from '../../identity/ceiling.ts'
import { parsePromptScopes, parseResourceScopes } from '../../identity/offer-scope.ts'
import { workloadSpiffeId } from '../../identity/spiffe-id.ts'
import type { TrustDomain } from '../../identity/trust-domain.ts'
import type { Era } from '../../mcp/message.ts'
import type { ServerLimits } from '../limits.ts'
import { createKnownUpstreams, type UpstreamConflict } from './conflicts.ts'
import type { UpstreamConfig } from './upstream.ts'

/** A ToolServer of the cluster, as it is written there. */
export interface ToolServer {
  readonly namespace: string
  readonly name: string
  readonly createdAt: number
  /** Counts the changes of its spec. */
  readonly generation: number
  /** Or what is wrong with it, the field first. */
  readonly spec: ToolServerSpec | string
}

export interface ToolServerSpec {
  /** Of the Service and the service account; only in the gateway's own namespace another than its own. */
  readonly namespace: string | undefined
  readonly service: { readonly name: string; readonly port: number; readonly path: string }
  readonly serviceAccount: string
  readonly eras: readonly Era[]
  readonly timeoutSeconds: number
  readonly pins: Readonly<Record<string, string>> | undefined
  readonly trustOnFirstUse: boolean
  /** Tools and prefixes, as behind the colon of a tool scope. */
  readonly scopes: readonly string[] | undefined
  /** Names and URIs, or beginnings of them. */
  readonly prompts: readonly string[] | undefined
  readonly resources: readonly string[] | undefined
  readonly limits: ServerLimits | undefined
}

/** What is made of a ToolServer of one generation. */
export interface ToolServerVerdict {
  /** `namespace/name` */
  readonly object: string
  readonly generation: number
  readonly reason: VerdictReason
  /** For people. Of a refusal it begins with the field. */
  readonly message: string
}

/** As its condition says it; documented in docs/AUTHORIZATION.md. */
export type VerdictReason =
  | 'Accepted'
  /** A field is not what it has to be. */
  | 'Invalid'
  /** It speaks for a namespace that is not its own. */
  | 'NamespaceNotAllowed'
  | 'NameTaken'
  | 'SpiffeIdTaken'
  | 'TooMany'

export interface Chosen {
  /** What is served, in the order of rank. */
  readonly configs: readonly UpstreamConfig[]
  /** Of each ToolServer. */
  readonly verdicts: readonly ToolServerVerdict[]
}

export function isAccepted({ reason }: ToolServerVerdict): boolean {
  return reason === 'Accepted'
}

export interface Choosing {
  readonly trustDomain: TrustDomain
  /** Where the gateway runs: who may write there may decide for all. */
  readonly ownNamespace: string
  /** Those of the configuration come first, whatever a resource says. */
  readonly configured: readonly UpstreamConfig[]
  readonly definitions: Demands
}

/** What is demanded of definitions, and what of them can be remembered. */
export interface Demands {
  /** Of each that it has pins, or is trusted on first use. */
  readonly production: boolean
  readonly remembers: boolean
}

/** Of one namespace but the gateway's own, so that who may write there takes nothing of others; and of the cluster. */
const ofNamespaceMax = 32
const toolServersMax = 1000

/**
 * Which ToolServers are served, beside those of the configuration. A ToolServer speaks for its own namespace: its Service and its SPIFFE
 * ID are there, and its namespace stands before its name, so that nobody takes the name, the scopes or the identity of another. In the
 * gateway's namespace, where operators write, it has its plain name and may speak for any. Of two that cannot be told apart
 * an operator's counts, then the older one.
 */
export function chooseToolServers(
  toolServers: readonly ToolServer[],
  { trustDomain, ownNamespace, configured, definitions }: Choosing,
): Chosen {
  const configs = [...configured]
  const known = createKnownUpstreams(trustDomain)
  for (const config of configured) known.add(config)
  const counts = new Map<string, number>()

  function judge(toolServer: ToolServer): UpstreamConfig | Refusal {
    const { namespace } = toolServer
    const count = (counts.get(namespace) ?? 0) + 1
    counts.set(namespace, count)
    if (namespace !== ownNamespace && count > ofNamespaceMax) {
      return tooMany(`${ofNamespaceMax} ToolServers in a namespace`)
    }
    const config = configOf(toolServer, trustDomain, ownNamespace)
    if ('reason' in config) return config
    const lacking = lackOf(config, definitions)
    if (lacking !== undefined) return invalid(lacking)
    const [conflict] = known.conflictsOf(config)
    if (conflict !== undefined) return taken(conflict)
    return configs.length - configured.length < toolServersMax
      ? config
      : tooMany(`${toolServersMax} ToolServers in the cluster`)
  }
  const verdicts = toolServers.toSorted(byRank(ownNamespace)).map((each): ToolServerVerdict => {
    const object = `${each.namespace}/${each.name}`
    const { generation } = each
    const judged = judge(each)
    if ('reason' in judged) return { object, generation, ...judged }
    configs.push(judged)
    known.add(judged)
    const message = `served as ${judged.server}, which has to prove ${judged.spiffeId.uri}`
    return { object, generation, reason: 'Accepted', message }
  })
  return { configs, verdicts }
}

type Refusal = Pick<ToolServerVerdict, 'reason' | 'message'>

function tooMany(most: string): Refusal {
  return { reason: 'TooMany', message: `metadata.namespace: want=at most ${most}` }
}

function taken({ field, message }: Pick<UpstreamConflict, 'field' | 'message'>): Refusal {
  return field === 'server'
    ? { reason: 'NameTaken', message: `metadata.name: ${message}` }
    : { reason: 'SpiffeIdTaken', message: `spec.serviceAccount: ${message}` }
}

function invalid(message: string): Refusal {
  return { reason: 'Invalid', message }
}

function byRank(ownNamespace: string): (one: ToolServer, other: ToolServer) => number {
  const others = ({ namespace }: ToolServer): number => (namespace === ownNamespace ? 0 : 1)
  const place = ({ namespace, name }: ToolServer): string => `${namespace}/${name}`
  return (one, other) =>
    others(one) - others(other) ||
    one.createdAt - other.createdAt ||
    (place(one) < place(other) ? -1 : 1)
}

/** Parts a namespace from the name of a server in it; so neither may hold it. */
const mark = '--'
/** As tool scopes and doors have it. */
const serverName = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

function configOf(
  { namespace, name, spec }: ToolServer,
  trustDomain: TrustDomain,
  ownNamespace: string,
): UpstreamConfig | Refusal {
  if (typeof spec === 'string') return invalid(spec)
  const isOwn = namespace === ownNamespace
  if (name.includes(mark)) return invalid(`metadata.name: want=a name without ${mark}`)
  if (!isOwn && namespace.includes(mark)) {
    return invalid(`metadata.namespace: want=a name without ${mark}`)
  }
  const server = isOwn ? name : `${namespace}${mark}${name}`
  if (!serverName.test(server)) {
    return invalid(`metadata.name: want=at most 63 letters, digits and dashes got=${server}`)
  }
  const at = spec.namespace ?? namespace
  if (!isOwn && at !== namespace) {
    const message = `spec.namespace: want=its own, or a ToolServer in ${ownNamespace} got=${at}`
    return { reason: 'NamespaceNotAllowed', message }
  }
  const { service, serviceAccount, eras, timeoutSeconds, pins, limits, trustOnFirstUse } = spec
  try {
    return {
      server,
      url: `https://${service.name}.${at}.svc:${service.port}${service.path}`,
      spiffeId: fieldAt('spec.serviceAccount', () =>
        workloadSpiffeId({ trustDomain, namespace: at, serviceAccount }),
      ),
      eras,
      timeoutSeconds,
      ...(pins === undefined ? {} : { pins }),
      ...(trustOnFirstUse ? { trustOnFirstUse } : {}),
      ...scopesOf(server, spec),
      ...(limits === undefined ? {} : { limits }),
      ...(isOwn ? {} : { namespace }),
    }
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    return invalid(error.message)
  }
}

/** What it may be asked for at most, of each kind that the spec speaks of. */
function scopesOf(
  server: string,
  { scopes, prompts, resources }: ToolServerSpec,
): Pick<UpstreamConfig, 'scopes' | 'prompts' | 'resources'> {
  return {
    ...(scopes && { scopes: fieldAt('spec.scopes', () => parseServerScopes(server, scopes)) }),
    ...(prompts && { prompts: fieldAt('spec.prompts', () => parsePromptScopes(prompts)) }),
    ...(resources && {
      resources: fieldAt('spec.resources', () => parseResourceScopes(resources)),
    }),
  }
}

function lackOf(
  { pins, trustOnFirstUse = false }: UpstreamConfig,
  { production, remembers }: Demands,
): string | undefined {
  if (trustOnFirstUse && !remembers) {
    return 'spec.trustOnFirstUse: the gateway has no firstUseFolder, where first use is remembered'
  }
  return production && pins === undefined && !trustOnFirstUse
    ? 'spec.pins: required by a gateway in production, or spec.trustOnFirstUse: true'
    : undefined
}

/** What a parser says, with the field before it. */
function fieldAt<T>(field: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    throw new CountersignError(error.code, `${field}: ${error.message}`)
  }
}
