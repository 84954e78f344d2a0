import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import {
  Client as Modern,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client'
import { Client as Legacy } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { programIsHere, runToEnd } from '../../examples/session.ts'
import { openStage, serverName, type Stage, type Standing } from '../conformance/stage.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { clients, runClient } from './matrix/clients.ts'

/*
 * A server of the Go SDK that pings its clients, and ends the session of who does not answer: how a session lives, and how it ends.
 */

const here = programIsHere('test/sdks', 'go', 'version')
const pingMilliseconds = 300
let folder = ''
let stage: Stage
/** Where the server that never pings listens. */
let quietPort = 0
const opened = new AsyncDisposableStack()

before(async () => {
  if (!here) return
  folder = await mkdtemp(join(tmpdir(), 'countersign-sessions-'))
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  const cwd = join(import.meta.dirname, 'go')
  await runToEnd('go', ['build', '-o', join(folder, 'alive'), './alive'], { cwd })
  quietPort = await startServer('1h')
  const pinging = await startServer(`${pingMilliseconds}ms`)
  const standing = (port: number): Standing => ({ port, eras: ['legacy'] })
  stage = opened.use(await openStage({ alive: standing(pinging), quiet: standing(quietPort) }))
  const { credential, bundle } = stage.agent
  const pem = `${credential.privateKeyPem}${credential.chainPem}`
  await writeFile(join(folder, 'credential-bundle.pem'), pem, { mode: 0o600 })
  await writeFile(join(folder, 'trust-bundle.pem'), bundle.pem)
})

after(() => opened.disposeAsync())

/** Gives its port. */
async function startServer(keepAlive: string): Promise<number> {
  const child = spawn(join(folder, 'alive'), {
    env: { ...process.env, KEEP_ALIVE: keepAlive },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  opened.defer(async () => {
    child.kill()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return Number(line)
}

interface Agent {
  who(): Promise<string>
  end(): Promise<void>
}

const answered = (content: unknown): string =>
  (content as { readonly text?: string }[])[0]?.text ?? ''

async function openLegacy(url: URL, tool: string): Promise<Agent> {
  const client = new Legacy({ name: 'agent', version: '1.0.0' })
  const transport = new LegacyTransport(url)
  await client.connect(transport)
  return {
    who: async () => answered((await client.callTool({ name: tool, arguments: {} })).content),
    async end() {
      await transport.terminateSession()
      await client.close()
    },
  }
}

async function openModern(url: URL, tool: string): Promise<Agent> {
  const options = { versionNegotiation: { mode: 'auto' as const } }
  const client = new Modern({ name: 'agent', version: '1.0.0' }, options)
  await client.connect(new ModernTransport(url))
  assert.equal(client.getNegotiatedProtocolVersion(), '2026-07-28')
  return {
    who: async () => answered((await client.callTool({ name: tool, arguments: {} })).content),
    end: () => client.close(),
  }
}

for (const [door, tool] of [
  ['/mcp/alive', 'who'],
  ['/mcp', 'alive_who'],
] as const) {
  const atDoor = (): URL => new URL(stage.url(door))
  test(`a session at ${door} outlives the pings of its server`, { skip: !here }, async () => {
    requirement('gateway.asks-across')
    const agent = await openLegacy(atDoor(), tool)
    const session = await agent.who()
    assert.notEqual(session, '')
    await delay(pingMilliseconds * 8)
    assert.equal(await agent.who(), session)
    await agent.end()
  })

  test(
    `an agent without sessions at ${door} is served when pings have ended that in which it was`,
    { skip: !here },
    async () => {
      const agent = await openModern(atDoor(), tool)
      const session = await agent.who()
      await delay(pingMilliseconds * 8)
      assert.notEqual(await agent.who(), session)
      await agent.end()
    },
  )
}

for (const name of ['TypeScript SDK 1.32', 'Python mcp 1.30']) {
  test(`a session that ${name} ends is ended at its server`, { skip: !here }, async () => {
    requirement('gateway.session-ended')
    const client = clients.find((each) => each.name === name)
    assert.ok(client !== undefined)
    const { port } = stage.agent
    const url = `https://127.0.0.1:${port}/mcp/quiet`
    const steps = { calls: call('who'), refuses: call('none') }
    const plan = { servers: [{ server: 'quiet', url, steps }], port, serverName, folder }
    const PLAN = join(folder, 'plan.json')
    await writeFile(PLAN, JSON.stringify(plan))
    const lines = await runClient(await client.prepare(''), {
      PLAN,
      IDENTITY: folder,
      SERVER_NAME: serverName,
    })
    assert.match(lines.find(({ step }) => step === 'calls')?.said ?? '', /^[A-Z2-7]{26}$/)
    await eventually('no session is left', async () => (await sessionsLeft()) === '0', 20)
  })
}

const call = (tool: string): object => ({ tool, arguments: {} })

async function sessionsLeft(): Promise<string> {
  return await (await fetch(`http://127.0.0.1:${quietPort}/sessions`)).text()
}
