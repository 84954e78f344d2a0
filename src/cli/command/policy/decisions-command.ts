import { CountersignError, quoted } from '../../../errors.ts'
import { parseSpiffeId } from '../../../identity/spiffe-id.ts'
import {
  matchDecision,
  nameOfResource,
  outlineEvent,
} from '../../../policy/author/decision-query.ts'
import type { DecisionOutline, DecisionQuery } from '../../../policy/author/decision-query.ts'
import { Refused } from '../../run-program.ts'
import type { Terminal } from '../../terminal.ts'
import { openLogs, type OpenLog } from './open-logs.ts'
import { printableName } from './printable.ts'
import { createProgress } from './progress.ts'
import { cutLine, noEvent, readEvents } from './read-events.ts'

export interface DecisionsOptions {
  readonly log?: readonly string[]
  readonly id?: string
  readonly identity?: string
  readonly tool?: string
  readonly since?: string
  readonly until?: string
  readonly outcome?: string
  readonly code?: string
  readonly limit?: string
  readonly json?: boolean
}

/** What a search has come upon. */
interface Search {
  readonly query: DecisionQuery
  readonly limit: number
  found: number
  /** Decisions of which it is not known whether they are among them. */
  notShown: number
  lost: number
}

/** Prints the decisions of a log that are what is asked for. Throws `Refused` where there is none. */
export async function runDecisions(
  options: DecisionsOptions,
  terminal: Terminal,
  stdin: () => AsyncIterable<Buffer> = () => process.stdin,
): Promise<void> {
  const { log = [] } = options
  if (log.length === 0) throw usage('--log: want=file or - got=none')
  const limit = parseLimit(options.limit)
  const search: Search = { query: parseQuery(options), limit, found: 0, notShown: 0, lost: 0 }
  const known = new Set<string>()
  for (const place of new Set(log)) {
    await using handles = new AsyncDisposableStack()
    for (const each of await openLogs(place, { handles, known, stdin })) {
      if (search.found === limit) break
      await searchLog(each, search, options, terminal)
    }
  }
  tellRest(search, terminal)
  if (search.found === 0) throw new Refused()
}

async function searchLog(
  { name, size, read }: OpenLog,
  search: Search,
  { json }: DecisionsOptions,
  { out, err, signal }: Terminal,
): Promise<void> {
  const progress = createProgress(name, process.stderr.isTTY ? size : undefined, err)
  const lines = readEvents(name, (at) => err(cutLine(at)), read)
  for await (const { event, line, place, octetsRead } of lines) {
    if (signal.aborted) throw new Refused()
    const logged = outlineEvent(event)
    if (logged === undefined) throw noEvent(place)
    progress.at(octetsRead)
    if (logged.kind === 'note') {
      search.lost += logged.lost
      continue
    }
    const matches = matchDecision(logged.decision, search.query)
    if (matches === undefined) search.notShown += 1
    if (matches !== true) continue
    progress.clear()
    out(json === true ? `${line.toString('utf8')}\n` : formatDecision(logged.decision))
    search.found += 1
    if (search.found === search.limit) break
  }
  progress.clear()
}

function formatDecision(decision: DecisionOutline): string {
  const { id, timestamp = '-', identity, action = '-', resource, outcome = '?', codes } = decision
  const what = resource === undefined ? '?' : resource === null ? '-' : nameOfResource(resource)
  const why = codes === undefined ? '?' : codes.length === 0 ? '-' : codes.join(',')
  const cells = [identity, action, what, why, id].map(printableName)
  return `${printableName(timestamp)} ${outcome.padEnd(5)} ${cells.join(' ')}\n`
}

function tellRest({ found, limit, notShown, lost }: Search, { err }: Terminal): void {
  if (found === 0) err('countersign: no decision of the log is what was asked for\n')
  if (found === limit) err(`there may be more than ${limit}\n`)
  if (notShown > 0) err(`${notShown} events do not show whether they are what was asked for\n`)
  if (lost > 0) err(`${lost} events were lost by the log, and nothing is known of them\n`)
}

function parseQuery(options: DecisionsOptions): DecisionQuery {
  const { id, identity, tool, since, until, outcome, code } = options
  if (outcome !== undefined && outcome !== 'allow' && outcome !== 'deny') {
    throw usage(`--outcome: want=allow or deny got=${quoted(outcome)}`)
  }
  return {
    id,
    identity: identity === undefined ? undefined : parseIdentity(identity),
    tool,
    since: parseTime('--since', since),
    until: parseTime('--until', until),
    outcome,
    code,
  }
}

/** A SPIFFE ID, or the path of one. */
function parseIdentity(text: string): string {
  const [, namespace, serviceAccount] = /^([a-z0-9-]+)\/([a-z0-9.-]+)$/.exec(text) ?? []
  if (namespace !== undefined) return `/ns/${namespace}/sa/${serviceAccount}`
  try {
    return parseSpiffeId(text).uri
  } catch {
    const want = 'SPIFFE ID or <namespace>/<service account>'
    throw usage(`--identity: want=${want} got=${quoted(text, 200)}`)
  }
}

function parseTime(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/.test(text)
    ? Date.parse(text)
    : Number.NaN
  if (!Number.isNaN(at)) return at
  throw usage(`${option}: want=RFC 3339 time, such as 2026-11-30T09:00:00Z got=${quoted(text)}`)
}

function parseLimit(text: string | undefined): number {
  if (text === undefined) return Infinity
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw usage(`--limit: want=1..999999999 got=${quoted(text)}`)
}

function usage(rule: string): CountersignError {
  return new CountersignError('cli/usage', rule, { hint: 'countersign decisions --help' })
}
