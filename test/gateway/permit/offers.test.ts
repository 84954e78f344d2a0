import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import { requirement } from '../../requirements.ts'
import {
  initializeParams,
  legacy,
  modern,
  whyOf,
  type Reply,
  type TestClient,
} from '../world/client.ts'
import { answerBoth, sendJson, type Answer } from '../world/upstream.ts'
import { openWorld, type World } from '../world/world.ts'

const grants = {
  tenants: {
    acme: {
      files: {
        prompts: { names: { review: {}, summary: { arguments: { length: ['short'] } } } },
        resources: { uris: { 'x:{id}': {} }, prefixes: { 'file:///srv/': {} } },
      },
    },
  },
  subjects: {},
}

/** What an upstream answers to `resources/read`, by the path that is asked for. */
const contents: Readonly<Record<string, readonly string[]>> = {
  'file:///srv/a': ['file:///srv/a'],
  'file:///srv/folder/': ['file:///srv/folder/1', 'file:///srv/folder/2'],
  'file:///srv/long': [`x:${'a'.repeat(300_000)}`],
  'file:///srv/leak': ['file:///srv/leak', 'file:///etc/passwd'],
}

/** What an upstream lists, in two pages; some of it is not fit, some not granted. */
const lists: Readonly<Record<string, readonly [member: string, ...pages: readonly string[]]>> = {
  'prompts/list': [
    'prompts',
    '[{"name":"review","vendor":{"x":[1, 2.50]}},{"name":"other"},{"name":1},{"name":"a","NAME":"review"}]',
    '[{"description":"s","name":"summary"},{"name":"secret"}]',
  ],
  'resources/list': [
    'resources',
    '[{"uri":"file:///srv/a","name":"a"},{"uri":"file:///etc/passwd","name":"b"},{"name":"c"}]',
    '[{"uri":"file:///srv/../x","name":"d"},{"name":"e","uri":"file:///srv/b\\tc"},{"name":"f", "uri":"file:///srv/f"}]',
  ],
  'resources/templates/list': [
    'resourceTemplates',
    '[{"uriTemplate":"x:{id}","name":"x"},{"uriTemplate":"y:{id}","name":"y"}]',
    '[{"uriTemplate":"file:///srv/{name}","name":"z"},{"uriTemplate":"{+any}","name":"any"}]',
  ],
}

const tools = answerBoth({ name: 'files' })
const offers: Answer = (message, response, request) => {
  const { params = {} } = message
  const meta = params['_meta'] as object | undefined
  const complete = meta === undefined ? '' : '"resultType":"complete",'
  const give = (text: string): void =>
    sendJson(
      response,
      `{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":{${complete}${text}}}`,
    )
  const [member, ...pages] = lists[message.method] ?? []
  if (member !== undefined) {
    const isLast = params['cursor'] !== undefined
    const cache = meta === undefined ? '' : ',"ttlMs":9e9,"cacheScope":"public"'
    give(`"${member}":${pages[Number(isLast)]}${isLast ? '' : ',"nextCursor":"two"'}${cache}`)
  } else if (message.method === 'prompts/get')
    give(`"messages":[],"description":${JSON.stringify(params['name'])}`)
  else if (message.method === 'completion/complete')
    give('"completion":{"values":["a"],"big":9007199254740993}')
  else if (params['uri'] === 'file:///srv/bad') {
    response.writeHead(400, { 'content-type': 'application/json' })
    const error = '{"code":-32602,"message":"bad"}'
    response.end(`{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"error":${error}}`)
  } else if (message.method === 'resources/read') {
    const uris = contents[String(params['uri'])] ?? []
    const listed = uris.map((uri) => `{"text":"1.0","uri":${JSON.stringify(uri)},"more":[ ]}`)
    give(
      `"contents":[${listed.join(',')}]${meta === undefined ? '' : ',"ttlMs":9e9,"cacheScope":"public"'}`,
    )
  } else tools(message, response, request)
}

type Ask = (method: string, params: Record<string, unknown>) => Promise<Reply>

/** Who asks in an era at a door. */
async function speaker(agent: TestClient, era: 'modern' | 'legacy', door: string): Promise<Ask> {
  if (era === 'modern') {
    return (method, params) => {
      const { body, headers } = modern(method, params)
      return agent.post(door, body, headers)
    }
  }
  const opening = legacy('initialize', initializeParams)
  const opened = await agent.post(door, opening.body, opening.headers)
  const session = String(opened.headers['mcp-session-id'])
  return (method, params) => {
    const { body, headers } = legacy(method, params, { session })
    return agent.post(door, body, headers)
  }
}

const open = (): Promise<World> =>
  openWorld({ grants, answers: { files: offers, web: answerBoth({ name: 'web' }) } })

const argument = { name: 'id', value: '' }

