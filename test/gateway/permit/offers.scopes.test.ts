import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePromptScopes, parseResourceScopes } from '../../../src/identity/offer-scope.ts'
import { requirement } from '../../requirements.ts'
import { legacy, modern, whyOf } from '../world/client.ts'
import { listenAs, listening } from '../world/listening.ts'
import { openSession } from '../world/session.ts'
import { answerBoth, sendJson, type Answer } from '../world/upstream.ts'
import { openWorld, type World, type WorldOptions } from '../world/world.ts'

/* Certificate and grants allow everything of `files`; its own scopes are `review`, and what lies under `repo://docs/`. */

const everything = {
  prefixes: { '': {} },
  prompts: { prefixes: { '': {} } },
  resources: { prefixes: { '': {} } },
}
const grants = { tenants: { acme: { files: everything } }, subjects: {} }
const wanted = { toolScopes: 'files:*' }
const doors = [
  ['/mcp/files', '', ''],
  ['/mcp', 'files_', 'files+'],
] as const

const lists: Readonly<Record<string, object>> = {
  'prompts/list': { prompts: [{ name: 'review' }, { name: 'other' }] },
  'resources/list': {
    resources: ['repo://docs/a', 'repo://docs/../a', 'repo://secrets/a'].map((uri) => ({
      name: uri,
      uri,
    })),
  },
  'resources/templates/list': {
    resourceTemplates: ['repo://docs/{id}', '{+uri}'].map((uriTemplate) => ({
      name: uriTemplate,
      uriTemplate,
    })),
  },
}

/** What is read comes with this beside it; a call links to it. */
const beside = 'repo://secrets/a'

const answer: Answer = (message, response, request) => {
  const { method, id, params } = message
  const contents = [params?.['uri'], beside].map((uri) => ({ uri, text: '' }))
  const content = [{ type: 'resource_link', name: 'x', uri: beside }]
  const results: Readonly<Record<string, object>> = {
    ...lists,
    'resources/read': {
      contents: params?.['uri'] === 'repo://docs/folder' ? contents : contents.slice(0, 1),
    },
    'prompts/get': { messages: [] },
    'completion/complete': { completion: { values: [] } },
    'resources/subscribe': {},
    'tools/call': { content },
  }
  const result = results[method]
  if (result === undefined) answerBoth()(message, response, request)
  else
    sendJson(
      response,
      JSON.stringify({ jsonrpc: '2.0', id, result: { resultType: 'complete', ...result } }),
    )
}

function openScoped(more: WorldOptions = {}): Promise<World> {
  return openWorld({
    grants,
    answers: { files: answer },
    upstreams: (configs) =>
      configs.map((config) => ({
        ...config,
        prompts: parsePromptScopes(['review']),
        resources: parseResourceScopes(['repo://docs/*']),
      })),
    ...more,
  })
}

test('what lies outside of the scopes of its server is in no list, at either door', async () => {
  requirement('gateway.scopes-of-a-server')
  await using world = await openScoped()
  const agent = await world.agent(wanted)
  for (const [door, name, uri] of doors) {
    for (const [method, member, key, shown] of [
      ['prompts/list', 'prompts', 'name', `${name}review`],
      ['resources/list', 'resources', 'uri', `${uri}repo://docs/a`],
      ['resources/templates/list', 'resourceTemplates', 'uriTemplate', `${uri}repo://docs/{id}`],
    ] as const) {
      const { body, headers } = modern(method)
      const reply = await agent.post(door, body, headers)
      const items = reply.json.result?.[member] as readonly Record<string, unknown>[]
      assert.deepEqual(
        items.map((item) => item[key]),
        [shown],
        `${method} at ${door}`,
      )
    }
  }
})

test('what lies outside of them is neither asked for nor completed nor subscribed to, and the server hears nothing', async () => {
  requirement('gateway.scopes-of-a-server')
  await using world = await openScoped()
  const agent = await world.agent(wanted)
  const session = await openSession(agent, '/mcp/files')
  const asked: readonly (readonly [
    string,
    string,
    { body: string; headers: Record<string, string> },
  ])[] = [
    ...doors.flatMap(([door, name, uri]) => [
      [door, 'prompt', modern('prompts/get', { name: `${name}other` })] as const,
      [door, 'resource', modern('resources/read', { uri: `${uri}repo://docs/../a` })] as const,
    ]),
    ...[
      ['prompt', { type: 'ref/prompt', name: 'other' }] as const,
      ['template', { type: 'ref/resource', uri: '{+uri}' }] as const,
    ].map(
      ([what, ref]) =>
        [
          '/mcp/files',
          what,
          modern('completion/complete', { ref, argument: { name: 'a', value: '' } }),
        ] as const,
    ),
    ['/mcp/files', 'resource', legacy('resources/subscribe', { uri: beside }, { session })],
  ]
  const { received } = world.upstreams['files'] ?? { received: [] }
  received.splice(0)
  for (const [door, what, { body, headers }] of asked) {
    const reply = await agent.post(door, body, headers)
    assert.equal(reply.json.error?.code, -31403, body)
    assert.equal(whyOf(reply), `denied by policy: no scope of the tool server has this ${what}`)
    const result = world.events.at(-1)?.evaluated.result as { reasons?: { code: string }[] }
    assert.equal(result.reasons?.[0]?.code, 'outside-server-scopes')
  }
  assert.deepEqual(received, [])
})

test('what lies within them is asked for', async () => {
  await using world = await openScoped()
  const agent = await world.agent(wanted)
  for (const [door, name, uri] of doors) {
    for (const asked of [
      modern('prompts/get', { name: `${name}review` }),
      modern('resources/read', { uri: `${uri}repo://docs/a` }),
    ]) {
      const reply = await agent.post(door, asked.body, asked.headers)
      assert.equal(reply.json.error, undefined, reply.text)
    }
  }
})

test('a read that brings something from outside of them is refused as a whole', async () => {
  requirement('gateway.scopes-of-a-server')
  await using world = await openScoped()
  const agent = await world.agent(wanted)
  const { body, headers } = modern('resources/read', { uri: 'repo://docs/folder' })
  const reply = await agent.post('/mcp/files', body, headers)
  assert.match(whyOf(reply) ?? '', /a resource that may not be read/)
  assert.doesNotMatch(reply.text, /secrets/)
})

test('what lies outside of them is not listened for', async () => {
  requirement('gateway.scopes-of-a-server')
  const there = listening()
  await using world = await openScoped({ answers: { files: there.answer } })
  const agent = await world.agent(wanted)
  const resourceSubscriptions = ['repo://docs/a', beside]
  const stream = await listenAs(agent, '/mcp/files', { resourceSubscriptions })
  await stream.until(1)
  stream.close()
  assert.deepEqual(there.heard[0]?.filter['resourceSubscriptions'], ['repo://docs/a'])
})

test('a result links to nothing outside of them, where the grant has it link to what may be read alone', async () => {
  requirement('gateway.scopes-of-a-server')
  const files = { ...everything, result: { resources: 'readable' } }
  await using world = await openScoped({ grants: { tenants: { acme: { files } }, subjects: {} } })
  const agent = await world.agent(wanted)
  const { body, headers } = modern('tools/call', { name: 'echo', arguments: {} })
  const reply = await agent.post('/mcp/files', body, headers)
  assert.match(whyOf(reply) ?? '', /a resource that may not be read/)
})
