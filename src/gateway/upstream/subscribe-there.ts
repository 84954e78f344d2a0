import type { Account } from '../../shares.ts'
import { collectAnswer, readAnswer } from './collect.ts'
import { isSessionLost, sessionRequest, type LegacySession } from './legacy-session.ts'
import type { Upstream } from './upstream.ts'

/** So many resources are asked for at once. */
const askedAtOnce = 8

export interface InTime {
  readonly uris: readonly string[]
  readonly milliseconds: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Asks for each resource by itself, some at once, and waits no longer than it may: how long all of it takes is up to who asks, too. What has not
 * begun by then does not, and what has is told.
 */
export async function eachInTime(
  { uris, milliseconds, signal }: InTime,
  ask: (asked: { readonly uri: string; readonly number: number }, until: AbortSignal) => unknown,
): Promise<void> {
  const enough = new AbortController()
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(() => {
    enough.abort()
    resolve()
  }, milliseconds)
  const until = signal === undefined ? enough.signal : AbortSignal.any([signal, enough.signal])
  let next = 0
  async function askOn(): Promise<void> {
    for (let uri = uris[next]; uri !== undefined && !until.aborted; uri = uris[next]) {
      next += 1
      await ask({ uri, number: next }, until)
    }
  }
  const all = Promise.all(Array.from({ length: askedAtOnce }, askOn))
  await Promise.race([all, late]).finally(() => clearTimeout(timer))
}

export interface Subscribing {
  readonly upstream: Upstream
  readonly account: Account
  readonly session: LegacySession
  readonly octetsMax: number
  readonly id: number | string
  readonly uri: string
  /** That says in whose name it is asked. */
  readonly token: string | undefined
}

/** Subscribes to a resource of a legacy server (MCP 2025-11-25 resources, subscriptions). */
export async function subscribeThere(
  { upstream, account, session, octetsMax, id, uri, token }: Subscribing,
  signal: AbortSignal,
): Promise<'taken' | 'not taken' | 'session lost'> {
  const method = 'resources/subscribe'
  const message = { jsonrpc: '2.0', id, method, params: { uri } }
  const { headers, body } = sessionRequest(session, Buffer.from(JSON.stringify(message)))
  const signed = token === undefined ? [] : ['txn-token', token]
  const answer = await collectAnswer({
    upstream,
    account,
    request: { headers: [...headers, ...signed], body },
    asked: { era: 'legacy', method, id: { value: id } },
    answerBytesMax: octetsMax,
    repeatable: true,
    signal,
  })
  if ('failed' in answer) return 'not taken'
  if (isSessionLost(session, answer)) return 'session lost'
  const read = readAnswer(answer)
  return typeof read !== 'string' && read.result !== undefined ? 'taken' : 'not taken'
}
