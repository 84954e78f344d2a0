import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { initializeParams, legacy, modern, openClient } from '../gateway/world/client.ts'
import type { Reply, TestClient } from '../gateway/world/client.ts'
import type { World } from '../gateway/world/world.ts'
import type { Random } from '../fuzz/random.ts'
import type { Ledger } from './ledger.ts'

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
  /** Calls that got no answer: the connection ended, or the caller gave up. */
  broken: number
}

interface PodOptions {
  readonly world: World
  readonly ledger: Ledger
  readonly random: Random
  readonly counts: Counts
  readonly connections: number
  readonly lifetimeSeconds: number
  /** Between two calls of a connection, at most. */
  readonly pauseMilliseconds: number
}

const tools = ['echo', 'echo', 'echo', 'other', 'never'] as const

export function startPod(options: PodOptions): Pod {
  const { world, ledger, random, lifetimeSeconds } = options
  const podUid = randomUUID()
  const name = podUid.slice(0, 8)
  const credential = world.identities.issue({
    podUid,
    serviceAccount: `agent-${random.below(20)}`,
    tenant: random.pick(['acme', 'initech']),
    toolScopes: 'files:*,flaky:*',
    lifetimeSeconds,
  })
  ledger.admit(name, credential.svid.notAfter.getTime())
  const stopping = new AbortController()
  const { bundle } = world.identities
  const connection = async (): Promise<void> => {
    const isModern = random.oneIn(2)
    const { port } = world.gateway
    await using client = openClient({ port, credential, bundle })
    const caller = isModern ? modernCaller(client) : legacyCaller(client)
    while (!stopping.signal.aborted) {
      await act(caller, { ...options, name })
      await delay(random.below(options.pauseMilliseconds))
    }
  }
  const over = Promise.all(Array.from({ length: options.connections }, connection))
  return { name, podUid, over: over.then(() => {}), stop: () => stopping.abort() }
}

interface Caller {
  call(server: string, tool: string, mark: string): Promise<Reply>
  list(server: string): Promise<Reply>
}

async function act(caller: Caller, o: PodOptions & { readonly name: string }): Promise<void> {
  const { random, counts, ledger, name } = o
  const server = random.oneIn(3) ? 'flaky' : 'files'
  try {
    const tool = random.pick(tools)
    const reply = random.oneIn(12)
      ? await caller.list(server)
      : await caller.call(server, tool, ledger.mark(name, tool))
    if (reply.status === 200 && reply.json.error === undefined) counts.answered += 1
    else counts.refused += 1
  } catch {
    counts.broken += 1
    // Its connection has ended; the next one is not to be made at once.
    await delay(20)
  }
}

function modernCaller(client: TestClient): Caller {
  const ask = (server: string, method: string, params: Record<string, unknown>): Promise<Reply> => {
    const { body, headers } = modern(method, params)
    return client.post(`/mcp/${server}`, body, headers)
  }
  return {
    call: (server, name, mark) => ask(server, 'tools/call', { name, arguments: { mark } }),
    list: (server) => ask(server, 'tools/list', {}),
  }
}

/** Opens its session at each server when it first needs one, and again when it is not known any more. */
function legacyCaller(client: TestClient): Caller {
  const sessions = new Map<string, string>()
  async function open(server: string): Promise<string> {
    const known = sessions.get(server)
    if (known !== undefined) return known
    const { body, headers } = legacy('initialize', initializeParams)
    const reply = await client.post(`/mcp/${server}`, body, headers)
    const session = String(reply.headers['mcp-session-id'] ?? '')
    if (session !== '') sessions.set(server, session)
    return session
  }
  async function ask(
    server: string,
    method: string,
    params: Record<string, unknown>,
  ): Promise<Reply> {
    const session = await open(server)
    const { body, headers } = legacy(method, params, { session })
    const reply = await client.post(`/mcp/${server}`, body, headers)
    if (reply.status === 404) sessions.delete(server)
    return reply
  }
  return {
    call: (server, name, mark) => ask(server, 'tools/call', { name, arguments: { mark } }),
    list: (server) => ask(server, 'tools/list', {}),
  }
}
