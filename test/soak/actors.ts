import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { openClient, type Reply, type TestClient } from '../gateway/world/client.ts'
import type { Lane } from '../../src/lane.ts'
import type { World } from '../gateway/world/world.ts'
import { legacyCaller, modernCaller } from './callers.ts'
import { exchange, type Acting } from './exchanges.ts'
import { namesIn } from './ledger.ts'

/** One pod, with some connections. It is replaced when it is ended. */
export interface Pod {
  readonly name: string
  readonly podUid: string
  /** Resolves when all of its connections are closed. */
  readonly over: Promise<void>
  stop(): void
}

export interface Counts {
  answered: number
  refused: number
  /** Requests that got no answer from a gateway that would not let their caller in any more. */
  broken: number
  /**
   * How often, by what it was: handshakes that were not done in ten seconds, and requests that their server, which is well, did not get or
   * answer in time (502, 503, 504). All of this is one process, which has more to do at some moments than it can.
   */
  readonly late: Map<string, number>
  /** Requests that got none, or that the gateway could not serve, though their caller and server are well. */
  readonly unexplained: string[]
  /** What was told to somebody that is another's, or that policy allows nobody. */
  readonly leaked: string[]
}

interface PodOptions extends Pick<Acting, 'random' | 'ledger' | 'tasks' | 'decide'> {
  readonly world: World
  readonly counts: Counts
  readonly connections: number
  readonly lifetimeSeconds: number
  /** So many exchanges are under way at a time, however slow the machine is. */
  readonly lane: Lane
  /** Between two exchanges of a connection, at most. */
  readonly pauseMilliseconds: number
}

const servers = ['files', 'files', 'new', 'old', 'flaky'] as const

export function startPod(options: PodOptions): Pod {
  const { world, ledger, random, lifetimeSeconds } = options
  const podUid = randomUUID()
  const name = podUid.slice(0, 8)
  const credential = world.identities.issue({
    podUid,
    serviceAccount: `agent-${random.below(20)}`,
    tenant: random.pick(['acme', 'initech']),
    toolScopes: [...new Set(servers)].map((server) => `${server}:*`).join(','),
    lifetimeSeconds,
  })
  ledger.admit(name, credential.svid.notAfter.getTime())
  const stopping = new AbortController()
  const { bundle } = world.identities
  const { port } = world.gateway
  const open = (): TestClient => openClient({ port, credential, bundle })
  const connection = async (): Promise<void> => {
    await using client = open()
    const caller = random.oneIn(2) ? modernCaller(client) : legacyCaller(client, open)
    // A thousand handshakes at once are another test.
    await delay(random.below(options.pauseMilliseconds))
    while (!stopping.signal.aborted) {
      const acting = { ...options, caller, name, server: random.pick(servers) }
      await inTurn(options.lane, async () => {
        if (!stopping.signal.aborted) await act(acting, options.counts)
      })
      await delay(random.below(options.pauseMilliseconds))
    }
  }
  const over = Promise.all(Array.from({ length: options.connections }, connection))
  return { name, podUid, over: over.then(() => {}), stop: () => stopping.abort() }
}

function inTurn(lane: Lane, work: () => Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    lane.take(() => work().finally(resolve), 0)
  })
}

async function act(acting: Acting, counts: Counts): Promise<void> {
  const { ledger, name, server, caller } = acting
  try {
    for await (const reply of exchange(acting)) count(reply, acting, counts)
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === 'UND_ERR_CONNECT_TIMEOUT')
      lateBy(counts, 'handshake')
    else if (ledger.isThere(name) && server !== 'flaky')
      counts.unexplained.push(`${caller.era} at ${server}: ${String(error)}`)
    else counts.broken += 1
    // Its connection has ended; the next one is not to be made at once.
    await delay(20)
  }
}

function count(reply: Reply, { name, server, caller, ledger }: Acting, counts: Counts): void {
  const { status, text, json } = reply
  const isRefused = status !== 200 || json.error !== undefined
  if (isRefused) counts.refused += 1
  else counts.answered += 1
  const others = [...namesIn(text)].filter((other) => other !== name)
  const isLeaked =
    others.length > 0 || (!isRefused && /test:\/\/never|"name":"(\w+_)?never"/.test(text))
  if (isLeaked) counts.leaked.push(`${name} is told: ${text.slice(0, 400)}`)
  if (status > 501 && server !== 'flaky' && ledger.isThere(name))
    lateBy(
      counts,
      `${caller.era} at ${server}: ${status} ${json.error?.message.replace(/ \(decision.*/, '')}`,
    )
  else if (status >= 500 && server !== 'flaky' && ledger.isThere(name))
    counts.unexplained.push(`${caller.era} at ${server}: ${status} ${text.slice(0, 200)}`)
}

function lateBy({ late }: Counts, why: string): void {
  late.set(why, (late.get(why) ?? 0) + 1)
}
