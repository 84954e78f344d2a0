import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { requirement } from '../requirements.ts'
import { legacy, metaOfTasks, modern, type Reply, type TestClient } from './world/client.ts'
import { legacyOnly, modernOnly, ok, type Era } from './world/eras.ts'
import { subscriptionId } from './world/listening.ts'
import { openSession } from './world/session.ts'
import { answerBoth, sendJson, type Answer } from './world/upstream.ts'
import { openWorld, type World } from './world/world.ts'

/*
 * Whatever a tool server says to any method, in either era and across them: refused or contained, told in none of its words (`s3cret`
 * stands for them), and everybody is served as before. One world for all of it, so that what one row spoils the next one misses.
 */

const asks = { elicitation: { form: true, urlHosts: ['login.example'] }, sampling: true }
const all = { prefixes: { '': {} } }
const everything = { ...all, prompts: all, resources: all }
const servers = ['both', 'old', 'new', 'web'] as const
const grants = {
  tenants: { acme: Object.fromEntries(servers.map((each) => [each, { ...everything, asks }])) },
  subjects: {},
}

/** What each method is asked with, and a good result of it, without its type. */
const methods = {
  'tools/call': [{ name: 'echo', arguments: {} }, '"content":[]'],
  'prompts/get': [{ name: 'review' }, '"messages":[]'],
  'resources/read': [{ uri: 'file:///a' }, '"contents":[]'],
  'completion/complete': [
    { ref: { type: 'ref/prompt', name: 'review' }, argument: { name: 'a', value: '' } },
    '"completion":{"values":[]}',
  ],
  'tools/list': [{}, '"tools":[]'],
  'prompts/list': [{}, '"prompts":[]'],
  'resources/list': [{}, '"resources":[]'],
  'resources/templates/list': [{}, '"resourceTemplates":[]'],
  'tasks/get': [{}, '"taskId":"t","status":"working"'],
  'tasks/update': [{ inputResponses: {} }, '"x":1'],
  'tasks/cancel': [{}, '"x":1'],
} as const
type Method = keyof typeof methods
const names = Object.keys(methods) as Method[]
const lists = names.filter((name) => name.includes('/list'))
const tasks = names.filter((name) => name.startsWith('tasks/'))
const ofInput: readonly Method[] = ['tools/call', 'prompts/get', 'resources/read']

const bad = -32603
const denied = -31403
const undeclared = -32021
const both: readonly Era[] = ['modern', 'legacy']

const input = (rest: string): string => `{"resultType":"input_required",${rest},"x":"s3cret"}`
const question = (text: string): string => input(`"inputRequests":{"a":${text}}`)
const form = '{"method":"elicitation/create","params":{"message":"s3cret","requestedSchema":{}}}'
const page = (url: string): string =>
  `{"method":"elicitation/create","params":{"mode":"url","message":"s3cret","url":"${url}"}}`
const ofTask = '"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"s3cret"}}'
const task = '{"resultType":"task","taskId":"s3cret","status":"working"}'
const completed = '"resultType":"complete","taskId":"t","status":"completed"'
const whole = (rest: string): string => `{"jsonrpc":"2.0","id":$ID,${rest}}`
const deep = `${'['.repeat(300)}${']'.repeat(300)}`

interface Group {
  /** With which code the request ends. */
  readonly code: number
  readonly to: readonly Method[]
  /** In which the server speaks. */
  readonly eras: readonly Era[]
  /** The result, or the whole message; `$` is the good result of the method with its type. */
  readonly said: Readonly<Record<string, string>>
}

