import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { methods } from '../../src/gateway/methods.ts'
import { requirement } from '../requirements.ts'
import {
  asked,
  clientOf,
  echoTool,
  legacyOnly,
  modernOnly,
  openOne,
  wanted,
  type Era,
  type Script,
} from './world/eras.ts'
import type { World } from './world/world.ts'

/*
 * Each method that names something, of agents and at servers of either era, at either door: what is granted reaches the server, and what is not
 * reaches it in no spelling, whichever method names it.
 */

/** What is granted, and spellings that are of something else or could be read as something else. */
const tools = {
  granted: ['echo'],
  denied: [
    'delete',
    'Echo',
    'ECHO',
    'echo ',
    ' echo',
    'echo\u200b',
    'ec%68o',
    'echo/',
    'ｅcho',
    'echo\u0000',
  ],
}
const prompts = {
  granted: ['review'],
  denied: ['secret', 'Review', 'review ', 'rev%69ew', 'review\u00ad', 'review/../secret'],
}
const resources = {
  granted: ['repo://open/a', 'repo://open/a?x=1', 'repo://open/a%20b'],
  denied: [
    'repo://shut/a',
    'REPO://open/a',
    'repo://OPEN/a',
    'repo:open/a',
    'repo:///open/a',
    'repo://open',
    'repo://open.shut/a',
    'repo://open@shut/a',
    'repo://open/../shut/a',
    'repo://open/./a',
    'repo://open/%2e%2e/shut/a',
    'repo://open/%2E%2E/shut/a',
    'repo://open/%252e%252e/shut/a',
    'repo://open/..%2fshut/a',
    'repo://open/..;/shut/a',
    'repo://open//shut/a',
    'repo://open/..\\shut\\a',
    'repo://open/a?x=/../../shut',
    'repo://open/a#/../../shut',
    'repo://open/a%00',
    'repo://open/ a',
    'repo://open/\ta',
  ],
}
const templates = {
  granted: ['repo://open/{name}'],
  denied: [
    'repo://shut/{name}',
    'repo://{any}/a',
    '{+any}',
    'repo://open{/any}',
    'repo://open/../{name}',
  ],
}

interface Named {
  readonly granted: readonly string[]
  readonly denied: readonly string[]
  readonly params: (name: string) => Record<string, unknown>
  /** Names of things that are resources have another mark at the door of all. */
  readonly mark: '_' | '+'
  /** Under which its server is asked, where that is not the method itself. */
  readonly there?: Readonly<Partial<Record<Era, string>>>
}

const argument = { name: 'a', value: 'b' }
const named: Readonly<Record<string, Named>> = {
  'tools/call': { ...tools, mark: '_', params: (name) => ({ name, arguments: {} }) },
  'prompts/get': { ...prompts, mark: '_', params: (name) => ({ name }) },
  'resources/read': { ...resources, mark: '+', params: (uri) => ({ uri }) },
  'resources/subscribe': { ...resources, mark: '+', params: (uri) => ({ uri }) },
  'resources/unsubscribe': { ...resources, mark: '+', params: (uri) => ({ uri }) },
  'completion/complete of a prompt': {
    ...prompts,
    mark: '_',
    params: (name) => ({ ref: { type: 'ref/prompt', name }, argument }),
  },
  'completion/complete of a template': {
    ...templates,
    mark: '+',
    params: (uri) => ({ ref: { type: 'ref/resource', uri }, argument }),
  },
  'completion/complete of a resource': {
    // What it refers to is the text of a template, so of a resource nothing is completed but by its own grant.
    granted: [],
    denied: resources.denied,
    mark: '+',
    params: (uri) => ({ ref: { type: 'ref/resource', uri }, argument }),
  },
}

const deleteTool = '{"name":"delete","inputSchema":{"type":"object"}}'
const results: Readonly<Record<string, string>> = {
  'tools/call': '{"content":[]}',
  'prompts/get': '{"messages":[]}',
  'resources/read': '{"contents":[]}',
  'completion/complete': '{"completion":{"values":[]}}',
}
const lists: Readonly<
  Record<
    string,
    Pick<Named, 'granted' | 'denied' | 'mark'> & { readonly member: string; readonly by: string }
  >
> = {
  'prompts/list': { ...prompts, mark: '_', member: 'prompts', by: 'name' },
  'resources/list': { ...resources, mark: '+', member: 'resources', by: 'uri' },
  'resources/templates/list': {
    ...templates,
    mark: '+',
    member: 'resourceTemplates',
    by: 'uriTemplate',
  },
}

/** A server lists whatever anybody could ask for. */
function listOf(method: string): string | undefined {
  const { granted, denied, member, by } = lists[method] ?? {}
  if (granted === undefined || denied === undefined || member === undefined || by === undefined)
    return undefined
  const items = [...denied, ...granted].map((name) => ({ name: 'n', [by]: name }))
  return JSON.stringify({ [member]: items })
}

