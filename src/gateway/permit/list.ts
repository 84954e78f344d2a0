import { allowsTool } from '../../identity/ceiling.ts'
import type { AnswerBody } from '../../mcp/answer.ts'
import type { Call } from '../call.ts'
import type { Caller } from '../caller/caller.ts'
import type { Decisions } from './policy.ts'
import { toolText, type ResourceText } from './resource.ts'
import type { Definition } from '../catalogue/definition.ts'
import type { Catalogues } from '../catalogue/catalogues.ts'
import type { Log } from '../../log.ts'
import { isRefused, refused, type Refused } from '../refusal.ts'
import { quarantineOf } from '../catalogue/pins.ts'
import { servesTool, type Upstream } from '../upstream/upstream.ts'

/** A tool of an upstream's page. */
export interface ListedTool {
  readonly upstream: Upstream
  readonly definition: Definition
  readonly told: ResourceText
}

/** One upstream's page of tools. */
export interface ToolPage {
  readonly upstream: Upstream
  readonly answer: AnswerBody
}

/**
 * The tools of these pages that the caller may call, in their order: what both ceilings cover, what is not in quarantine, and what one
 * evaluation of policy leaves of that. What is hidden here is refused at the call by the same rules.
 */
export async function filterTools(
  call: Call,
  pages: readonly ToolPage[],
  filtering: Filtering,
): Promise<Filtered | Refused> {
  const { catalogueOf, decisions, log } = filtering
  const listed = await Promise.all(pages.map((page) => toolsOf(call, catalogueOf, page)))
  const { tools, cut } = withinShares(log, listed)
  if (tools.length === 0) return { tools, cut, ageMilliseconds: 0 }
  const decided = await decisions.decideList(
    call,
    tools.map(({ told }) => told),
  )
  if (isRefused(decided)) return decided
  // A list that is new is read in several turns of the loop.
  if (call.caller.ended !== undefined) return refused('peer', call.caller.ended)
  const { shown, ageMilliseconds } = decided
  return { tools: tools.filter((_, index) => shown[index] === true), cut, ageMilliseconds }
}

/** What is left of pages. */
export interface Filtered {
  readonly tools: readonly ListedTool[]
  /** The servers of which there was too much to decide on. */
  readonly cut: readonly string[]
  /** How long ago policy has said so. */
  readonly ageMilliseconds: number
}

export interface Filtering {
  readonly catalogueOf: Catalogues
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
  pages: readonly (readonly ListedTool[])[],
): Omit<Filtered, 'ageMilliseconds'> {
  const all = pages.flat()
  const total = all.reduce((sum, { told }) => sum + told.octets + 1, 0)
  if (total <= askedOctetsMax) return { tools: all, cut: [] }
  const share = askedOctetsMax / pages.length
  const cut: string[] = []
  const within = pages.flatMap((tools) => {
    let left = share
    const kept = tools.filter((tool) => (left -= tool.told.octets + 1) >= 0)
    const [first] = tools
    if (first !== undefined && kept.length < tools.length) {
      const { server } = first.upstream.config
      log.warn({ server, left: tools.length - kept.length }, 'list is too long, and was cut')
      cut.push(server)
    }
    return kept
  })
  return { tools: within, cut }
}

async function toolsOf(
  { caller, message }: Call,
  catalogueOf: Catalogues,
  { upstream, answer }: ToolPage,
): Promise<readonly ListedTool[]> {
  const catalogue = catalogueOf(upstream, message.era)
  const { ceiling } = caller.identity
  const { server } = upstream.config
  if (answer.list === undefined) return []
  const definitions = await catalogue.learn(answer.octets, answer.list)
  return definitions
    .filter(
      (definition) =>
        allowsTool(ceiling, server, definition.name) &&
        servesTool(upstream.config, definition.name) &&
        quarantineOf(upstream.config, definition) === undefined,
    )
    .map((definition) => ({ upstream, definition, told: toolText(server, definition) }))
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
