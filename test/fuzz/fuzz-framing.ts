/**
 * Sends nearly right HTTP to a real gateway over raw TLS sockets: `npm run fuzz -- [--seconds=60] [--seed=1]`. The same seed sends the
 * same octets, and each case is known by its number; `--only=<number>` sends that one alone.
 */
import assert from 'node:assert/strict'
import type { TLSSocket } from 'node:tls'
import { modern } from '../gateway/world/client.ts'
import type { Received } from '../gateway/world/upstream.ts'
import { defaultScopes, openWorld, type World } from '../gateway/world/world.ts'
import { fuzzedConversation } from './http-messages.ts'
import { casesAsked } from './cases-asked.ts'
import { createRandom } from './random.ts'

export interface Fuzzed {
  readonly cases: number
  /** Messages that reached the upstream, of all cases. */
  readonly reached: number
}

interface FuzzOptions {
  readonly seed: number
  /** Numbers of the cases to send. */
  readonly cases: Iterable<number>
  /** So many connections send at once. */
  readonly connections?: number
}

/**
 * After every case: the process lives; a connection that sends what is right is answered, with its own answer; and what reached the
 * upstream is whole, was decided on, came once, and is one of the texts that were sent.
 */
export async function fuzzFraming({ seed, cases, connections = 8 }: FuzzOptions): Promise<Fuzzed> {
  await using world = await openWorld()
  const check = createCheck(world)
  const queue = cases[Symbol.iterator]()
  let count = 0
  let reached = 0
  async function work(): Promise<void> {
    const innocent = await world.agent({ serviceAccount: `innocent-${count}` })
    for (let next = queue.next(); next.done !== true; next = queue.next()) {
      const mark = `case-${seed}-${next.value}`
      const pieces = fuzzedConversation(mark, createRandom(seed * 1_000_003 + next.value))
      const octets = Buffer.concat(pieces)
      count += 1
      check.sending(octets)
      await send(world, pieces)
      try {
        const { body, headers } = modern('tools/call', {
          name: 'echo',
          arguments: { mark: `innocent-${mark}` },
        })
        const reply = await innocent.post('/mcp/files', body, headers)
        assert.equal(reply.status, 200)
        assert.ok(reply.text.includes(`innocent-${mark}`), `got=${reply.text}`)
        reached += check.received()
      } catch (cause) {
        const sent = JSON.stringify(octets.toString('latin1').slice(0, 3_000))
        throw new Error(`--seed=${seed} --only=${next.value}: ${sent}`, { cause })
      }
    }
  }
  await Promise.all(Array.from({ length: connections }, work))
  return { cases: count, reached }
}

/** Sends the pieces on a connection of their own, then no more, and waits until the gateway has ended it. */
async function send(world: World, pieces: readonly Buffer[]): Promise<void> {
  const credential = world.identities.issue({ toolScopes: defaultScopes, serviceAccount: 'fuzz' })
  const socket = await world.rawConnection(credential)
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  // The other end may hang up while octets are on their way.
  socket.on('error', () => {})
  socket.resume()
  for (const piece of pieces) await write(socket, piece)
  socket.end()
  await closed
}

function write(socket: TLSSocket, piece: Buffer): Promise<void> {
  return new Promise((resolve) => {
    if (!socket.writable) resolve()
    else socket.write(piece, () => resolve())
  })
}

interface Check {
  sending(octets: Buffer): void
  /** Looks at what has arrived since, and gives how many messages of cases those are. */
  received(): number
}

function createCheck(world: World): Check {
  const sent: Buffer[] = []
  const marks = new Set<string>()
  let allowed = 0
  /** Chunks are put together on the way; whatever else arrives stands in what was sent. */
  function wasSent(body: string): boolean {
    return sent.some((octets) => octets.includes(body) || octets.includes('hunked'))
  }
  return {
    sending(octets) {
      sent.unshift(octets)
      sent.length = Math.min(sent.length, 64)
    },
    received() {
      allowed += world.events.splice(0).filter(isAllowed).length
      const arrived = world.upstreams['files']?.received.splice(0) ?? []
      // The gateway lists on its own account.
      const calls = arrived.filter(({ headers }) => headers['mcp-method'] !== 'tools/list')
      let cases = 0
      for (const each of calls) {
        const mark = markOf(each)
        assert.ok(!marks.has(mark), `came twice: ${mark}`)
        marks.add(mark)
        if (mark.startsWith('innocent')) continue
        assert.ok(wasSent(each.body), `was not sent: ${each.body}`)
        cases += 1
      }
      assert.ok(marks.size <= allowed, 'something came without a decision')
      return cases
    },
  }
}

function isAllowed({ evaluated }: World['events'][number]): boolean {
  return (evaluated.value as { readonly allow?: unknown }).allow === true
}

/** By what a call is known that is whole. */
function markOf({ method, headers, body }: Received): string {
  assert.equal(method, 'POST')
  const message = JSON.parse(body) as { method: string; params: { arguments: { mark: string } } }
  assert.equal(message.method, 'tools/call')
  assert.equal(headers['mcp-name'], 'echo')
  assert.equal(headers['content-length'], String(Buffer.byteLength(body)))
  assert.equal(headers['transfer-encoding'], undefined)
  assert.equal(headers.authorization, undefined)
  assert.match(String(headers['txn-token']), /^[\w-]+\.[\w-]+\.[\w-]+$/)
  return message.params.arguments.mark
}

async function main(): Promise<void> {
  const { seed, cases } = casesAsked()
  process.stdout.write(`fuzz: --seed=${seed}\n`)
  const fuzzed = await fuzzFraming({ seed, cases })
  process.stdout.write(`fuzz: ${fuzzed.cases} connections, ${fuzzed.reached} messages reached\n`)
}

if (import.meta.main) await main()
