import { CountersignError, cut } from '../../errors.ts'
import { coalesce } from '../../gateway/caller/coalesce.ts'
import type { GatewayOptions } from '../../gateway/gateway.ts'
import { serverLimitsOfWorker } from '../../gateway/limits.ts'
import {
  chooseToolServers,
  isAccepted,
  type Chosen,
  type ToolServerVerdict,
} from '../../gateway/upstream/tool-server.ts'
import type { StatusWriter } from '../../gateway/upstream/tool-server-status.ts'
import type { ToolServerSource } from '../../gateway/upstream/tool-server-watch.ts'
import type { Log } from '../../log.ts'
import { openReloadingFiles, type Reloading } from '../../pki/reloading-files.ts'
import type { Condition } from '../../readiness.ts'
import { parseConfiguration } from '../configuration.ts'
import { gatewaySchema, upstreamConfigOf, type GatewayConfig } from './gateway-configuration.ts'

type UpstreamConfigs = GatewayOptions['upstreams']

/** The tool servers of a configuration that is followed, and of the cluster. */
export interface FollowedUpstreams extends AsyncDisposable {
  current(): UpstreamConfigs
  /** From now on tells of each change, and hears what is wrong with it. */
  follow(replace: (configs: UpstreamConfigs) => void): void
  conditions(): readonly Condition[]
  /** The ToolServer that is served under this name, as `namespace/name`. */
  objectOf(server: string): string | undefined
}

export interface FollowOptions {
  readonly log: Log
  /** None where only the configuration counts. */
  readonly toolServers?: ToolServerSource | undefined
  /** The gateway's own, as soon as it has a certificate. */
  readonly ownNamespace?: () => string | undefined
  /** Told of each choice that is in force. */
  readonly status?: Pick<StatusWriter, 'tell'>
}

/**
 * Follows `upstreams` in the file that a configuration was read from, and the ToolServers of the cluster; everything else of it is read
 * at the start. A file that is not good as a whole changes nothing.
 */
export async function followUpstreams(
  config: GatewayConfig,
  { log, toolServers, ownNamespace = () => undefined, status }: FollowOptions,
): Promise<FollowedUpstreams> {
  const source = await openConfigured(config, log)
  let refused: CountersignError | undefined
  let complaints = ''
  /** What was taken: /readyz is asked often, and by anybody who can reach it. */
  let taken: Chosen | undefined

  function choose(): Chosen {
    const configured = source.current()
    const namespace = ownNamespace()
    if (toolServers === undefined || namespace === undefined) {
      return { configs: configured, verdicts: [] }
    }
    const { trustDomain, production, firstUseFolder } = config
    const definitions = { production, remembers: firstUseFolder !== undefined }
    return chooseToolServers(toolServers.list(), {
      trustDomain,
      ownNamespace: namespace,
      configured,
      definitions,
    })
  }
  function take(replace: (configs: UpstreamConfigs) => void): void {
    refused = undefined
    try {
      const chosen = choose()
      taken = chosen
      complain(chosen)
      replace(ofWorker(chosen.configs, config.workers))
      status?.tell(chosen)
    } catch (error) {
      if (!(error instanceof CountersignError)) throw error
      refused = error
      log.error({ error }, 'tool servers stay as they were')
    }
  }
  /** Each set of complaints once. */
  function complain(chosen: Chosen): void {
    const left = refusedOf(chosen)
    const now = JSON.stringify(left)
    if (now === complaints) return
    complaints = now
    for (const { object, reason, message } of left) {
      log.warn({ object, reason, why: message }, 'tool server is not served')
    }
  }

  return {
    current: () => ofWorker(choose().configs, config.workers),
    follow(replace) {
      source.onChange(() => take(replace))
      toolServers?.onChange(coalesce(() => take(replace)))
      take(replace)
    },
    conditions: () => [
      ...(config.file === undefined ? [] : [stateOf(config.file, source.problem ?? refused)]),
      ...(toolServers === undefined
        ? []
        : [stateOfCluster(toolServers, taken ?? choose(), config.staleSecondsMax)]),
    ],
    objectOf: (server) => taken && objectOf(taken, server),
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  }
}

/** Those of the configuration come first, then one for each that is accepted. */
function objectOf({ configs, verdicts }: Chosen, server: string): string | undefined {
  const accepted = verdicts.filter(isAccepted)
  const index = configs.findIndex((config) => config.server === server)
  return accepted[index - (configs.length - accepted.length)]?.object
}

function stateOf(file: string, problem: Error | undefined): Condition {
  const name = 'upstreams'
  if (problem === undefined) return { name, ok: true, reason: `as ${file} has them` }
  const reason = `those of before stay in force: ${problem.message}`
  return { name, ok: false, optional: true, reason }
}

function refusedOf({ verdicts }: Chosen): readonly ToolServerVerdict[] {
  return verdicts.filter((verdict) => !isAccepted(verdict))
}

function stateOfCluster(
  source: ToolServerSource,
  chosen: Chosen,
  staleSecondsMax: number,
): Condition {
  const name = 'tool-servers'
  const watch = source.condition(staleSecondsMax)
  const refused = refusedOf(chosen)
  if (!watch.ok || refused.length === 0) return { ...watch, name, optional: true }
  const reason = refused
    .map(({ object, message }) => `${object} is not served: ${message}`)
    .join('; ')
  return { name, ok: false, optional: true, reason: cut(reason, 1000) }
}

type Configured = Pick<
  Reloading<UpstreamConfigs>,
  'current' | 'onChange' | 'problem' | typeof Symbol.asyncDispose
>

function openConfigured(config: GatewayConfig, log: Log): Promise<Configured> {
  const { file } = config
  if (file !== undefined) {
    return openReloadingFiles({
      files: [file],
      code: 'cli/configuration',
      parse: ([text = '']) => upstreamsOf(parseConfiguration(text, gatewaySchema, file)),
      log,
    })
  }
  return Promise.resolve({
    current: () => upstreamsOf(config),
    onChange: () => () => {},
    problem: undefined,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  })
}

/** What one of several workers has of each: a tool server counts its calls together. */
function ofWorker(configs: UpstreamConfigs, workers: number): UpstreamConfigs {
  return configs.map((config) =>
    config.limits === undefined
      ? config
      : { ...config, limits: serverLimitsOfWorker(config.limits, workers) },
  )
}

function upstreamsOf({ upstreams }: Pick<GatewayConfig, 'upstreams'>): UpstreamConfigs {
  return upstreams.map(upstreamConfigOf)
}
