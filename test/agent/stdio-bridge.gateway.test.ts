import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openCountersignFetch } from '../../src/agent/countersign-fetch.ts'
import { oneHandleKey } from '../../src/gateway/handle/keys.ts'
import { openBalancer, type Balancer } from '../gateway/world/balancer.ts'
import { initializeParams } from '../gateway/world/client.ts'
import { answerBoth, type Answer } from '../gateway/world/upstream.ts'
import { openWorld, type World, type WorldOptions } from '../gateway/world/world.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import {
  legacyRequest,
  modernRequest,
  notification,
  openBridgeStage,
  type BridgeStage,
} from './bridge-stage.ts'

interface Stage extends AsyncDisposable {
  readonly world: World
  /** What stands before the gateway, so that another can take its place. */
  readonly balancer: Balancer
  readonly bridge: BridgeStage
}

/** A bridge with real TLS to a real gateway. */
async function openStage(more: WorldOptions = {}, connectionsMax = 8): Promise<Stage> {
  const world = await openWorld({ hosts: ['127.0.0.1'], ...more })
  const balancer = await openBalancer(world.gateway.port)
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bridge-'))
  const credentialBundle = join(folder, 'credential.pem')
  const trustBundle = join(folder, 'trust.pem')
  const credential = world.identities.issue({ toolScopes: 'files:*' })
  const pem = credential.privateKeyPem + credential.chainPem
  await writeFile(credentialBundle, pem, { mode: 0o600 })
  await writeFile(trustBundle, world.identities.bundle.pem)
  const server = world.credential.current().svid.spiffeId.uri
  const files = { credentialBundle, trustBundle }
  const mtls = await openCountersignFetch({ ...files, server, connectionsMax })
  const url = `https://127.0.0.1:${balancer.port}/mcp/files`
  const bridge = openBridgeStage(() => assert.fail(), { url, fetch: mtls.fetch })
  return {
    world,
    balancer,
    bridge,
    async [Symbol.asyncDispose]() {
      await bridge[Symbol.asyncDispose]()
      await mtls[Symbol.asyncDispose]()
      await balancer[Symbol.asyncDispose]()
      await world[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const echo = { name: 'echo', arguments: {} }

test('octets pass the bridge and the gateway as they are, to the tool server and back', async () => {
  requirement('agent.bridge-passes-octets')
  await using stage = await openStage()
  const args = '{"n":9007199254740993,"x":1.0, "s":"\\u00e9"}'
  const line = modernRequest(1, 'tools/call', echo).replace('"arguments":{}', `"arguments":${args}`)
  stage.bridge.say(line)
  await stage.bridge.lines(1)
  assert.equal(stage.world.upstreams['files']?.received.at(-1)?.body, line)
  stage.bridge.say(modernRequest(2, 'tools/list'))
  const [, listed = ''] = await stage.bridge.lines(2)
  assert.match(listed, /\{"type":"object","properties":\{"n":\{"const":9007199254740993\}\}\}/)
})

test('a call that is answered by a stream leaves its connection to the next', async () => {
  const plain = answerBoth()
  const streamed: Answer = (message, response, request) => {
    if (message.method !== 'tools/call') return plain(message, response, request)
    const result = { resultType: 'complete', content: [] }
    const answer = { jsonrpc: '2.0', id: message.id, result }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end(`data: ${JSON.stringify(answer)}\n\n`)
    return undefined
  }
  await using stage = await openStage({ answers: { files: streamed } }, 1)
  for (const count of [1, 2, 3, 4]) {
    stage.bridge.say(modernRequest(count, 'tools/call', echo))
    await stage.bridge.lines(count)
  }
  assert.equal(stage.balancer.connectionsTo(stage.world.gateway.port), 1)
})

test('a gateway that does not know the session, as after a restart, has it opened again under the client', async () => {
  await using stage = await openStage()
  const { bridge, balancer, world } = stage
  bridge.say(
    legacyRequest(0, 'initialize', initializeParams),
    notification('notifications/initialized'),
  )
  bridge.say(legacyRequest(1, 'tools/call', echo))
  await bridge.lines(2)
  const other = await world.openReplica({ handleKeys: oneHandleKey() })
  balancer.endpoints = [other.port]
  await world.gateway.close()
  bridge.say(legacyRequest(2, 'tools/call', echo))
  const [, before = '', after = ''] = await bridge.lines(3)
  assert.equal(after, before.replace('"id":1', '"id":2'))
  assert.equal(bridge.warned.length, 1)
})

test('a certificate that is revoked is what the next answer says, and a gateway that is away', async () => {
  requirement('agent.bridge-answers-all')
  await using stage = await openStage()
  const { bridge, world } = stage
  bridge.say(modernRequest(1, 'tools/call', echo))
  await bridge.lines(1)
  world.revocations.set([{ name: 'leaked', tenant: 'acme', reason: 'secret' }])
  await eventually('it is told', async () => {
    bridge.say(modernRequest(2, 'tools/call', echo))
    const count = bridge.written.length + 1
    return (await bridge.lines(count)).at(-1)?.includes('revoked') === true
  })
  assert.match(bridge.written.at(-1) ?? '', /^\{"jsonrpc":"2\.0","id":2,"error":\{"code":-31403,/)
  await world.gateway.close()
  await stage.balancer[Symbol.asyncDispose]()
  bridge.say(modernRequest(3, 'tools/call', echo))
  const told = (await bridge.lines(bridge.written.length + 1)).at(-1) ?? ''
  assert.match(told, /"id":3,.*(cannot be reached|ended before the answer)/)
})
