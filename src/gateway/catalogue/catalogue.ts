import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import { parseDefinition, type Definition } from './definition.ts'
import type { ExchangeFailure } from '../upstream/exchange.ts'

/** The tools that one upstream has in one era, as the gateway itself has listed them. */
export interface Catalogue {
  /** The current definition. Asks the upstream when the tool is not known; undefined when it is not there either. */
  find(tool: string): Definition | undefined | Promise<Definition | undefined>
  /** Takes a definition that an upstream has just given to a caller, and returns it parsed. */
  learn(octets: Buffer): Definition | undefined
  /** Why the last list failed: what is not known then may be there all the same. */
  readonly failure: ExchangeFailure | undefined
}

export interface CatalogueOptions {
  /** All definitions, or why there are none. */
  readonly list: () => Promise<readonly Buffer[] | ExchangeFailure>
  readonly server: string
  readonly now: () => number
  readonly log: Log
  readonly metrics: Metrics
  /** The age at which definitions are listed again, beside the call that found them old. Default 60. */
  readonly freshSeconds?: number
  /** The least time between two lists: callers of unknown tools cannot flood an upstream. Default 2. */
  readonly pauseSeconds?: number
  readonly toolsMax?: number
}

/** The kinds of unfit definitions that are logged: an upstream may not fill the log. */
const complaintsMax = 32

export function createCatalogue(options: CatalogueOptions): Catalogue {
  const { list, now, log, server } = options
  const { freshSeconds = 60, pauseSeconds = 2, toolsMax = 10_000 } = options
  let definitions = new Map<string, Definition>()
  let listedAt = Number.NEGATIVE_INFINITY
  let listing: Promise<void> | undefined
  let failure: ExchangeFailure | undefined
  const complain = createComplaints(options)

  async function refresh(): Promise<void> {
    const octets = await list()
    listedAt = now()
    failure = 'failed' in octets ? octets : undefined
    if ('failed' in octets) {
      log.warn({ server, why: octets.failed, detail: octets.detail }, 'catalogue is not refreshed')
      return
    }
    const next = new Map<string, Definition>()
    for (const each of octets.slice(0, toolsMax)) {
      const definition = read(each)
      if (definition !== undefined) next.set(definition.name, definition)
    }
    definitions = next
  }
  /** The definition in these octets, the known one where they have not changed: that spares hashing a long list again. */
  function read(octets: Buffer): Definition | undefined {
    const known = definitions.get(nameOf(octets) ?? '')
    if (known?.octets.equals(octets) === true) return known
    const definition = parseDefinition(Buffer.from(octets))
    if (typeof definition !== 'string') return definition
    complain(definition)
    return undefined
  }
  function refreshOnce(): Promise<void> {
    listing ??= refresh().finally(() => {
      listing = undefined
    })
    return listing
  }
  async function findAfterRefresh(tool: string): Promise<Definition | undefined> {
    await refreshOnce()
    return definitions.get(tool)
  }

  return {
    find(tool) {
      const known = definitions.get(tool)
      const ageSeconds = (now() - listedAt) / 1000
      if (known === undefined) {
        return ageSeconds < pauseSeconds && listing === undefined
          ? undefined
          : findAfterRefresh(tool)
      }
      if (ageSeconds > freshSeconds && listing === undefined) {
        refreshOnce().catch((error: unknown) => log.error({ server, error }, 'catalogue broke'))
      }
      return known
    },
    get failure() {
      return failure
    },
    learn(octets) {
      const definition = read(octets)
      if (definition === undefined) return undefined
      const room = definitions.size < toolsMax || definitions.has(definition.name)
      if (room) definitions.set(definition.name, definition)
      return definition
    },
  }
}

/** Counts every unfit definition, and logs each kind once. */
function createComplaints({
  server,
  log,
  metrics,
}: Pick<CatalogueOptions, 'server' | 'log' | 'metrics'>): (detail: string) => void {
  const complaints = new Set<string>()
  return (detail) => {
    metrics.count('countersign_gateway_bad_tools_total', { server })
    if (complaints.size >= complaintsMax || complaints.has(detail)) return
    complaints.add(detail)
    log.warn({ server, detail }, 'definition of a tool is left out')
  }
}

function nameOf(octets: Buffer): string | undefined {
  const value: unknown = JSON.parse(octets.toString('utf8'))
  if (typeof value !== 'object' || value === null || !('name' in value)) return undefined
  return typeof value.name === 'string' ? value.name : undefined
}
