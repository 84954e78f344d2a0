import assert from 'node:assert/strict'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Pool } from '../../../../src/gateway/upstream/http/pool.ts'
import { eventually } from '../../../support/eventually.ts'
import { requirement } from '../../../requirements.ts'

const request = Buffer.from('POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}')
const whole = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
const chunks = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n'

/** What the server does with a request. */
const acts: Readonly<Record<string, (socket: Socket) => unknown>> = {
  answers: (socket) => socket.write(whole),
  'answers in chunks': (socket) => socket.write(`${chunks}0\r\n\r\n`),
  'answers twice': (socket) => socket.write(whole + whole),
  'answers and ends': (socket) => socket.end(whole),
  'ends in the middle': (socket) => socket.end(chunks),
  ends: (socket) => socket.end(),
  resets: (socket) => socket.resetAndDestroy(),
  'speaks nonsense': (socket) => socket.write('nonsense\r\n\r\n'),
  'begins and stops': (socket) => socket.write(chunks),
  'is silent': () => {},
}
/** What the asker does: at once, at the head, or at the first octets of the body. */
const turns = ['waits', 'aborts', 'leaves'] as const
const moments = ['at once', 'at the head', 'at the body'] as const

interface Plan {
  readonly act: string
  readonly turn: (typeof turns)[number]
  readonly moment: (typeof moments)[number]
}
const plan: fc.Arbitrary<Plan> = fc.record({
  act: fc.constantFrom(...Object.keys(acts)),
  turn: fc.constantFrom(...turns),
  moment: fc.constantFrom(...moments),
})

const connectionsMax = 3

/** Runs all of them at once through one pool, and gives what was told to each; ends whoever still waits when nobody moves. */
async function play(plans: readonly Plan[]): Promise<readonly (readonly string[])[]> {
  const open = new Set<Socket>()
  const ours = new Set<Socket>()
  const waiting = plans.map(({ act }) => act)
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket)).on('error', () => {})
    socket.on('data', () => acts[waiting.shift() ?? 'is silent']?.(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const pool = new Pool({
    connect(done) {
      const socket = connect(port, '127.0.0.1')
      ours.add(socket)
      assert.ok([...ours].filter(({ destroyed }) => !destroyed).length <= connectionsMax)
      const failed = (error: Error): void => done(error, null)
      socket.once('error', failed)
      socket.once('connect', () => done(null, socket.off('error', failed)))
    },
    connectionsMax,
    idleMilliseconds: 60_000,
  })
  const told = plans.map((each) => {
    const seen: string[] = []
    const give = (moment: Plan['moment']): void => {
      if (each.moment !== moment || each.turn === 'waits') return
      seen.push(each.turn)
      if (each.turn === 'aborts') asking.abort()
      else asking.leave()
    }
    const asking = pool.send(request, {
      begun: () => void seen.push('begun'),
      head() {
        seen.push('head')
        give('at the head')
      },
      data() {
        seen.push('data')
        give('at the body')
        return true
      },
      end: () => void seen.push('end'),
      failed: () => void seen.push('failed'),
    })
    give('at once')
    return seen
  })
  // Silent ones hold their connections: so long until all that can move has moved.
  let before = -1
  await eventually('nobody moves', async () => {
    const count = told.flat().length
    const isStill = count === before
    before = count
    await new Promise((resolve) => setImmediate(resolve))
    return isStill
  })
  pool.destroy('the play is over')
  await eventually('all connections are gone', () => open.size === 0)
  await new Promise((resolve) => server.close(resolve))
  return told
}

const last = new Set(['end', 'failed', 'aborts', 'leaves'])

test('whatever servers and askers do, each hears of one end or has given up, and no connection is left', async () => {
  requirement('gateway.hostile-upstream-contained')
  await fc.assert(
    fc.asyncProperty(fc.array(plan, { minLength: 1, maxLength: 12 }), async (plans) => {
      for (const seen of await play(plans)) {
        const ends = seen.filter((each) => last.has(each))
        assert.equal(ends.length, 1, seen.join(' '))
        assert.equal(seen.at(-1), ends[0], 'nothing is told after the end')
      }
    }),
    { seed: 11, numRuns: 60 },
  )
})
