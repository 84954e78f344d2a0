import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:https'
import { connect as connectTcp, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { boundStrangers } from '../../../src/gateway/door/strangers.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { createIdentities } from '../world/identities.ts'

const identities = createIdentities()
const own = identities.issue({ serviceAccount: 'gateway', role: 'tool-broker' })
const strangersMax = 4

interface Stage extends AsyncDisposable {
  /** A connection that never begins its handshake. */
  silent(localAddress: string): Promise<Socket>
  /** One whose handshake is done. */
  agent(localAddress: string): Promise<TLSSocket>
}

async function openStage({
  admits,
  partyOf,
}: {
  readonly admits: boolean
  readonly partyOf?: (address: string) => string
}): Promise<Stage> {
  const server = createServer({ cert: own.chainPem, key: own.privateKeyPem })
  const strangers = boundStrangers(server, strangersMax, partyOf)
  server.on('secureConnection', (socket) => {
    if (admits) strangers.admitted(socket)
  })
  const accepted: Socket[] = []
  server.on('connection', (socket: Socket) => accepted.push(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const to = { host: '127.0.0.1', port }
  return {
    async silent(localAddress) {
      const before = accepted.length
      const socket = connectTcp({ ...to, localAddress }).on('error', () => {})
      await eventually('it is accepted', () => accepted.length > before)
      return socket
    },
    async agent(localAddress) {
      const raw = connectTcp({ ...to, localAddress }).on('error', () => {})
      const socket = connect({ socket: raw, rejectUnauthorized: false }).on('error', () => {})
      await once(socket, 'secureConnect')
      return socket
    },
    async [Symbol.asyncDispose]() {
      for (const socket of accepted) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('where strangers are too many, the oldest of the address that has most of them goes', async () => {
  requirement('gateway.bounded-strangers')
  await using stage = await openStage({ admits: true })
  const many: Socket[] = []
  for (let at = 0; at < strangersMax; at += 1) many.push(await stage.silent('127.0.0.2'))
  const agent = await stage.agent('127.0.0.3')
  await eventually('the oldest has ended', () => many[0]?.closed === true)
  assert.deepEqual(
    many.map(({ closed }) => closed),
    [true, false, false, false],
  )
  assert.equal(agent.closed, false)
})

test('whoever is let in is no stranger any more, and leaves their place', async () => {
  await using stage = await openStage({ admits: true })
  const agents: TLSSocket[] = []
  for (let at = 0; at < 3 * strangersMax; at += 1) agents.push(await stage.agent('127.0.0.2'))
  assert.equal(
    agents.every(({ closed }) => !closed),
    true,
  )
})

test('a connection that ends leaves its place', async () => {
  await using stage = await openStage({ admits: false })
  for (let at = 0; at < strangersMax; at += 1) (await stage.silent('127.0.0.2')).destroy()
  const kept = await stage.silent('127.0.0.3')
  for (let at = 1; at < strangersMax; at += 1) await stage.silent('127.0.0.2')
  assert.equal(kept.closed, false)
})

test('whoever has shown a certificate and is not let in counts on', async () => {
  requirement('gateway.bounded-strangers')
  await using stage = await openStage({ admits: false })
  const agents: TLSSocket[] = []
  for (let at = 0; at <= strangersMax; at += 1) agents.push(await stage.agent('127.0.0.2'))
  await eventually('the oldest has ended', () => agents[0]?.closed === true)
  assert.equal(agents.filter(({ closed }) => closed).length, 1)
})

test('a tenant whose connections come from many addresses has most of them all the same', async () => {
  requirement('gateway.bounded-strangers')
  const known = new Set(['127.0.0.4', '127.0.0.5', '127.0.0.6'])
  const partyOf = (address: string): string => (known.has(address) ? 'tenant acme' : address)
  await using stage = await openStage({ admits: false, partyOf })
  const others = [await stage.silent('127.0.0.2'), await stage.silent('127.0.0.2')]
  const many: Socket[] = []
  for (const address of known) many.push(await stage.silent(address))
  await eventually('the oldest of the tenant has ended', () => many[0]?.closed === true)
  assert.deepEqual(
    [...others, ...many].map(({ closed }) => closed),
    [false, false, true, false, false],
  )
})
