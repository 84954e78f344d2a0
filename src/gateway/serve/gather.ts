import { isRefused, type Refused } from '../refusal.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { Parts } from './serve.ts'

/** What the upstreams of the door of all have given in time. */
export interface Gathered<T> {
  readonly given: readonly T[]
  /** The servers of those that have given nothing. */
  readonly missing: readonly string[]
}

/**
 * Asks one upstream; the signal ends it when its answer would come too late. `answers`: it does, and keeps nobody else waiting, though all
 * that this caller asks of it may take too long.
 */
type Ask<T> = (upstream: Upstream, signal: AbortSignal, answers: () => void) => Promise<T | Refused>

/**
 * Asks several upstreams at once. None of them keeps a caller waiting for what the others have said: what is not there within
 * `federationWaitMilliseconds` is done without, and so is what was silent a moment ago.
 */
export async function gather<T extends object>(
  upstreams: readonly Upstream[],
  ask: Ask<T>,
  { limits, absences, log }: Parts,
): Promise<Gathered<T>> {
  const late = new AbortController()
  const tooLate = new Promise<'too late'>((resolve) => {
    late.signal.addEventListener('abort', () => resolve('too late'), { once: true })
  })
  async function askOne(upstream: Upstream): Promise<T | string> {
    if (!absences.mayAsk(upstream)) return 'it gave no answer a moment ago'
    let isThere = false
    const answers = (): void => {
      isThere = true
    }
    const answer = await Promise.race([ask(upstream, late.signal, answers), tooLate])
    if (answer !== 'too late') return isRefused(answer) ? whyRefused(answer) : answer
    if (!isThere) absences.silent(upstream)
    return 'no answer in time'
  }
  const timer = setTimeout(() => late.abort(), limits.federationWaitMilliseconds)
  const answers = await Promise.all(upstreams.map(askOne)).finally(() => clearTimeout(timer))
  const missing: string[] = []
  const given = answers.filter((answer, index): answer is Awaited<T> => {
    if (typeof answer !== 'string') return true
    const { server = '' } = upstreams[index]?.config ?? {}
    missing.push(server)
    log.warn({ server, detail: answer }, 'upstream is left out')
    return false
  })
  return { given, missing }
}

function whyRefused({ refusal }: Refused): string {
  return refusal.detail ?? refusal.message
}

/**
 * The member of a result that says of which servers something is missing (MCP 2026-07-28 base protocol, `_meta`: a prefix that is ours).
 * None where nothing is.
 */
export function metaOfMissing(missing: readonly string[]): Readonly<Record<string, unknown>> {
  return missing.length === 0 ? {} : { 'dev.countersign/missing': [...new Set(missing)].toSorted() }
}
