import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { modern } from './world/client.ts'
import { openWorld, type World } from './world/world.ts'
import { requirement } from '../requirements.ts'

const large = '9007199254740993'
const grants = {
  tenants: {
    acme: {
      files: {
        tools: { echo: {}, delete: { arguments: { what: [9007199254740992, 1, 2] } } },
        prefixes: {},
      },
    },
  },
  subjects: {},
}

/** A call with these octets for its arguments. */
function call(tool: string, args: string): ReturnType<typeof modern> {
  const { body, headers } = modern('tools/call', { name: tool, arguments: {} })
  return { body: body.replace('"arguments":{}', `"arguments":${args}`), headers }
}

/** The arguments that the upstream was called with, as it got them. */
function argumentsIn({ upstreams }: World): string | undefined {
  const call = upstreams['files']?.received.find(({ body }) => body.includes('"tools/call"'))
  return /"arguments":(\{.*?\})[,}]/.exec(call?.body ?? '')?.[1]
}

suite('a number passes as it is written, where no rule asks for it', () => {
  const numbers = [large, '1722470400000000000', '1.0', '1e2', '-0', '0.1000000000000000055']
  for (const number of [...numbers, '7'.repeat(300)]) {
    test(number.slice(0, 40), async () => {
      requirement('gateway.numbers-as-written')
      await using world = await openWorld({ grants })
      const agent = await world.agent()
      const args = `{"n": ${number}, "deep":[{"n":${number}}]}`
      const { body, headers } = call('echo', args)
      const reply = await agent.post('/mcp/files', body, headers)
      assert.equal(reply.status, 200, reply.text)
      assert.ok(reply.json.result, reply.text)
      assert.ok(world.upstreams['files']?.received.some((one) => one.body.includes(args)))
    })
  }
})

suite('a number that a rule asks for is the one that all parsers read', () => {
  const asked: readonly [string, boolean][] = [
    ['1', true],
    ['1.0', true],
    ['2e0', true],
    ['3', false],
    // What others round to a value that is granted.
    [large, false],
    ['9007199254740992', false],
    ['1.00000000000000000001', false],
  ]
  for (const [number, allowed] of asked) {
    test(`${number} is ${allowed ? 'allowed' : 'denied'}`, async () => {
      requirement('gateway.numbers-as-written')
      await using world = await openWorld({ grants })
      const agent = await world.agent()
      const args = `{"what":${number}}`
      const { body, headers } = call('delete', args)
      const { json, text } = await agent.post('/mcp/files', body, headers)
      assert.equal(json.error?.code, allowed ? undefined : -31403, text)
      assert.equal(argumentsIn(world), allowed ? args : undefined)
    })
  }
})
