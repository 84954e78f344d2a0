import { CountersignError } from '../errors.ts'
import type { GatewayOptions } from '../gateway/gateway.ts'
import type { Log } from '../log.ts'
import { openReloadingFiles } from '../pki/reloading-files.ts'
import type { Condition } from '../readiness.ts'
import { parseConfiguration } from './configuration.ts'
import { gatewaySchema, type GatewayConfig } from './gateway-configuration.ts'

type UpstreamConfigs = GatewayOptions['upstreams']

/** The tool servers of a configuration that is followed. */
export interface FollowedUpstreams extends AsyncDisposable {
  current(): UpstreamConfigs
  /** From now on tells of each change, and hears what is wrong with it. */
  follow(replace: (configs: UpstreamConfigs) => void): void
  /** None where nothing is followed. */
  conditions(): readonly Condition[]
}

/**
 * Follows `upstreams` in the file that a configuration was read from; everything else of it is read at the start. A file that is not
 * good as a whole changes nothing.
 */
export async function followUpstreams(
  config: GatewayConfig,
  { log }: { readonly log: Log },
): Promise<FollowedUpstreams> {
  const { file } = config
  if (file === undefined) return standing(config)
  const source = await openReloadingFiles({
    files: [file],
    code: 'cli/configuration',
    parse: ([text = '']) => upstreamsOf(parseConfiguration(text, gatewaySchema, file)),
    log,
  })
  let refused: CountersignError | undefined
  return {
    current: () => source.current(),
    follow(replace) {
      source.onChange(() => {
        refused = undefined
        try {
          replace(source.current())
        } catch (error) {
          if (!(error instanceof CountersignError)) throw error
          refused = error
          log.error({ error }, 'tool servers stay as they were')
        }
      })
    },
    conditions() {
      const name = 'upstreams'
      const problem = source.problem ?? refused
      if (problem === undefined) return [{ name, ok: true, reason: `as ${file} has them` }]
      const reason = `those of before stay in force: ${problem.message}`
      return [{ name, ok: false, optional: true, reason }]
    },
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  }
}

function standing(config: GatewayConfig): FollowedUpstreams {
  return {
    current: () => upstreamsOf(config),
    follow: () => {},
    conditions: () => [],
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

function upstreamsOf({ upstreams }: Pick<GatewayConfig, 'upstreams'>): UpstreamConfigs {
  return upstreams.map(({ pins, ...upstream }) => ({
    ...upstream,
    ...(pins === undefined ? {} : { pins }),
  }))
}
