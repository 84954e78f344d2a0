import { setTimeout as sleep } from 'node:timers/promises'
import type { Condition } from '../../readiness.ts'
import type { UpstreamConfig } from './upstream.ts'

/** What is known of the other end: whether it is there, and is who it should be. */
export interface Proof {
  /** Every connection is evidence, whoever opened it. */
  tried(error: Error | undefined): void
  condition(): Condition
}

export function createProof({ server, url, spiffeId }: UpstreamConfig, now: () => number): Proof {
  let provedAt: number | undefined
  let problem: string | undefined
  return {
    tried(error) {
      problem = error === undefined ? undefined : messageOf(error)
      if (error === undefined) provedAt = now()
    },
    condition() {
      const name = `upstream ${server}`
      const last = provedAt === undefined ? 'never' : new Date(provedAt).toISOString()
      if (problem !== undefined) {
        const reason = `${url}: ${problem}; last proved to be ${spiffeId.uri}: ${last}`
        return { name, ok: false, reason, optional: true }
      }
      if (provedAt === undefined) {
        return { name, ok: false, reason: `${url}: nobody has connected yet`, optional: true }
      }
      return { name, ok: true, reason: `proved to be ${spiffeId.uri}, last at ${last}` }
    },
  }
}

/** Several addresses of one name fail as one error without words of its own. */
function messageOf(error: Error): string {
  if (!(error instanceof AggregateError)) return error.message
  return error.errors
    .map((each) => (each instanceof Error ? each.message : String(each)))
    .join(', ')
}

/** While nothing has proved it, a connection is tried so often: a caller need not be the first to learn. */
const probeMilliseconds = 10_000

/** Opens a connection and ends it, again and again while the upstream is not proved. */
export async function probe(
  isProved: () => boolean,
  connect: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    // Whatever comes of it is noted where connections are opened.
    if (!isProved()) await connect().catch(() => {})
    await sleep(probeMilliseconds, undefined, { signal, ref: false }).catch(() => {})
  }
}
