import assert from 'node:assert/strict'
import { ServerResponse } from 'node:http'
import { TLSSocket } from 'node:tls'
import { queryObjects, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { setTimeout as delay } from 'node:timers/promises'
import { modern } from '../gateway/world/client.ts'
import type { Answer } from '../gateway/world/upstream.ts'
import type { World } from '../gateway/world/world.ts'

/** Objects that are still reachable, of this whole process: the gateway, its tool servers and its callers. */
export interface Left {
  /** TLS connections that are open, or that somebody holds on to; one that is pooled has two ends. */
  readonly connections: number
  readonly answers: number
  readonly promises: number
}

/** Counts after a collection of the whole heap. */
export function countLeft(): Left {
  return {
    connections: queryObjects(TLSSocket, { format: 'count' }),
    answers: queryObjects(ServerResponse, { format: 'count' }),
    promises: queryObjects(Promise, { format: 'count' }),
  }
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/**
 * Of the process, in mebibytes, after a collection. Whoever counts objects stops the process for seconds, longer than a connection may
 * take to be made: that is for before and after, and not for while others wait.
 */
export async function measureHeap(): Promise<number> {
  // What is reachable only from the current turn goes with it.
  await delay(0)
  collect()
  return process.memoryUsage().heapUsed / 2 ** 20
}

/** So many seats has one identity that is alone, of the 128 of an upstream (docs/AUTHORIZATION.md, shares). */
const seats = 28
const held = 'held'

/** A tool server that answers these calls only when all of them are there. */
export function createHolding(answer: Answer): Answer {
  let waiting: (() => void)[] = []
  return (message, response, request) => {
    const go = (): void => answer(message, response, request)
    if (JSON.stringify(message.params?.['arguments']) !== JSON.stringify({ held })) {
      go()
      return
    }
    waiting.push(go)
    if (waiting.length < seats) return
    for (const each of waiting) each()
    waiting = []
  }
}

/** As many calls at once as one identity may have, all of them answered: seats that were lost would be missing. */
export async function checkSeats(world: World): Promise<void> {
  const clients = await Promise.all(
    Array.from({ length: seats }, () =>
      world.agent({ toolScopes: 'files:*', serviceAccount: 'seats' }),
    ),
  )
  const { body, headers } = modern('tools/call', { name: 'other', arguments: { held } })
  const replies = await Promise.all(clients.map((each) => each.post('/mcp/files', body, headers)))
  assert.deepEqual(
    replies.map(({ status }) => status),
    replies.map(() => 200),
    'want=every seat',
  )
  await Promise.all(clients.map((each) => each[Symbol.asyncDispose]()))
}
