import { isDeepStrictEqual } from 'node:util'
import { CountersignError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Upstream, UpstreamConfig } from './upstream.ts'

/** The tool servers behind a gateway. */
export interface Upstreams {
  /** As they are at this moment, by server, in the order of the configuration. */
  readonly current: ReadonlyMap<string, Upstream>
  /**
   * From now on these. What has not changed goes on; what has changed or is gone ends at once, with what is open on it. Throws
   * `gateway/upstream` for what cannot be served, and then nothing changes.
   */
  replace(configs: readonly UpstreamConfig[]): void
  close(): Promise<void>
}

/** Throws `gateway/upstream`. */
export function createUpstreams(
  configs: readonly UpstreamConfig[],
  options: {
    readonly create: (config: UpstreamConfig) => Upstream
    readonly log: Log
    /** Told of each server that is no more, under this name. */
    readonly removed?: (server: string) => void
  },
): Upstreams {
  const { create, log } = options
  const current = new Map<string, Upstream>()

  function replace(next: readonly UpstreamConfig[]): void {
    const made = new Map<string, Upstream>()
    const opened: Upstream[] = []
    try {
      for (const config of next) {
        if (made.has(config.server)) throw namedTwice(config)
        const known = current.get(config.server)
        const isSame = known !== undefined && isDeepStrictEqual(known.config, config)
        const upstream = isSame ? known : create(config)
        if (!isSame) opened.push(upstream)
        made.set(config.server, upstream)
      }
    } catch (error) {
      for (const each of opened) end(each)
      throw error
    }
    const ended = [...current.values()].filter((each) => made.get(each.config.server) !== each)
    current.clear()
    for (const [server, upstream] of made) current.set(server, upstream)
    for (const each of ended) {
      end(each)
      if (!made.has(serverOf(each))) options.removed?.(serverOf(each))
    }
    const names = (list: readonly Upstream[]): readonly string[] => list.map(serverOf)
    if (ended.length > 0 || opened.length > 0) {
      log.info({ opened: names(opened), ended: names(ended) }, 'tool servers are others now')
    }
  }
  function end(upstream: Upstream): void {
    upstream.close().catch((error: unknown) => {
      log.warn({ error, server: serverOf(upstream) }, 'connections to an upstream did not close')
    })
  }

  replace(configs)
  return {
    current,
    replace,
    async close() {
      await Promise.all([...current.values()].map((upstream) => upstream.close()))
    },
  }
}

function serverOf({ config }: Upstream): string {
  return config.server
}

function namedTwice({ server }: UpstreamConfig): CountersignError {
  return new CountersignError('gateway/upstream', `upstream ${server}: named twice`)
}