const groups: readonly Group[] = [
  {
    code: bad,
    to: names,
    eras: both,
    said: {
      'a list': '["s3cret"]',
      null: 'null',
      'a text': '"s3cret"',
      'a member twice': '{$,"x":"s3cret","x":1}',
      'what is too deep': `{$,"x":["s3cret",${deep}]}`,
      'what is too long': `{$,"x":"s3cret${'x'.repeat(70_000)}"}`,
      'an answer to another request': '{"jsonrpc":"2.0","id":"s3cret","result":{}}',
      'its id as a fraction': '{"jsonrpc":"2.0","id":1.0,"result":{$,"x":"s3cret"}}',
      'a result and an error': whole('"result":{$},"error":{"code":1,"message":"s3cret"}'),
      'a result in other letters, too': whole('"result":{$},"Result":"s3cret"'),
      'an error without a code': whole('"error":{"message":"s3cret"}'),
      'an error that is a text': whole('"error":"s3cret"'),
    },
  },
  {
    code: denied,
    to: names,
    eras: both,
    said: {
      'a task of somebody': `{$,${ofTask}}`,
      'a subscription of somebody': `{$,"_meta":{"${subscriptionId}":"s3cret"}}`,
      'a type of another time': '{"resultType":"s3cret"}',
      'a type that is none': '{"resultType":["s3cret"]}',
    },
  },
  {
    // A task may have both: it is decided on as a call that asks is.
    code: denied,
    to: names.filter((name) => name !== 'tasks/get'),
    eras: both,
    said: {
      'a state to come back with': '{$,"requestState":"s3cret"}',
      'questions beside its answer': `{$,"inputRequests":{"a":${form}}}`,
    },
  },
  {
    code: denied,
    to: names,
    eras: ['modern'],
    said: {
      'an error that asks for a page': whole('"error":{"code":-32042,"message":"s3cret"}'),
      'a request of its own': whole('"method":"roots/list","params":{"x":"s3cret"}'),
    },
  },
  {
    code: denied,
    to: names.filter((name) => name !== 'tools/call'),
    eras: ['modern'],
    said: { 'no type': '{"x":"s3cret"}' },
  },
  {
    code: denied,
    to: names.filter((name) => !ofInput.includes(name)),
    eras: ['modern'],
    said: { 'questions where none are asked': question(form) },
  },
  {
    code: denied,
    to: names.filter((name) => !tasks.includes(name)),
    eras: ['legacy'],
    said: {
      'questions in the era that has none': question(form),
      'a task in the era that has none': task,
    },
  },
  {
    code: denied,
    to: [...lists, 'prompts/get', 'resources/read', 'completion/complete'],
    eras: ['modern'],
    said: { 'a task where none is made': task },
  },
  {
    code: denied,
    to: ofInput,
    eras: ['modern'],
    said: {
      'questions that are a list': input(`"inputRequests":[${form}]`),
      'questions and an answer': input(`"inputRequests":{"a":${form}},"content":[]`),
      'a question for a page elsewhere': question(page('https://evil.example/s3cret')),
      'a state that is no text': input('"requestState":["s3cret"]'),
      'nothing to come back with': input('"y":1'),
    },
  },
  {
    code: bad,
    to: ofInput,
    eras: ['modern'],
    said: {
      'one name for two questions': input(`"inputRequests":{"a":${form},"a":${form}}`),
      'a question of no client': question('{"method":"s3cret/x"}'),
      'a question without a method': question('{"params":{}}'),
      'a question that is a text': question('"s3cret"'),
      'a question for a page of a user': question(page('https://login.example@evil.example/')),
      'a question as a task': question(form.replace('"params":{', '"params":{"task":{},')),
    },
  },
  {
    code: undeclared,
    to: ofInput,
    eras: ['modern'],
    said: { 'a question that was not declared': question('{"method":"roots/list"}') },
  },
  {
    code: bad,
    to: ['tasks/get'],
    eras: ['modern'],
    said: {
      'a status of no task': '{"resultType":"complete","taskId":"t","status":["s3cret"]}',
      'a task with a state': `{${completed},"requestState":"s3cret"}`,
    },
  },
  {
    code: denied,
    to: ['tasks/get'],
    eras: ['modern'],
    said: {
      'a task with questions in its result': `{${completed},"result":{"inputRequests":{"a":${form}}}}`,
      'a task with a task in its result': `{${completed},"result":{${ofTask}}}`,
    },
  },
]

/** What the server of a door says of a method, until it is told another thing. */
let said: { readonly method: Method; readonly text: string } | undefined

function textOf(text: string, method: Method, era: Era, id: unknown): string {
  const type = era === 'modern' ? '"resultType":"complete",' : ''
  const message = text.startsWith('{"jsonrpc"') ? text : whole(`"result":${text}`)
  return message.replace('$ID', JSON.stringify(id)).replace('$', `${type}${methods[method][1]}`)
}

function scripted(era: Era | undefined): Answer {
  const own = { modern: modernOnly(ok), legacy: legacyOnly(ok).answer }
  return (message, response, request) => {
    const isModern = request.headers['mcp-protocol-version'] === '2026-07-28'
    const spoken = era ?? (isModern ? 'modern' : 'legacy')
    const method = message.method as Method
    const { arguments: given } = (message.params ?? {}) as { arguments?: { task?: unknown } }
    if (given?.task === true) {
      const result = '{"resultType":"task","taskId":"t","status":"working","ttlMs":600000}'
      sendJson(response, textOf(result, method, spoken, message.id))
    } else if (said?.method === method) {
      sendJson(response, textOf(said.text, method, spoken, message.id))
    } else if (Object.hasOwn(methods, method) && method !== 'tools/list') {
      sendJson(response, textOf('{$}', method, spoken, message.id))
    } else if (era !== undefined) own[era](message, response, request)
    else answerBoth()(message, response, request)
  }
}

