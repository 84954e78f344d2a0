import { CountersignError } from '../../errors.ts'
import { parseServerScopes } from '../../identity/ceiling.ts'
import type { ToolScope } from '../../identity/tool-scope.ts'
import { workloadSpiffeId } from '../../identity/spiffe-id.ts'
import type { TrustDomain } from '../../identity/trust-domain.ts'
import type { Era } from '../../mcp/message.ts'
import type { ServerLimits } from '../limits.ts'
import { createKnownUpstreams } from './conflicts.ts'
import type { UpstreamConfig } from './upstream.ts'

/** A ToolServer of the cluster, as it is written there. */
export interface ToolServer {
  readonly namespace: string
  readonly name: string
  readonly createdAt: number
  readonly spec: {
    /** Of the Service and the service account; only in the gateway's own namespace another than its own. */
    readonly namespace: string | undefined
    readonly service: { readonly name: string; readonly port: number; readonly path: string }
    readonly serviceAccount: string
    readonly eras: readonly Era[]
    readonly timeoutSeconds: number
    readonly pins: Readonly<Record<string, string>> | undefined
    /** Tools and prefixes, as behind the colon of a tool scope. */
    readonly scopes: readonly string[] | undefined
    readonly limits: ServerLimits | undefined
  }
}

/** What cannot be served, and why. */
export interface RefusedToolServer {
  readonly object: string
  readonly why: string
}

export interface Chosen {
  readonly configs: readonly UpstreamConfig[]
  readonly refused: readonly RefusedToolServer[]
}

export interface Choosing {
  readonly trustDomain: TrustDomain
  /** Where the gateway runs: who may write there may decide for all. */
  readonly ownNamespace: string
  /** Those of the configuration come first, whatever a resource says. */
  readonly configured: readonly UpstreamConfig[]
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
  { trustDomain, ownNamespace, configured }: Choosing,
): Chosen {
  const refused: RefusedToolServer[] = []
  const made: { readonly object: string; readonly config: UpstreamConfig }[] = []
  const counts = new Map<string, number>()
  for (const each of toolServers.toSorted(byRank(ownNamespace))) {
    const object = `${each.namespace}/${each.name}`
    const count = (counts.get(each.namespace) ?? 0) + 1
    counts.set(each.namespace, count)
    const tooMany = each.namespace !== ownNamespace && count > ofNamespaceMax
    const config = tooMany
      ? `want=at most ${ofNamespaceMax} ToolServers in a namespace`
      : configOf(each, trustDomain, ownNamespace)
    if (typeof config === 'string') refused.push({ object, why: config })
    else made.push({ object, config })
  }
  const configs = [...configured]
  const known = createKnownUpstreams(trustDomain)
  for (const config of configured) known.add(config)
  for (const { object, config } of made) {
    const [conflict] = known.conflictsOf(config)
    if (conflict !== undefined) refused.push({ object, why: conflict.message })
    else if (configs.length - configured.length >= toolServersMax) {
      refused.push({ object, why: `want=at most ${toolServersMax} ToolServers in the cluster` })
    } else {
      configs.push(config)
      known.add(config)
    }
  }
  return { configs, refused }
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
): UpstreamConfig | string {
  const isOwn = namespace === ownNamespace
  if (name.includes(mark) || (!isOwn && namespace.includes(mark))) {
    return `want=a name without ${mark}`
  }
  const server = isOwn ? name : `${namespace}${mark}${name}`
  if (!serverName.test(server)) return `want=at most 63 letters, digits and dashes got=${server}`
  const at = spec.namespace ?? namespace
  if (!isOwn && at !== namespace) {
    return `spec.namespace: want=its own, or a ToolServer in ${ownNamespace} got=${at}`
  }
  const { service, serviceAccount, eras, timeoutSeconds, pins, scopes, limits } = spec
  try {
    return {
      server,
      url: `https://${service.name}.${at}.svc:${service.port}${service.path}`,
      spiffeId: workloadSpiffeId({ trustDomain, namespace: at, serviceAccount }),
      eras,
      timeoutSeconds,
      ...(pins === undefined ? {} : { pins }),
      ...(scopes === undefined ? {} : { scopes: serverScopes(server, scopes) }),
      ...(limits === undefined ? {} : { limits }),
    }
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    return error.message
  }
}

function serverScopes(server: string, tools: readonly string[]): readonly ToolScope[] {
  try {
    return parseServerScopes(server, tools)
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    throw new CountersignError(error.code, `spec.scopes: ${error.message}`)
  }
}
