import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { initializeParams, legacy, modern, whyOf, type Reply } from '../world/client.ts'
import { answerBoth, type Answer } from '../world/upstream.ts'
import { openWorld, type World } from '../world/world.ts'

type Era = 'modern' | 'legacy'

interface Asking {
  call(method: string, params: Record<string, unknown>): Promise<Reply>
}

async function askingIn(world: World, era: Era): Promise<Asking> {
  const agent = await world.agent({
    toolScopes: 'files:echo,files:delete,files:secret,files:nothing',
  })
  if (era === 'modern') {
    return {
      async call(method, params) {
        const { body, headers } = modern(method, params)
        return agent.post('/mcp/files', body, headers)
      },
    }
  }
  const { body, headers } = legacy('initialize', initializeParams)
  const opened = await agent.post('/mcp/files', body, headers)
  const session = String(opened.headers['mcp-session-id'])
  return {
    async call(method, params) {
      const asked = legacy(method, params, { session })
      return agent.post('/mcp/files', asked.body, asked.headers)
    },
  }
}

/** All that tells one answer from another, but the name and the number. */
function tellsOf({ status, headers, json }: Reply, name: string): unknown {
  const { decisionId, ...data } = json.error?.data ?? {}
  assert.match(String(decisionId), /^[0-9a-f-]{36}$/)
  const { date: _, 'content-length': __, ...rest } = headers
  const error = { code: json.error?.code, message: whyOf({ json } as Reply), data }
  return JSON.parse(JSON.stringify({ status, rest, error }).replaceAll(name, 'NAME'))
}

for (const era of ['modern', 'legacy'] as const) {
  test(`a tool that a ${era} caller may not call is told as one that is not there, and recorded as denied`, async () => {
    requirement('gateway.denials-hidden')
    await using world = await openWorld({ denials: 'hide' })
    const asking = await askingIn(world, era)
    const told = async (name: string): Promise<unknown> =>
      tellsOf(await asking.call('tools/call', { name, arguments: {} }), name)
    const nothing = await told('nothing')
    assert.deepEqual((nothing as { error: object }).error, {
      code: -32602,
      message: 'Unknown tool: NAME',
      data: {},
    })
    // Denied by policy, and by the certificate.
    for (const name of ['secret', 'big']) assert.deepEqual(await told(name), nothing, name)
    const paths = world.events.map(({ path }) => path).slice(-2)
    assert.deepEqual(paths, ['countersign/mcp/decision', 'countersign/gateway/ceiling'])
  })

  test(`a prompt and a resource that a ${era} caller may not have are told as ones that are not there`, async () => {
    requirement('gateway.denials-hidden')
    await using world = await openWorld({ denials: 'hide' })
    const asking = await askingIn(world, era)
    const prompt = await asking.call('prompts/get', { name: 'review' })
    assert.deepEqual([prompt.status, prompt.json.error?.code], [200, -32602])
    assert.equal(whyOf(prompt), 'Unknown prompt or resource: review')
    const resource = await asking.call('resources/read', { uri: 'repo://a' })
    assert.deepEqual(
      [resource.status, resource.json.error?.code],
      [200, era === 'modern' ? -32602 : -32002],
    )
    assert.equal(whyOf(resource), 'Resource not found: repo://a')
  })

  test(`a tool that is shown to a ${era} caller is denied its arguments in plain words`, async () => {
    await using world = await openWorld({ denials: 'hide' })
    const asking = await askingIn(world, era)
    const what = { name: 'delete', arguments: { what: 'final' } }
    const denied = await asking.call('tools/call', what)
    assert.deepEqual([denied.status, denied.json.error?.code], [200, -31403])
    const draft = { name: 'delete', arguments: { what: 'draft' } }
    assert.ok((await asking.call('tools/call', draft)).json.result)
  })
}

test('neither the form of a call nor a server that is away tells what is hidden from what is not there', async () => {
  requirement('gateway.denials-hidden')
  const tools = [
    '{"name":"echo","inputSchema":{"type":"object"}}',
    '{"name":"secret","inputSchema":{"type":"object","properties":{"city":{"type":"string","x-mcp-header":"City"},"path":{"type":"string"}}}}',
  ]
  const there = answerBoth({ name: 'files', tools })
  let isAway = false
  const files: Answer = (message, response, received) => {
    if (isAway) response.writeHead(500).end()
    else there(message, response, received)
  }
  await using world = await openWorld({ denials: 'hide', answers: { files } })
  const asking = await askingIn(world, 'modern')
  const told = async (name: string, args: object): Promise<unknown> =>
    tellsOf(await asking.call('tools/call', { name, arguments: args }), name)
  for (const args of [{ city: 'x' }, { PATH: 'x' }, { path: 'x' }]) {
    assert.deepEqual(await told('secret', args), await told('nothing', args))
  }
  isAway = true
  await eventually('the server is known to be away', async () => {
    const { status } = await asking.call('tools/call', { name: 'nothing', arguments: {} })
    return status === 502
  })
  assert.deepEqual(await told('secret', {}), await told('nothing', {}))
})

test('what is denied is told as denied unless it is to be hidden', async () => {
  await using world = await openWorld()
  const asking = await askingIn(world, 'modern')
  const reply = await asking.call('tools/call', { name: 'secret', arguments: {} })
  assert.equal(reply.json.error?.code, -31403)
})