interface Agent {
  ask(method: Method, server: string): Promise<Reply>
}

let world: World
const agents = {} as Record<Era, Agent>

before(async () => {
  world = await openWorld({
    answers: {
      both: scripted(undefined),
      old: scripted('legacy'),
      new: scripted('modern'),
      web: answerBoth(),
    },
    upstreams: (configs) =>
      configs.map((config) => {
        const eras = { old: ['legacy'], new: ['modern'] } as const
        return { ...config, eras: eras[config.server as 'old'] ?? config.eras }
      }),
    grants,
    limits: { answerBytesMax: 65_536 },
  })
  agents.modern = modernAgent(await world.agent({ toolScopes: scopes }))
  agents.legacy = await legacyAgent(await world.agent({ toolScopes: scopes }))
})
after(() => world[Symbol.asyncDispose]())

const scopes = servers.map((server) => `${server}:*`).join()

function modernAgent(client: TestClient): Agent {
  const ask = (method: string, server: string, params: object): Promise<Reply> => {
    const meta = {
      ...metaOfTasks,
      'io.modelcontextprotocol/clientCapabilities': {
        elicitation: { form: {}, url: {} },
        sampling: {},
        extensions: { 'io.modelcontextprotocol/tasks': {} },
      },
    }
    const { body, headers } = modern(method, { ...params, _meta: meta })
    return client.post(`/mcp/${server}`, body, headers)
  }
  let taskId: unknown
  return {
    async ask(method, server) {
      if (!tasks.includes(method)) return ask(method, server, methods[method][0])
      if (taskId === undefined) {
        const made = await ask('tools/call', server, { name: 'echo', arguments: { task: true } })
        taskId = made.json.result?.['taskId']
      }
      return ask(method, server, { ...methods[method][0], taskId })
    },
  }
}

async function legacyAgent(client: TestClient): Promise<Agent> {
  const sessions = new Map<string, string>()
  for (const server of servers) sessions.set(server, await openSession(client, `/mcp/${server}`))
  return {
    ask(method, server) {
      const session = sessions.get(server) ?? ''
      const { body, headers } = legacy(method, methods[method][0], { session })
      return client.post(`/mcp/${server}`, body, headers)
    },
  }
}

/** Who asks whom, of the era in which the server speaks. */
const pairs: Readonly<Record<Era, readonly (readonly [Era, (typeof servers)[number]])[]>> = {
  modern: [
    ['modern', 'both'],
    ['legacy', 'new'],
  ],
  legacy: [
    ['legacy', 'both'],
    ['modern', 'old'],
  ],
}

/** One of each kind: a call, a list, and what may need input. */
const sampled: readonly Method[] = ['tools/call', 'tools/list', 'resources/read']

/** Every method from a modern agent to a server of both eras, and the other pairs for some. */
function* asksOf({ to, eras }: Group): Generator<readonly [Method, Era, string]> {
  for (const [era, server] of eras.flatMap((each) => pairs[each])) {
    const isPlain = server === 'both' && era === eras[0]
    for (const method of to) if (isPlain || sampled.includes(method)) yield [method, era, server]
  }
}

describe('a tool server that answers', () => {
  for (const group of groups) {
    for (const [what, text] of Object.entries(group.said)) {
      test(`with ${what} has its request refused, and none of its words is told`, async () => {
        requirement('gateway.hostile-upstream-contained')
        for (const [method, era, server] of asksOf(group)) {
          const at = `${method}, ${era} agent, server ${server}`
          said = { method, text }
          const reply = await agents[era].ask(method, server)
          said = undefined
          assert.doesNotMatch(reply.text, /s3cret/, at)
          assert.equal(reply.json.id, 1, `${at}: ${reply.text}`)
          // Across the eras there is a second reader, who may be the first to mind.
          const codes = server === 'both' ? [group.code] : [group.code, bad, denied]
          assert.ok(codes.includes(reply.json.error?.code ?? 0), `${at}: ${reply.text}`)
        }
        for (const server of servers) {
          const served = await agents.modern.ask('tools/call', server)
          assert.equal(served.json.error, undefined, `${server}, afterwards: ${served.text}`)
        }
      })
    }
  }
})
