import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { CountersignError } from '../../errors.ts'
import { parseDefinition, type Definition } from '../../gateway/catalogue/definition.ts'
import { listOffers, type Listed } from '../../gateway/catalogue/list-upstream.ts'
import { parseOffer } from '../../gateway/catalogue/offer.ts'
import { quarantineOf, type FirstUse } from '../../gateway/catalogue/pins.ts'
import { defaultLimits } from '../../gateway/limits.ts'
import type { Upstream, UpstreamConfig } from '../../gateway/upstream/upstream.ts'
import { workloadOf } from '../../identity/spiffe-id.ts'
import { silentLog } from '../../log.ts'
import { listFormOf } from '../../mcp/lists.ts'
import type { Era } from '../../mcp/message.ts'
import type { DecisionContext } from '../../policy/asked.ts'
import { parseIdentityExtensionOid } from '../../pki/identity-extension-oid.ts'
import { checkCredential, checkTrustBundle } from '../check/check-files.ts'
import { checkToolServers } from '../check/check-tool-servers.ts'
import { openToLookAt, type UpstreamCheckOptions } from '../check/check-upstream.ts'
import { readConfiguration } from '../configuration.ts'
import { openFirstUseFolder } from '../gateway/first-use-folder.ts'
import {
  gatewaySchema,
  upstreamConfigOf,
  type GatewayConfig,
} from '../gateway/gateway-configuration.ts'

/** Where the pins of a tool server are: in the configuration, or in a ToolServer. */
export type PinsAt = { readonly file: string } | { readonly toolServer: string }

export interface SeenServer {
  readonly config: UpstreamConfig
  readonly at: PinsAt
}

export interface SeenTool {
  readonly era: DecisionContext['era']
  readonly definition: Definition
  /** Its code; undefined: it may be listed and called, as far as its definition goes. */
  readonly quarantine: string | undefined
}

/** A gateway, looked at from its configuration. */
export interface SeenGateway {
  readonly config: GatewayConfig
  readonly servers: readonly SeenServer[]
  /** What a tool server lists now, in each of its eras. Throws `cli/tool-server` where it does not. */
  toolsOf(server: SeenServer): Promise<readonly SeenTool[]>
  /** What else it lists: nothing where it knows no such list. Throws as above. */
  offersOf(server: SeenServer, method: string): Promise<readonly SeenOffer[]>
}

/** A prompt, a resource or a template. */
export interface SeenOffer {
  readonly era: DecisionContext['era']
  /** Its name, its URI, or the text of its template. */
  readonly name: string
}

/** Reads a configuration and what it points at, as the gateway does: with its certificate. Throws `cli/configuration`. */
export async function seeGateway(
  name: string,
  { signal, now = Date.now }: { readonly signal: AbortSignal; readonly now?: () => number },
): Promise<SeenGateway> {
  const file = resolve(name)
  const config = await readConfiguration(file, gatewaySchema)
  const identityExtensionOid = parseIdentityExtensionOid(config.identityExtensionOid, config)
  const credential = await checkCredential(config, { identityExtensionOid, now: now() })
  const trustBundle = await checkTrustBundle(config, { credential: credential.value, now: now() })
  if (credential.value === undefined || trustBundle.value === undefined) {
    const { summary } =
      credential.value === undefined ? credential.judgement : trustBundle.judgement
    const hint = 'tool servers are asked with the gateway’s certificate: run this in its pod'
    throw new CountersignError('cli/configuration', summary, { hint })
  }
  const asking = {
    credential: credential.value,
    trustBundle: trustBundle.value,
    identityExtensionOid,
    now,
    signal,
  }
  const { firstUseFolder } = config
  // Whoever looks makes nothing: without the folder nothing is remembered yet.
  const firstUse =
    firstUseFolder !== undefined && existsSync(firstUseFolder)
      ? openFirstUseFolder(firstUseFolder, silentLog)
      : undefined
  return {
    config,
    servers: [
      ...config.upstreams.map((each) => ({ config: upstreamConfigOf(each), at: { file } })),
      ...(config.toolServers ? await ofCluster(config, asking) : []),
    ],
    toolsOf: (server) => toolsOf(server, { ...asking, firstUse }),
    offersOf: (server, method) => offersOf(server, method, asking),
  }
}

async function ofCluster(
  config: GatewayConfig,
  asking: UpstreamCheckOptions,
): Promise<readonly SeenServer[]> {
  const { accepted, judgement } = await checkToolServers(config, asking)
  if (judgement.status === 'problem') {
    throw new CountersignError('cli/configuration', judgement.summary, {
      hint: judgement.hint ?? 'countersign gateway check <config>',
    })
  }
  const own = workloadOf(asking.credential.svid.spiffeId)?.namespace ?? ''
  return accepted.map((each) => {
    const { namespace, server } = each
    const object =
      namespace === undefined
        ? `${own}/${server}`
        : `${namespace}/${server.slice(namespace.length + '--'.length)}`
    return { config: each, at: { toolServer: object } }
  })
}

async function toolsOf(
  { config }: SeenServer,
  { firstUse, ...asking }: UpstreamCheckOptions & { readonly firstUse: FirstUse | undefined },
): Promise<readonly SeenTool[]> {
  await using upstream = openToLookAt(config, asking)
  const seen: SeenTool[] = []
  for (const era of config.eras) {
    const definitions = await listed(upstream, era, 'tools/list')
    for (const { octets, values } of definitions) {
      const definition = parseDefinition(octets, { values })
      if (typeof definition === 'string') continue
      const quarantine = quarantineOf(config, definition, firstUse)?.code
      seen.push({ era, definition, quarantine })
    }
  }
  return seen
}

async function offersOf(
  { config }: SeenServer,
  method: string,
  asking: UpstreamCheckOptions,
): Promise<readonly SeenOffer[]> {
  await using upstream = openToLookAt(config, asking)
  const form = listFormOf(method)
  const seen: SeenOffer[] = []
  for (const era of config.eras) {
    for (const { octets } of await listed(upstream, era, method)) {
      const offer = form && parseOffer(octets, form)
      if (typeof offer === 'object') seen.push({ era, name: offer.name })
    }
  }
  return seen
}

async function listed(
  upstream: Upstream,
  era: Era,
  method: string,
): Promise<Listed['definitions']> {
  const { answerBytesMax } = defaultLimits
  const { definitions, failure } = await listOffers({ upstream, era, method, answerBytesMax })
  if (failure === undefined) return definitions
  const why = `${upstream.config.server}: ${era}: ${method}: ${failure.failed}: ${failure.detail}`
  const hint = 'countersign gateway check <config> says more of its connection'
  throw new CountersignError('cli/tool-server', why, { hint })
}
