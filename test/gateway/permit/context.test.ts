import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { textOf } from '../../../src/policy/asked.ts'
import { clientOf, legacyOnly, modernOnly, ok, wanted, type Era } from '../world/eras.ts'
import { answerBoth } from '../world/upstream.ts'
import { openWorld, type World } from '../world/world.ts'

const everything = { prefixes: { '': {} }, prompts: { prefixes: { '': {} } } }
const servers = ['both', 'old', 'new'] as const
const grants = {
  tenants: { acme: Object.fromEntries(servers.map((server) => [server, everything])) },
  subjects: {},
}
const scopes = { ...wanted, toolScopes: servers.map((server) => `${server}:*`).join() }

function open(): Promise<World> {
  const eras: Readonly<Record<string, readonly Era[]>> = { old: ['legacy'], new: ['modern'] }
  return openWorld({
    grants,
    answers: { both: answerBoth(), old: legacyOnly(ok).answer, new: modernOnly(ok) },
    upstreams: (configs) =>
      configs.map((config) => ({ ...config, eras: eras[config.server] ?? config.eras })),
  })
}

/** What the decision log says that policy was asked of this action. */
function contexts({ events }: World, action: string): readonly Record<string, unknown>[] {
  return events
    .map(
      ({ evaluated }) =>
        JSON.parse(textOf(evaluated.asked)) as { action?: { name?: unknown }; context?: object },
    )
    .filter((input) => input.action?.name === action)
    .map(({ context = {} }) => context as Record<string, unknown>)
}

describe('policy and the decision log are told in which era a tool server is spoken to', () => {
  const want = {
    modern: { both: 'modern', old: 'legacy', new: 'modern' },
    legacy: { both: 'legacy', old: 'legacy', new: 'modern' },
  } as const
  for (const era of ['modern', 'legacy'] as const) {
    for (const server of servers) {
      for (const door of [`/mcp/${server}`, '/mcp']) {
        test(`a ${era} agent at ${door}, server ${server}`, async () => {
          await using world = await open()
          const agent = await world.agent(scopes)
          const ask = await clientOf(era, agent, door)
          const name = door === '/mcp' ? `${server}_echo` : 'echo'
          await ask('tools/call', { name, arguments: {} })
          await ask('tools/list')
          const upstream = { era: want[era][server] }
          const [called, listed] = [contexts(world, 'tools/call'), contexts(world, 'tools/list')]
          assert.deepEqual(
            called.map((context) => [context['era'], context['upstream']]),
            [[era, upstream]],
          )
          assert.ok(listed.length > 0)
          // A list of several servers is of none of them.
          const ofList = door === '/mcp' ? undefined : upstream
          for (const context of listed) assert.deepEqual(context['upstream'], ofList)
        })
      }
    }
  }
})