describe('what a server offers beside its tools', { concurrency: 4 }, () => {
  for (const era of ['modern', 'legacy'] as const) {
    for (const door of ['/mcp/files', '/mcp'] as const) {
      const isAll = door === '/mcp'
      const named = (name: string): string => (isAll ? `files_${name}` : name)
      const placed = (uri: string): string => (isAll ? `files+${uri}` : uri)

      test(`is asked for under its name there, ${era} at ${door}`, async () => {
        await using world = await open()
        const ask = await speaker(await world.agent(), era, door)
        const prompt = await ask('prompts/get', { name: named('review') })
        assert.equal(prompt.json.result?.['description'], 'review')
        const read = await ask('resources/read', { uri: placed('file:///srv/a') })
        assert.ok(
          read.text.includes(`{"text":"1.0","uri":"${placed('file:///srv/a')}","more":[ ]}`),
          read.text,
        )
        const completed = await ask('completion/complete', {
          ref: { type: 'ref/prompt', name: named('review') },
          argument,
        })
        assert.ok(completed.text.includes('"big":9007199254740993'), completed.text)
        const template = await ask('completion/complete', {
          ref: { type: 'ref/resource', uri: placed('x:{id}') },
          argument,
        })
        assert.ok(template.json.result !== undefined, template.text)
        const { received = [] } = world.upstreams['files'] ?? {}
        const asked = received.slice(-4)
        const mirrored = asked.map(({ headers }) => headers['mcp-name'])
        const want = era === 'modern' ? ['review', 'file:///srv/a'] : [undefined, undefined]
        assert.deepEqual(mirrored, [...want, undefined, undefined])
        const bodies = asked.map(({ body }) => (JSON.parse(body) as { params: object }).params)
        for (const body of bodies)
          assert.ok(!JSON.stringify(body).includes('files'), JSON.stringify(body))
      })

      test(`is listed as far as it is granted, ${era} at ${door}`, async () => {
        requirement('policy.list-is-call')
        await using world = await open()
        const ask = await speaker(await world.agent(), era, door)
        const want: Readonly<Record<string, readonly [string, readonly string[]]>> = {
          'prompts/list': ['name', ['review', 'summary'].map(named)],
          'resources/list': ['uri', ['file:///srv/a', 'file:///srv/f'].map(placed)],
          'resources/templates/list': ['uriTemplate', ['x:{id}', 'file:///srv/{name}'].map(placed)],
        }
        for (const [method, [member, names]] of Object.entries(want)) {
          const [listed = ''] = lists[method] ?? []
          const first = await ask(method, {})
          const second = await ask(method, { cursor: first.json.result?.['nextCursor'] })
          const items = [first, second].flatMap(({ json }) => json.result?.[listed] as object[])
          const got = items.map((item) => (item as Record<string, unknown>)[member])
          assert.deepEqual(got, names)
          for (const { json, text } of [first, second]) {
            assert.equal(json.result?.['cacheScope'], era === 'modern' ? 'private' : undefined)
            assert.ok(!text.includes('passwd') && !text.includes('secret'), text)
          }
          if (isAll) {
            const stolen = await ask('tools/list', { cursor: first.json.result?.['nextCursor'] })
            assert.equal(stolen.json.error?.code, -32602)
          }
        }
        const prompts = await ask('prompts/list', {})
        assert.ok(prompts.text.includes('"vendor":{"x":[1, 2.50]}'), prompts.text)
      })

      test(`is refused where nobody granted it, ${era} at ${door}`, async () => {
        requirement('policy.nothing-granted-nothing-allowed')
        requirement('gateway.uri-is-one-place')
        await using world = await open()
        const ask = await speaker(await world.agent(), era, door)
        const asked = [
          await ask('prompts/get', { name: named('other') }),
          await ask('prompts/get', { name: named('summary') }),
          await ask('prompts/get', { name: named('summary'), arguments: { length: 'long' } }),
          await ask('resources/read', { uri: placed('file:///etc/passwd') }),
          await ask('resources/read', { uri: placed('file:///srv/../etc/passwd') }),
          await ask('completion/complete', {
            ref: { type: 'ref/prompt', name: named('other') },
            argument,
          }),
          await ask('completion/complete', {
            ref: { type: 'ref/prompt', name: named('summary') },
            argument,
          }),
          await ask('completion/complete', {
            ref: { type: 'ref/resource', uri: placed('y:{id}') },
            argument,
          }),
        ]
        const codes = asked.map(({ json }) => json.error?.code)
        assert.deepEqual(
          codes,
          asked.map(() => -31403),
        )
        const { received = [] } = world.upstreams['files'] ?? {}
        assert.ok(received.every(({ body }) => !/prompts|resources\/|completion/.test(body)))
      })
    }
  }

  for (const era of ['modern', 'legacy'] as const) {
    test(`is not there where no server has it, ${era} at the door of all`, async () => {
      await using world = await open()
      const ask = await speaker(await world.agent(), era, '/mcp')
      const code = era === 'modern' ? -32602 : -32002
      for (const uri of ['file:///srv/a', 'nobody+file:///srv/a', '+file:///srv/a', 'files']) {
        const { json } = await ask('resources/read', { uri })
        assert.equal(json.error?.code, code)
        assert.equal(json.error?.data?.['uri'], uri)
      }
      const prompt = await ask('prompts/get', { name: 'nobody_review' })
      assert.equal(prompt.json.error?.code, -32602)
    })
  }

  test('is outside the ceiling where the certificate has no tool of the server', async () => {
    requirement('gateway.ceiling-before-policy')
    await using world = await open()
    const ask = await speaker(await world.agent({ toolScopes: 'web:*' }), 'modern', '/mcp/files')
    for (const [method, params] of [
      ['prompts/get', { name: 'review' }],
      ['resources/read', { uri: 'file:///srv/a' }],
    ] as const) {
      assert.equal((await ask(method, params)).json.error?.code, -31403)
      assert.equal(world.events.at(-1)?.path, 'countersign/gateway/ceiling')
    }
  })

  test('is said to be unfit once, however often it is listed', async () => {
    const told: unknown[] = []
    const log = { ...silentLog, warn: (members: object) => void told.push(members) }
    await using world = await openWorld({ grants, answers: { files: offers }, log })
    const ask = await speaker(await world.agent(), 'modern', '/mcp/files')
    for (let again = 0; again < 3; again += 1) await ask('prompts/list', {})
    assert.deepEqual(told, [
      { server: 'files', detail: 'it has no name' },
      { server: 'files', detail: 'a member "NAME" that resembles a known one' },
    ])
  })

  test('has conditions on the arguments that a prompt is asked for with', async () => {
    await using world = await open()
    const ask = await speaker(await world.agent(), 'modern', '/mcp/files')
    const reply = await ask('prompts/get', { name: 'summary', arguments: { length: 'short' } })
    assert.equal(reply.json.result?.['description'], 'summary')
  })

  test('is nothing where white space or control characters stand in a URI', async () => {
    requirement('gateway.uri-is-one-place')
    await using world = await open()
    const ask = await speaker(await world.agent(), 'modern', '/mcp/files')
    for (const uri of [
      'file:///srv/\ta',
      'file:///srv/.\n./a',
      'file:///srv/a b',
      'file:///srv/\u200b',
    ]) {
      const { body } = modern('resources/read', { uri })
      const { headers } = modern('resources/read', {})
      const encoded = `=?base64?${Buffer.from(uri).toString('base64')}?=`
      const agent = await world.agent()
      const reply = await agent.post('/mcp/files', body, { ...headers, 'mcp-name': encoded })
      assert.equal(reply.status, 400)
      assert.equal(whyOf(reply), 'params.uri is no URI: it has white space or control characters')
    }
    assert.equal((await ask('resources/read', { uri: `x:${'a'.repeat(2048)}` })).status, 400)
  })
})

