import type { Log } from '../../log.ts'
import type { ListSpan, Recognizer } from '../../mcp/listed.ts'
import type { Room } from '../../mcp/skip.ts'
import type { Metrics } from '../../metrics.ts'
import { whenThere, type Soon } from '../soon.ts'
import type { Account } from '../shares.ts'
import { ownAccount, type Turns } from '../turns.ts'
import type { ExchangeFailure } from '../upstream/exchange.ts'
import { KnownDefinitions } from './known-definitions.ts'
import { parseDefinition, type Definition } from './definition.ts'
import type { Listed } from './list-upstream.ts'
import { createPages, readEach, singleOf, type Candidate } from './pages.ts'

/** The tools that one upstream has in one era, as the gateway itself has listed them. */
export interface Catalogue {
  /** The current definition. Asks the upstream when the tool is not known; undefined when it is not there either. */
  find(tool: string): Definition | undefined | Promise<Definition | undefined>
  /**
   * Takes the array of tools that an upstream has just given to a caller, and gives the definitions in it that are fit, in their order.
   * Of what it has seen before nothing is read again; what is new may take a few turns of the loop, those of
   * whom it was given to.
   */
  learn(octets: Buffer, list: ListSpan, account: Account): Soon<readonly Definition[]>
  /** Knows what it has seen before in the next answer. */
  recognizer(): Recognizer
  /** Says that something of a list is unfit: counted each time, and logged once of its kind. */
  complain(detail: string): void
  /** Why the last list is not whole: what is not known then may be there all the same. */
  readonly failure: ExchangeFailure | undefined
}

export interface CatalogueOptions {
  readonly list: () => Promise<Listed>
  readonly turns: Turns
  readonly server: string
  readonly now: () => number
  readonly log: Log
  readonly metrics: Metrics
  /** The age at which definitions are listed again, beside the call that found them old. Default 60. */
  readonly freshSeconds?: number
  /** The least time between two lists: callers of unknown tools cannot flood an upstream. Default 2. */
  readonly pauseSeconds?: number
}

/** The kinds of unfit definitions that are logged: an upstream may not fill the log. */
const complaintsMax = 32

/** As much as is read of one list. */
const keptMost = { toolsMax: 10_000, octetsMax: 32 * 1024 * 1024 }

export function createCatalogue(options: CatalogueOptions): Catalogue {
  const { list, now, log, server, turns } = options
  const { freshSeconds = 60, pauseSeconds = 2 } = options
  let definitions = new KnownDefinitions(keptMost)
  let listedAt = Number.NEGATIVE_INFINITY
  let listing: Promise<void> | undefined
  let failure: ExchangeFailure | undefined
  const complain = createComplaints(options)
  const pages = createPages(read, complain, turns)

  async function refresh(): Promise<void> {
    const listed = await list()
    listedAt = now()
    failure = listed.failure
    const found = await readEach(listed.definitions, read, () => turns.take(ownAccount(server)))
    const fit = found.filter((definition) => definition !== undefined)
    // What a list lacks that is not whole may be there as it was.
    const before = failure === undefined ? undefined : definitions
    const next = new KnownDefinitions(keptMost, before)
    for (const definition of singleOf(fit, complain)) next.keep(definition)
    definitions = next
    if (failure === undefined) return
    const why = { why: failure.failed, detail: failure.detail, listed: listed.definitions.length }
    log.warn({ server, ...why }, 'catalogue is not listed to its end')
  }
  /** The definition in these octets, the known one where they have not changed: that spares hashing a long list again. */
  function read({ octets, values }: Candidate, compared: Room): Definition | undefined {
    const known = (name: string): Definition | undefined => definitions.get(name)
    const definition = parseDefinition(octets, { compared, values, known })
    if (typeof definition !== 'string') return definition
    complain(definition)
    return undefined
  }
  function keepAll(listed: readonly Definition[]): readonly Definition[] {
    for (const definition of listed) definitions.keep(definition)
    return listed
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
    learn: (octets, list, account) => whenThere(pages.read(octets, list, account), keepAll),
    recognizer: () => pages.recognizer(),
    complain,
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
    log.warn({ server, detail }, 'something of a list is left out')
  }
}
