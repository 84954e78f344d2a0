import { allowsTool } from '../../identity/ceiling.ts'
import type { AnswerBody } from '../../mcp/answer.ts'
import type { Call } from '../call.ts'
import type { Caller } from '../caller/caller.ts'
import type { Decisions } from './policy.ts'
import { eraThere } from '../translate/era.ts'
import { untranslatable } from './definition.ts'
import type { ResourceText } from '../catalogue/resource-text.ts'
import { offersOf } from './offers.ts'
import { whyOver } from './over.ts'
import type { Offer } from '../catalogue/offer.ts'
import type { Catalogues } from '../catalogue/catalogues.ts'
import type { Log } from '../../log.ts'
import { isRefused, type Refused } from '../refusal.ts'
import type { Quarantine } from '../catalogue/pins.ts'
import { turnOctetsMax, type Turns } from '../turns.ts'
import { servesTool, type Upstream } from '../upstream/upstream.ts'

/** Something of an upstream's page: a tool, or something else that it offers. */
export interface Listed {
  readonly upstream: Upstream
  readonly item: Offer
  readonly told: ResourceText
}

/** One upstream's page of a list. */
export interface Page {
  readonly upstream: Upstream
  readonly answer: AnswerBody
}

/**
 * What of these pages the caller may use, in their order: what both ceilings cover, what is not in quarantine, and what one evaluation of
 * policy leaves of that. What is hidden here is refused at the call by the same rules.
 */
export async function filterPages(
  call: Call,
  pages: readonly Page[],
  filtering: Filtering,
): Promise<Filtered | Refused> {
  const { decisions, turns, log } = filtering
  // Answers to many callers come in one turn of the loop: each that is long has a turn of its own, also where all of it is known.
  if (isLong(pages)) await turns.take(call.caller.account)
  const isOfTools = call.message.method === 'tools/list'
  const listed = await Promise.all(
    pages.map((page) =>
      isOfTools ? toolsOf(call, filtering, page) : offersOf(call, filtering, page),
    ),
  )
  const { items, cut } = withinShares(log, listed)
  if (items.length === 0) return { items, cut, ageMilliseconds: 0 }
  const decided = await decisions.decideList(
    call,
    items.map(({ told }) => told),
  )
  if (isRefused(decided)) return decided
  // A list that is new is read in several turns of the loop.
  const over = whyOver(call)
  if (over !== undefined) return over
  const { shown, ageMilliseconds } = decided
  return { items: items.filter((_, index) => shown[index] === true), cut, ageMilliseconds }
}

function isLong(pages: readonly Page[]): boolean {
  return pages.reduce((sum, { answer }) => sum + answer.octets.length, 0) > turnOctetsMax
}

/** What is left of pages. */
export interface Filtered {
  readonly items: readonly Listed[]
  /** The servers of which there was too much to decide on. */
  readonly cut: readonly string[]
  /** How long ago policy has said so. */
  readonly ageMilliseconds: number
}

export interface Filtering {
  readonly turns: Turns
  readonly catalogueOf: Catalogues
  readonly quarantineOf: Quarantine
  readonly decisions: Decisions
  readonly log: Log
}

/** What policy is asked about in one evaluation, less what else its input holds. */
const askedOctetsMax = 768 * 1024

/**
 * One evaluation has its bound, and one upstream must not take it from the others: where all together are too much, each has an equal
 * share, and what is beyond it is not listed.
 */
function withinShares(
  log: Log,
  pages: readonly (readonly Listed[])[],
): Omit<Filtered, 'ageMilliseconds'> {
  const all = pages.flat()
  const total = all.reduce((sum, { told }) => sum + told.octets + 1, 0)
  if (total <= askedOctetsMax) return { items: all, cut: [] }
  const share = askedOctetsMax / pages.length
  const cut: string[] = []
  const within = pages.flatMap((items) => {
    let left = share
    const kept = items.filter((item) => (left -= item.told.octets + 1) >= 0)
    const [first] = items
    if (first !== undefined && kept.length < items.length) {
      const { server } = first.upstream.config
      log.warn({ server, left: items.length - kept.length }, 'list is too long, and was cut')
      cut.push(server)
    }
    return kept
  })
  return { items: within, cut }
}

async function toolsOf(
  { caller, message }: Call,
  { catalogueOf, quarantineOf }: Filtering,
  { upstream, answer }: Page,
): Promise<readonly Listed[]> {
  const { era } = message
  const there = eraThere(era, upstream.config)
  const catalogue = catalogueOf(upstream, there)
  const { ceiling } = caller.identity
  const { server } = upstream.config
  if (answer.list === undefined) return []
  const definitions = await catalogue.learn(answer.octets, answer.list, caller.account)
  return definitions
    .filter(
      (definition) =>
        allowsTool(ceiling, server, definition.name) &&
        servesTool(upstream.config, definition.name) &&
        quarantineOf(upstream.config, definition, there) === undefined &&
        untranslatable(era, upstream.config, definition) === undefined,
    )
    .map((definition) => ({ upstream, item: definition, told: definition.told(server) }))
}

/** What bounds how long a list may be kept. */
export interface Lasting {
  readonly now: number
  readonly listSecondsMax: number
  readonly ageMilliseconds: number
}

/** How long the caller may keep what it was shown: not beyond its certificate, nor for longer than a change of policy may take. */
export function timeToLive(
  { svid }: Caller,
  upstreamMilliseconds: unknown,
  { now, listSecondsMax, ageMilliseconds }: Lasting,
): number {
  const most = Math.min(svid.notAfter.getTime() - now, listSecondsMax * 1000 - ageMilliseconds)
  const asked = typeof upstreamMilliseconds === 'number' ? upstreamMilliseconds : 0
  return Math.max(0, Math.floor(Math.min(asked, most)))
}