describe('the contents of a resource', () => {
  test('may be others, where they may be read', async () => {
    await using world = await open()
    const ask = await speaker(await world.agent(), 'modern', '/mcp')
    const reply = await ask('resources/read', { uri: 'files+file:///srv/folder/' })
    const read = reply.json.result?.['contents'] as readonly { readonly uri: string }[] | undefined
    const uris = read?.map(({ uri }) => uri)
    assert.deepEqual(uris, ['files+file:///srv/folder/1', 'files+file:///srv/folder/2'])
    assert.equal(world.events.at(-1)?.path, 'countersign/mcp/list')
  })

  test('are not told where one of them may not be read', async () => {
    requirement('gateway.contents-readable')
    await using world = await open()
    const ask = await speaker(await world.agent(), 'modern', '/mcp/files')
    const reply = await ask('resources/read', { uri: 'file:///srv/leak' })
    assert.equal(reply.json.error?.code, -31403)
    assert.ok(!reply.text.includes('passwd'))
    assert.equal(world.events.at(-1)?.path, 'countersign/gateway/response')
  })

  test('are none where a URI is longer than any that may be asked for', async () => {
    await using world = await open()
    const ask = await speaker(await world.agent(), 'modern', '/mcp/files')
    const reply = await ask('resources/read', { uri: 'file:///srv/long' })
    assert.deepEqual([reply.status, reply.json.error?.code], [502, -32603])
  })

  for (const [era, status] of [
    ['modern', 400],
    ['legacy', 200],
  ] as const) {
    test(`that a server refuses under an error status end no legacy session, ${era}`, async () => {
      requirement('gateway.errors-end-no-session')
      await using world = await open()
      const ask = await speaker(await world.agent(), era, '/mcp/files')
      const reply = await ask('resources/read', { uri: 'file:///srv/bad' })
      assert.deepEqual([reply.status, reply.json.error?.code], [status, -32602])
    })
  }

  test('are kept by nobody for others, nor for longer than a list', async () => {
    await using world = await open()
    const ask = await speaker(await world.agent(), 'modern', '/mcp/files')
    const { json } = await ask('resources/read', { uri: 'file:///srv/a' })
    assert.equal(json.result?.['cacheScope'], 'private')
    assert.ok(Number(json.result?.['ttlMs']) <= 60_000, String(json.result?.['ttlMs']))
  })
})
