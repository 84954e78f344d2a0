import type { Era } from '../../mcp/message.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import type { Turns } from '../turns.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { createCatalogue, type Catalogue } from './catalogue.ts'
import { listTools } from './list-upstream.ts'

/** One catalogue for each upstream and era: the same tool may be described differently in the other era. */
export type Catalogues = (upstream: Upstream, era: Era) => Catalogue

export function createCatalogues(options: {
  readonly answerBytesMax: number
  readonly turns: Turns
  readonly now: () => number
  readonly log: Log
  readonly metrics: Metrics
}): Catalogues {
  const { answerBytesMax, turns, now, log, metrics } = options
  const catalogues = {
    modern: new WeakMap<Upstream, Catalogue>(),
    legacy: new WeakMap<Upstream, Catalogue>(),
  }
  return (upstream, era) => {
    const known = catalogues[era].get(upstream)
    if (known !== undefined) return known
    const list = (): ReturnType<typeof listTools> => listTools({ upstream, era, answerBytesMax })
    const { server } = upstream.config
    const catalogue = createCatalogue({ list, server, turns, now, log, metrics })
    catalogues[era].set(upstream, catalogue)
    return catalogue
  }
}
