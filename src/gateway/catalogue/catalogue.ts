import type { Log } from '../../log.ts'
import type { ListSpan, Recognizer } from '../../mcp/listed.ts'
import type { Metrics } from '../../metrics.ts'
import { Hold, type Account, type OctetRoom } from '../../shares.ts'
import { whenThere, type Soon } from '../soon.ts'
import { ownAccount, type Turns } from '../turns.ts'
import type { ExchangeFailure } from '../upstream/exchange.ts'
import { KnownDefinitions } from './known-definitions.ts'
import { parseDefinition, type Definition } from './definition.ts'
import type { Listed } from './list-upstream.ts'
import { createPages, readEach, singleOf, type ReadDefinition } from './pages.ts'

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
  /** Its list has changed, as the upstream itself says: it is listed anew, at once or as soon as it may be. */
  changed(): void
  /** Knows what it has seen before in the next answer. */
  recognizer(): Recognizer
  /** Says that something of a list is unfit: counted each time, and logged once of its kind. */
  complain(detail: string): void
  /** Why the last list is not whole: what is not known then may be there all the same. */
  readonly failure: ExchangeFailure | undefined
}

export interface CatalogueOptions {
  /** What it reads takes of this room until it is known. */
  readonly list: (room: OctetRoom) => Promise<Listed>
  /** What the upstream may have of the memory for all catalogues. */
  readonly room: OctetRoom
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

const noRoom: ExchangeFailure = { failed: 'no room', detail: 'no room for all definitions' }

export function createCatalogue(options: CatalogueOptions): Catalogue {
  const { list, room, now, log, server, turns } = options
  const { freshSeconds = 60, pauseSeconds = 2 } = options
  let failure: ExchangeFailure | undefined
  const complain = createComplaints(options)
  const definitions = new KnownDefinitions(keptMost, room)
  const read = readerOf(definitions, complain)
  const tellFailure = createFailureLog(options)
  const pages = createPages({ read, complain, turns, room })

  async function refresh(): Promise<void> {
    const reading = new Hold(room)
    try {
      const listed = await list(reading)
      listings.listed()
      failure = listed.failure
      const takeTurn = (): Soon<void> => turns.take(ownAccount(server))
      const found = await readEach(listed.definitions, read, takeTurn)
      const known = found.filter((definition) => definition !== undefined)
      const fit = singleOf(known, complain)
      // What a list lacks that is not whole may be there as it was.
      if (failure === undefined) definitions.forgetOthers(fit)
      if (!definitions.keepEach(fit)) failure ??= noRoom
      tellFailure(failure, listed)
    } finally {
      reading.end()
    }
  }
  const broke = (error: unknown): void => log.error({ server, error }, 'catalogue broke')
  const listings = createListings({ refresh, now, pauseSeconds, broke })

  return {
    changed: () => listings.changed(),
    find(tool) {
      const known = definitions.get(tool)
      if (known !== undefined) {
        if (listings.ageSeconds() > freshSeconds) listings.beside()
        return known
      }
      return listings.ageSeconds() < pauseSeconds && !listings.isUnderWay()
        ? undefined
        : listings.once().then(() => definitions.get(tool))
    },
    get failure() {
      return failure
    },
    learn(octets, list, account) {
      return whenThere(pages.read(octets, list, account), (listed) => {
        definitions.keepEach(listed)
        return listed
      })
    },
    recognizer: () => pages.recognizer(),
    complain,
  }
}

/** Gives the definition in some octets, the known one where they have not changed: that spares hashing a long list again. */
function readerOf(
  definitions: KnownDefinitions,
  complain: (detail: string) => void,
): ReadDefinition {
  const known = (name: string): Definition | undefined => definitions.get(name)
  return ({ octets, values }, compared) => {
    const definition = parseDefinition(octets, { compared, values, known })
    if (typeof definition !== 'string') return definition
    complain(definition)
    return undefined
  }
}

/** When a catalogue is listed: one list at a time. */
interface Listings {
  once(): Promise<void>
  /** Beside whatever asks for it. */
  beside(): void
  isUnderWay(): boolean
  ageSeconds(): number
  /** The upstream has answered. */
  listed(): void
  changed(): void
}

function createListings(options: {
  readonly refresh: () => Promise<void>
  readonly now: () => number
  readonly pauseSeconds: number
  readonly broke: (error: unknown) => void
}): Listings {
  const { refresh, now, pauseSeconds, broke } = options
  let listedAt = Number.NEGATIVE_INFINITY
  let listing: Promise<void> | undefined
  let hasChanged = false

  function once(): Promise<void> {
    listing ??= refresh().finally(() => {
      listing = undefined
    })
    return listing
  }
  function beside(): void {
    if (listing === undefined) once().catch(broke)
  }
  return {
    once,
    beside,
    isUnderWay: () => listing !== undefined,
    ageSeconds: () => (now() - listedAt) / 1000,
    listed() {
      // What has changed meanwhile may be in it or not.
      listedAt = hasChanged ? Number.NEGATIVE_INFINITY : now()
      hasChanged = false
    },
    changed() {
      hasChanged = listing !== undefined
      // The next call of a known tool finds it old.
      if (now() - listedAt < pauseSeconds * 1000) listedAt = Number.NEGATIVE_INFINITY
      else beside()
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
    log.warn({ server, detail }, 'something of a list is left out')
  }
}

/** Logs why lists are not whole: once as long as it stays the same. */
function createFailureLog({
  server,
  log,
}: Pick<CatalogueOptions, 'server' | 'log'>): (
  failure: ExchangeFailure | undefined,
  listed: Listed,
) => void {
  let told: string | undefined
  return (failure, { definitions: { length: listed } }) => {
    const telling = failure && `${failure.failed}: ${failure.detail}`
    if (failure !== undefined && telling !== told) {
      const { failed: why, detail } = failure
      log.warn({ server, why, detail, listed }, 'catalogue is not listed to its end')
    }
    told = telling
  }
}