const script: Script = ({ method }, { result }) => result(listOf(method) ?? results[method] ?? '{}')

const grants = {
  tenants: {
    acme: {
      files: {
        tools: { echo: {} },
        prompts: { names: { review: {} } },
        resources: { prefixes: { 'repo://open/': {} } },
      },
    },
  },
  subjects: {},
}

/** Of a legacy agent at a modern server these are the gateway's own, and its server is never asked. */
const isOwn = (method: string, agent: Era, server: Era): boolean =>
  /^resources\/(un)?subscribe$/.test(method) && agent === 'legacy' && server === 'modern'

for (const server of ['modern', 'legacy'] as const) {
  describe(`at a ${server} server`, () => {
    let world: World
    before(async () => {
      const listed = [echoTool, deleteTool]
      const answer =
        server === 'modern' ? modernOnly(script, listed) : legacyOnly(script, listed).answer
      world = await openOne(server, answer, { grants })
    })
    after(() => world[Symbol.asyncDispose]())

    for (const [what, { granted, denied, params, mark }] of Object.entries(named)) {
      const [method = ''] = what.split(' ')
      for (const agent of methods[method]?.eras ?? []) {
        for (const door of ['/mcp', '/mcp/files']) {
          test(`${what}: a ${agent} agent at ${door} reaches what is granted, in no other spelling`, async () => {
            requirement('gateway.uri-is-one-place')
            const ask = await clientOf(agent, await world.agent(wanted), door)
            const here = (name: string): string => (door === '/mcp' ? `files${mark}${name}` : name)
            let id = 0
            const reached = async (name: string): Promise<boolean> => {
              const before = asked(world, 'files', method).length
              const reply = await ask(method, params(name), `${what} ${(id += 1)}`)
              const isServed = reply.json.error === undefined
              const isAsked = asked(world, 'files', method).length > before
              if (!isOwn(method, agent, server))
                assert.equal(isAsked, isServed, `${name}: ${reply.text}`)
              else assert.ok(!isAsked)
              if (!isServed) {
                // Whoever is refused learns by which decision, and nothing of what is there.
                assert.match(String(reply.json.error?.data?.['decisionId']), /^[0-9a-f-]{36}$/)
                assert.ok(
                  [-31403, -32602, -32002].includes(reply.json.error?.code ?? 0),
                  reply.text,
                )
              }
              return isServed
            }
            for (const name of granted) assert.ok(await reached(here(name)), name)
            for (const name of denied) assert.ok(!(await reached(here(name))), JSON.stringify(name))
            // Names of the one door say nothing at the other, nor does the server's own name in another spelling.
            for (const name of granted) {
              const strange =
                door === '/mcp'
                  ? [name, `Files${mark}${name}`, `files${mark}files${mark}${name}`]
                  : [`files${mark}${name}`]
              for (const each of strange) assert.ok(!(await reached(each)), each)
            }
          })
        }
      }
    }

    for (const [method, { granted, member, by, mark }] of Object.entries(lists)) {
      for (const agent of ['modern', 'legacy'] as const) {
        for (const door of ['/mcp', '/mcp/files']) {
          test(`${method}: a ${agent} agent at ${door} is shown what it could ask for, and nothing else`, async () => {
            requirement('gateway.uri-is-one-place')
            const ask = await clientOf(agent, await world.agent(wanted), door)
            const { json } = await ask(method, {}, `${method} ${door} ${agent}`)
            const items = json.result?.[member] as readonly Record<string, unknown>[]
            const here = door === '/mcp' ? granted.map((name) => `files${mark}${name}`) : granted
            assert.deepEqual(
              items.map((item) => item[by]),
              here,
            )
          })
        }
      }
    }

    for (const door of ['/mcp', '/mcp/files']) {
      test(`subscriptions/listen: a modern agent at ${door} has its server asked for what is granted, in no other spelling`, async () => {
        requirement('gateway.changes-of-what-may-be-read')
        const ask = await clientOf('modern', await world.agent(wanted), door)
        const here = (uri: string): string => (door === '/mcp' ? `files+${uri}` : uri)
        const count = (): number =>
          ['subscriptions/listen', 'resources/subscribe', 'initialize'].reduce(
            (sum, method) => sum + asked(world, 'files', method).length,
            0,
          )
        const before = count()
        for (const uri of resources.denied) {
          const notifications = { resourceSubscriptions: [here(uri)] }
          const { json, text } = await ask('subscriptions/listen', { notifications })
          assert.ok([-31403, -32602].includes(json.error?.code ?? 0), `${uri}: ${text}`)
        }
        assert.equal(count(), before)
      })
    }
  })
}
