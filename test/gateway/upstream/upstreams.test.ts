import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Upstream, UpstreamConfig } from '../../../src/gateway/upstream/upstream.ts'
import { createUpstreams, type Upstreams } from '../../../src/gateway/upstream/upstreams.ts'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'
import { silentLog } from '../../../src/log.ts'
import { eventually } from '../../support/eventually.ts'
import { modern } from '../world/client.ts'
import { fakeUpstream } from '../world/fake-upstream.ts'
import { answerBoth, type Answer } from '../world/upstream.ts'
import { openWorld } from '../world/world.ts'

function config(server: string, more: Partial<UpstreamConfig> = {}): UpstreamConfig {
  const spiffeId = parseSpiffeId(`spiffe://test.example/ns/tools/sa/${server}`)
  return { server, url: `https://${server}.test/mcp`, spiffeId, eras: ['modern'], ...more }
}

function open(...configs: readonly UpstreamConfig[]): { all: Upstreams; closed: string[] } {
  const closed: string[] = []
  const create = (each: UpstreamConfig): Upstream => {
    if (each.url.startsWith('http:')) throw new Error('no https')
    const close = (): Promise<void> => {
      closed.push(each.server)
      return Promise.resolve()
    }
    return { ...fakeUpstream(() => undefined), config: each, close }
  }
  return { all: createUpstreams(configs, { create, log: silentLog }), closed }
}

const serversOf = ({ current }: Upstreams): readonly string[] => [...current.keys()]

test('what has not changed goes on, and what has or is gone ends', () => {
  const { all, closed } = open(config('a'), config('b'), config('c'))
  const [a, b] = [all.current.get('a'), all.current.get('b')]
  all.replace([config('d'), config('b', { timeoutSeconds: 7 }), config('a')])
  assert.deepEqual(serversOf(all), ['d', 'b', 'a'])
  assert.equal(all.current.get('a'), a)
  assert.notEqual(all.current.get('b'), b)
  assert.deepEqual(closed, ['b', 'c'])
})

test('of a configuration that cannot be served nothing is taken', () => {
  const { all, closed } = open(config('a'), config('b'))
  const before = [...all.current.values()]
  const bad = config('d', { url: 'http://d.test/mcp' })
  assert.throws(() => all.replace([config('c'), bad]), /no https/)
  assert.deepEqual([...all.current.values()], before)
  // What was opened for it is closed again.
  assert.deepEqual(closed, ['c'])
  assert.throws(() => all.replace([config('a'), config('a')]), /upstream a: named twice/)
  assert.deepEqual([...all.current.values()], before)
})

test('a gateway calls tool servers that came later, and ends what is open with one that is gone', async () => {
  let configs: readonly UpstreamConfig[] = []
  const holding: Answer = (message, response, request) => {
    if (message.method !== 'tools/call') answerBoth()(message, response, request)
  }
  await using world = await openWorld({
    answers: { files: answerBoth({ name: 'files' }), web: holding },
    upstreams: (all) => {
      configs = all
      return all.filter(({ server }) => server === 'web')
    },
  })
  const agent = await world.agent()
  const call = modern('tools/call', { name: 'echo', arguments: {} })
  assert.equal((await agent.post('/mcp/files', call.body, call.headers)).status, 404)
  const other = await world.agent()
  const pending = other.post('/mcp/web', call.body, call.headers)
  await eventually('the call is open', () =>
    (world.upstreams['web']?.received ?? []).some(({ body }) => body.includes('tools/call')),
  )
  world.gateway.replaceUpstreams(configs.filter(({ server }) => server === 'files'))
  assert.equal((await pending).status, 502)
  assert.equal((await other.post('/mcp/web', call.body, call.headers)).status, 404)
  assert.equal((await agent.post('/mcp/files', call.body, call.headers)).status, 200)
  const list = modern('tools/list')
  const listed = await agent.post('/mcp', list.body, list.headers)
  assert.match(listed.text, /"files_echo"/)
  assert.doesNotMatch(listed.text, /"web_/)
  assert.deepEqual(
    world.gateway.conditions().map(({ name }) => name),
    ['upstream files'],
  )
})
