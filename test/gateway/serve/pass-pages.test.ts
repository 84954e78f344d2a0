import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { legacy } from '../world/client.ts'
import { listen, openSession, openStream } from '../world/session.ts'
import { speaking } from '../world/speaking.ts'
import { answerBoth, type Answer } from '../world/upstream.ts'
import { openWorld, type World } from '../world/world.ts'

const asks = { elicitation: { form: true, urlHosts: ['login.example'] } }
const grants = {
  tenants: { acme: { files: { tools: { echo: {} }, prefixes: {}, asks } } },
  subjects: {},
}

const page =
  '{"mode":"url","elicitationId":"e-1","url":"https://login.example/x?n=1.0","message":"log in"}'

function errorOf(id: unknown, data: string): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"error":{"code":-32042,"message":"first","data":${data}}}`
}

const asking = (...pages: readonly string[]): string => `{"elicitations":[${pages.join(',')}]}`

/** A server that answers each call with an error that has this data, as JSON or as an event. */
function answering(data: string, form: 'json' | 'events'): Answer {
  const others = answerBoth({ name: 'files' })
  return (message, response, request) => {
    if (message.method !== 'tools/call') return others(message, response, request)
    const text = errorOf(message.id, data)
    const type = form === 'json' ? 'application/json' : 'text/event-stream'
    response.writeHead(200, { 'content-type': type })
    response.end(form === 'json' ? text : `data: ${text}\n\n`)
  }
}

async function called(
  world: World,
  o: { readonly path?: string; readonly capabilities?: object; readonly version?: string } = {},
): Promise<{ readonly octets: string; readonly status: number }> {
  const { path = '/mcp/files', capabilities = { elicitation: { form: {}, url: {} } } } = o
  const agent = await world.agent({ toolScopes: 'files:*' })
  const session = await openSession(agent, path, capabilities, o.version)
  const name = path === '/mcp' ? 'files_echo' : 'echo'
  const call = legacy('tools/call', { name, arguments: {} }, { session, id: 'c', ...o })
  const stream = await openStream(agent, { path, ...call })
  await eventually('the call is over', () => stream.isOver())
  return { octets: stream.octets(), status: stream.status }
}

for (const path of ['/mcp', '/mcp/files']) {
  for (const form of ['json', 'events'] as const) {
    test(`an error that asks for a granted page is told octet for octet, as ${form} at ${path}`, async () => {
      requirement('gateway.pages-decided')
      const answers = { files: answering(asking(page), form) }
      await using world = await openWorld({ grants, answers })
      const { octets } = await called(world, { path })
      assert.ok(octets.includes(errorOf('c', asking(page))), octets)
      const decisions = world.events.filter((event) => event.path === 'countersign/mcp/decision')
      assert.equal(
        decisions.length,
        3,
        'the session, the call and the page are decided on, and logged',
      )
    })
  }
}

const evil = page.replace('login.example', 'evil.example')

for (const [what, data] of [
  ['a page of a host that is not granted', asking(evil)],
  ['one granted page, and one that is not', asking(page, evil)],
  ['a page that is no https URL', asking(page.replace('https:', 'http:'))],
  [
    'a page with a name of two readings',
    asking(page.replace('login.example', 'login.example@evil.example')),
  ],
  ['a form', asking('{"mode":"form","elicitationId":"e","message":"m","requestedSchema":{}}')],
  ['no page', asking()],
  ['more pages than a person looks at', asking(...Array.from({ length: 9 }, () => page))],
  ['no elicitations', '{}'],
  ['something beside them', `{"elicitations":[${page}],"x":1}`],
  ['a page with something beside it', asking(page.replace('{', '{"x":1,'))],
  ['a page without an id', asking(page.replace('"elicitationId":"e-1",', ''))],
  ['a page with a long id', asking(page.replace('e-1', 'e'.repeat(257)))],
  ['two members of one name', asking(page.replace('{', '{"url":"https://login.example/",'))],
] as const) {
  test(`an error with ${what} is refused, and nothing of it told`, async () => {
    requirement('gateway.pages-decided')
    await using world = await openWorld({ grants, answers: { files: answering(data, 'json') } })
    const { octets } = await called(world)
    assert.match(octets, /"id":"c"/)
    assert.doesNotMatch(octets, /-32042|login\.example|evil\.example|"first"/)
  })
}

for (const [what, o] of [
  ['its client opens no pages', { capabilities: { elicitation: { form: {} } } }],
  ['its client is of a revision without pages', { version: '2025-06-18' }],
] as const) {
  test(`an error that asks for a page is refused where ${what}`, async () => {
    requirement('gateway.pages-decided')
    const answers = { files: answering(asking(page), 'json') }
    await using world = await openWorld({ grants, answers })
    const { octets } = await called(world, o)
    assert.match(octets, /"id":"c"/)
    assert.doesNotMatch(octets, /login\.example|"first"/)
  })
}

for (const [what, params, isTold] of [
  ['is told on the stream of its session', '{"elicitationId":"e-1"}', true],
  ['is not told of one that nobody was shown', '{"elicitationId":"e-2"}', false],
  ['with something beside its id is not', '{"elicitationId":"e-1","x":1}', false],
  ['without an id is not', '{}', false],
] as const) {
  test(`that a page is done ${what}`, async () => {
    requirement('gateway.pages-decided')
    const files = speaking()
    const streams = { files: files.stream }
    const answers = { files: answering(asking(page), 'json') }
    await using world = await openWorld({ grants, streams, answers })
    const pod = { toolScopes: 'files:*', podUid: crypto.randomUUID() }
    const [agent, other] = [await world.agent(pod), await world.agent(pod)]
    const session = await openSession(agent, '/mcp/files')
    const call = legacy('tools/call', { name: 'echo', arguments: {} }, { session })
    const shown = await other.post('/mcp/files', call.body, call.headers)
    assert.match(shown.text, /-32042/)
    const stream = await listen(agent, '/mcp/files', session)
    await eventually('it listens', () => files.open.length === 1)
    const done = `{"jsonrpc":"2.0","method":"notifications/elicitation/complete","params":${params}}`
    files.say(done, '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}')
    await stream.message(1)
    await eventually('what comes after', () => stream.octets().includes('list_changed'))
    assert.equal(stream.octets().includes(done), isTold)
    stream.close()
  })
}
