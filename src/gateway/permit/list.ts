import { allowsTool } from '../../identity/ceiling.ts'
import type { AnswerBody } from '../../mcp/answer.ts'
import type { Call } from '../call.ts'
import type { Caller } from '../caller/caller.ts'
import type { Decisions } from './policy.ts'
import { toolText } from './resource.ts'
import type { Definition } from '../catalogue/definition.ts'
import type { Catalogues } from '../catalogue/catalogues.ts'
import type { Log } from '../../log.ts'
import { isRefused, type Refused } from '../refusal.ts'
import { quarantineOf } from '../catalogue/pins.ts'
import { servesTool, type Upstream } from '../upstream/upstream.ts'

/** A tool of an upstream's page. */
export interface ListedTool {
  readonly upstream: Upstream
  readonly definition: Definition
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
  const { tools, cut } = withinShares(
    filtering.log,
    pages.map((page) => toolsOf(call, filtering.catalogueOf, page)),
  )
  if (tools.length === 0) return { tools, cut }
  const resources = tools.map(({ upstream, definition }) =>
    toolText(upstream.config.server, definition),
  )
  const shown = await filtering.decisions.decideList(call, resources)
  if (isRefused(shown)) return shown
  return { tools: tools.filter((_, index) => shown[index] === true), cut }
}

/** What is left of pages. */
export interface Filtered {
  readonly tools: readonly ListedTool[]
  /** The servers of which there was too much to decide on. */
  readonly cut: readonly string[]
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
function withinShares(log: Log, pages: readonly (readonly ListedTool[])[]): Filtered {
  const all = pages.flat()
  const total = all.reduce((sum, tool) => sum + octetsOf(tool), 0)
  if (total <= askedOctetsMax) return { tools: all, cut: [] }
  const share = askedOctetsMax / pages.length
  const cut: string[] = []
  const within = pages.flatMap((tools) => {
    let left = share
    const kept = tools.filter((tool) => (left -= octetsOf(tool)) >= 0)
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

/** What a tool takes in the input of policy. */
function octetsOf({ upstream, definition }: ListedTool): number {
  return Buffer.byteLength(toolText(upstream.config.server, definition)) + 1
}

function toolsOf(
  { caller, message }: Call,
  catalogueOf: Catalogues,
  { upstream, answer }: ToolPage,
): ListedTool[] {
  const catalogue = catalogueOf(upstream, message.era)
  const { ceiling } = caller.identity
  const { server } = upstream.config
  const span = answer.result?.get('tools')
  if (span === undefined) return []
  return catalogue
    .learn(answer.octets.subarray(span.start, span.end))
    .filter(
      (definition) =>
        allowsTool(ceiling, server, definition.name) &&
        servesTool(upstream.config, definition.name) &&
        quarantineOf(upstream.config, definition) === undefined,
    )
    .map((definition) => ({ upstream, definition }))
}

/** How long the caller may keep what it was shown: not beyond its certificate, nor for longer than a change of policy may take. */
export function timeToLive(
  { svid }: Caller,
  upstreamMilliseconds: unknown,
  { now, listSecondsMax }: { readonly now: number; readonly listSecondsMax: number },
): number {
  const most = Math.min(svid.notAfter.getTime() - now, listSecondsMax * 1000)
  const asked = typeof upstreamMilliseconds === 'number' ? upstreamMilliseconds : 0
  return Math.max(0, Math.floor(Math.min(asked, most)))
}
