import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import {
  Client as Modern,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client'
import { Client as Legacy } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { Agent, fetch } from 'undici'
import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import { gatewayConnector } from '../gateway/world/client.ts'
import { openWorld, type World } from '../gateway/world/world.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { startGuard, type StartedGuard } from './start-guard.ts'

/*
 * A server of the TypeScript SDK on standard input and output, behind `countersign guard --stdio` and a gateway, called by the clients of both generations.
 */

let folder: string
let world: World
let guard: StartedGuard | undefined

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-guarded-'))
  const listen = await freePort()
  const server = 'notes'
  world = await openWorld({
    answers: {},
    grants: { tenants: { acme: { [server]: { tools: {}, prefixes: { '': {} } } } }, subjects: {} },
    async upstreams(_, identities) {
      const command = [process.execPath, join(import.meta.dirname, 'stdio-server.ts')]
      const before = ['--stdio', '--', ...command]
      guard = await startGuard({ folder, identities, server, listen, before })
      const spiffeId = parseSpiffeId(`spiffe://test.example/ns/tools/sa/${server}`)
      return [{ server, url: `https://127.0.0.1:${listen}/mcp`, spiffeId, eras: ['legacy'] }]
    },
  })
  await eventually('the guard is ready', async () => (await fetch(`${guard?.admin}/readyz`)).ok)
})

after(async () => {
  await world[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** Of an agent of its own. */
function fetchOf(serviceAccount: string): typeof globalThis.fetch {
  const { identities, gateway } = world
  const credential = identities.issue({ serviceAccount, toolScopes: 'notes:*' })
  const { bundle } = identities
  const connect = gatewayConnector({ port: gateway.port, credential, bundle })
  const dispatcher = new Agent({ connect })
  return ((url: string, init: object) =>
    fetch(url, { ...init, dispatcher })) as unknown as typeof globalThis.fetch
}

const door = new URL('https://gateway.test/mcp/notes')

interface Who {
  readonly pid: number
  readonly cancelled: number
  readonly caller: { readonly spiffeId: string; readonly tenant: string }
}

function saidIn(answer: object): unknown {
  const { content } = answer as { readonly content?: readonly { readonly text: string }[] }
  return JSON.parse(content?.[0]?.text ?? 'null')
}

const whoOf = (answer: object): Who => saidIn(answer) as Who

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function openLegacy(
  serviceAccount: string,
): Promise<{ readonly client: Legacy; readonly end: () => Promise<void> }> {
  const client = new Legacy({ name: 'agent', version: '1.0.0' })
  const transport = new LegacyTransport(door, { fetch: fetchOf(serviceAccount) })
  await client.connect(transport)
  return {
    client,
    async end() {
      await transport.terminateSession()
      await client.close()
    },
  }
}

test('a client finds the tools, calls them, hears of progress and gives up; its process ends with its session', async () => {
  requirement('guard.stdio-caller-from-the-token')
  const { client, end } = await openLegacy('first')
  assert.equal(client.getServerVersion()?.name, 'notes')
  const { tools } = await client.listTools()
  assert.deepEqual(tools.map(({ name }) => name).toSorted(), ['count', 'wait', 'who'])

  const who = async (): Promise<Who> => whoOf(await client.callTool({ name: 'who' }))
  const { pid, caller } = await who()
  assert.equal(caller.spiffeId, 'spiffe://test.example/ns/agents/sa/first')
  assert.equal(caller.tenant, 'acme')

  const told: number[] = []
  const onprogress = ({ progress }: { readonly progress: number }): void => void told.push(progress)
  const count = { name: 'count', arguments: { to: 3 } }
  const counted = await client.callTool(count, undefined, { onprogress })
  assert.equal(saidIn(counted), 'counted to 3')
  assert.deepEqual(told, [1, 2, 3])

  const giveUp = new AbortController()
  const options = { signal: giveUp.signal, onprogress: () => giveUp.abort('enough') }
  await assert.rejects(client.callTool({ name: 'wait' }, undefined, options), /enough/)
  await eventually('the server knows', async () => (await who()).cancelled === 1)
  assert.equal((await who()).pid, pid)

  assert.ok(runs(pid))
  await end()
  await eventually('the process has ended', () => !runs(pid))
})

test('each agent has a process of its own, and a client of the second generation is served', async () => {
  requirement('guard.stdio-caller-from-the-token')
  const first = await openLegacy('first')
  const options = { versionNegotiation: { mode: 'auto' as const } }
  const second = new Modern({ name: 'agent', version: '1.0.0' }, options)
  await second.connect(new ModernTransport(door, { fetch: fetchOf('second') }))
  assert.equal(second.getNegotiatedProtocolVersion(), '2026-07-28')
  const one = whoOf(await first.client.callTool({ name: 'who' }))
  const other = whoOf(await second.callTool({ name: 'who', arguments: {} }))
  assert.equal(other.caller.spiffeId, 'spiffe://test.example/ns/agents/sa/second')
  assert.notEqual(one.pid, other.pid)
  await second.close()
  await first.end()
  await eventually('the process of the session has ended', () => !runs(one.pid))
  assert.ok(runs(other.pid))

  guard?.child.kill('SIGTERM')
  if (guard?.child.exitCode === null) await once(guard.child, 'exit')
  assert.equal(guard?.child.exitCode, 0)
  await eventually('none is left', () => !runs(other.pid))
})
