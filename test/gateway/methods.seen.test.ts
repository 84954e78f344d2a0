import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { methods } from '../../src/gateway/methods.ts'
import { textOf } from '../../src/policy/asked.ts'
import { seenBy } from './methods-page.ts'
import { clientOf, legacyOnly, modernOnly, openOne, type Era, type Script } from './world/eras.ts'
import type { World } from './world/world.ts'

/*
 * What the table of docs/AUTHORIZATION.md says that policy sees of a method is what it is asked. Tasks are begun by calls, and are asked about
 * in `serve/own-tasks.test.ts`.
 */

const name = 'echo'
const uri = 'repo://open/a'
const argument = { name: 'a', value: 'b' }
const params: Readonly<Record<string, readonly Record<string, unknown>[]>> = {
  'tools/call': [{ name, arguments: {} }],
  'prompts/get': [{ name, arguments: {} }],
  'resources/read': [{ uri }],
  'resources/subscribe': [{ uri }],
  'resources/unsubscribe': [{ uri }],
  'completion/complete': [
    { ref: { type: 'ref/prompt', name }, argument },
    { ref: { type: 'ref/resource', uri: 'repo://open/{name}' }, argument },
  ],
  'logging/setLevel': [{ level: 'info' }],
  'subscriptions/listen': [{ notifications: {} }],
}

const grants = {
  tenants: {
    acme: {
      files: {
        tools: { [name]: {} },
        prompts: { names: { [name]: {} } },
        resources: { prefixes: { 'repo://open/': {} } },
      },
    },
  },
  subjects: {},
}

const script: Script = (_, { result }) => result('{}')

interface Seen {
  readonly action: { readonly name: string }
  readonly resource: { readonly type: string }
  readonly context: { readonly arguments?: unknown }
}

function seenIn(world: World, method: string): readonly Seen[] {
  return world.events
    .splice(0)
    .filter(({ path }) => path === 'countersign/mcp/decision')
    .map(({ evaluated: { asked } }) => JSON.parse(textOf(asked)) as Seen)
    .filter(({ action }) => action.name === method)
}

const requests = Object.entries(methods).filter(
  ([method, { kind }]) => kind === 'request' && !method.startsWith('tasks/'),
)

for (const era of ['modern', 'legacy'] as const satisfies readonly Era[]) {
  describe(`of a ${era} agent's request`, () => {
    let world: World
    before(async () => {
      const answer = era === 'modern' ? modernOnly(script) : legacyOnly(script).answer
      world = await openOne(era, answer, { grants })
    })
    after(() => world[Symbol.asyncDispose]())

    for (const [method] of requests.filter(([, { eras }]) => eras.includes(era))) {
      test(`${method}: policy sees ${seenBy(method)}`, async () => {
        for (const each of params[method] ?? [{}]) {
          world.events.splice(0)
          const agent = await world.agent({ toolScopes: 'files:*' })
          const door = method.startsWith('approvals/') ? '/mcp' : '/mcp/files'
          const ask = await clientOf(era, agent, door)
          // A session is opened by its first message.
          const answered = method === 'initialize' ? undefined : ask(method, each, `${method} 1`)
          const [seen] = await untilSeen(world, method)
          await agent[Symbol.asyncDispose]()
          await answered?.catch(() => {})
          const [types = '', ...more] = seenBy(method).split(', ')
          assert.ok(
            types.includes(`\`${seen?.resource.type}\``),
            `${types} ${JSON.stringify(seen)}`,
          )
          assert.equal(seen?.context.arguments !== undefined, more.includes('arguments'))
        }
      })
    }
  })
}

/** A stream is answered for as long as it is open. */
async function untilSeen(world: World, method: string): Promise<readonly Seen[]> {
  for (let turns = 0; turns < 5000; turns += 1) {
    const seen = seenIn(world, method)
    if (seen.length > 0) return seen
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  return []
}
