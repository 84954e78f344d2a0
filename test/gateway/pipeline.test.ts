import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Authorizer } from '../../src/policy/authorizer.ts'
import type { Condition } from '../../src/readiness.ts'
import { requirement } from '../requirements.ts'
import {
  initializeParams,
  legacy,
  modern,
  whyOf,
  type Reply,
  type TestClient,
} from './world/client.ts'
import { openWorld, type World } from './world/world.ts'

test('of several faults the first is told, in the order of the checks', async () => {
  requirement('gateway.obligations-met')
  let conditions: readonly Condition[] = [{ name: 'pods', ok: false, reason: '' }]
  const obliged = (real: Authorizer): Authorizer => ({
    ...real,
    decide(input) {
      const evaluated = real.decide(input)
      const obligations = [{ id: 'o', type: 'ask-a-human', properties: {} }]
      return { ...evaluated, value: { ...evaluated.value, obligations } }
    },
  })
  await using world = await openWorld({
    ready: () => conditions,
    limits: { bodyBytesMax: 600 },
    authorizer: obliged,
  })
  const agent = await world.agent({ toolScopes: 'files:echo,files:big,files:none,files:delete' })
  const wrong = { host: 'evil.test', large: true, message: 'legacy', door: '/mcp/none', tool: 'x' }
  async function told(now: Partial<typeof wrong> = {}): Promise<string> {
    const { host, large, message, door, tool } = { ...wrong, ...now }
    const call = { name: tool, arguments: { what: large ? 'x'.repeat(600) : 'all' } }
    const { body, headers } =
      message === 'legacy'
        ? legacy('tools/call', call, { session: 'c2Vzc2lvbg' })
        : modern('tools/call', call)
    const sent = message === 'no message' ? `${body}{}` : body
    const reply = await agent.post(door, sent, { ...headers, host })
    return whyOf(reply) ?? ''
  }
  world.revocations.set([{ name: 'r', tenant: 'acme', reason: '' }])
  assert.equal(await told({ large: false }), 'not ready: pods')
  conditions = []
  assert.equal(await told(), 'certificate is revoked')
  world.revocations.set([])
  assert.equal(await told(), 'host is not served here')
  const here = { host: 'gateway.test' }
  assert.equal(await told(here), 'body is too large, want=..600 octets')
  const small = { ...here, large: false }
  assert.match(await told({ ...small, message: 'no message' }), /octets after the message/)
  assert.equal(await told(small), 'session is not known')
  const readable = { ...small, message: 'modern' }
  assert.equal(await told(readable), 'server is not known')
  const addressed = { ...readable, door: '/mcp/files' }
  assert.equal(
    await told(addressed),
    'denied by policy: the certificate has no scope for this tool',
  )
  assert.equal(await told({ ...addressed, tool: 'none' }), 'Unknown tool: none')
  assert.match(await told({ ...addressed, tool: 'delete' }), /argument|grant/)
  const obligation = 'denied by policy: an obligation of the permission cannot be met'
  assert.equal(await told({ ...addressed, tool: 'echo' }), obligation)
  assert.deepEqual(callsAt(world), [])
})

/** Every call that an upstream has received, as the tool and its argument. */
function callsAt(world: World): { server: string; tool: string; what: unknown }[] {
  return Object.entries(world.upstreams).flatMap(([server, { received }]) =>
    received.flatMap(({ body }) => {
      const message = JSON.parse(body === '' ? '{}' : body) as {
        method?: string
        params?: { name?: string; arguments?: { what?: unknown } }
      }
      if (message.method !== 'tools/call') return []
      return [{ server, tool: message.params?.name ?? '', what: message.params?.arguments?.what }]
    }),
  )
}

/** What the ceiling and the grants of the default world allow together, said a second time and otherwise. */
function mayReach(call: { server: string; tool: string; what: unknown }): boolean {
  if (call.server === 'web') return true
  if (call.tool === 'delete') return call.what === 'draft'
  return call.server === 'files' && (call.tool === 'echo' || call.tool === 'big')
}

type Step =
  | { readonly kind: 'open'; readonly door: string }
  | {
      readonly kind: 'call'
      readonly door: string
      readonly era: 'modern' | 'legacy'
      readonly session: number
      readonly tool: string
      readonly what: string
      readonly liesInHeader: boolean
    }
  | { readonly kind: 'list'; readonly door: string }
  | { readonly kind: 'revoke' | 'allow' | 'log off' | 'log on' | 'stale' | 'fresh' }

const door = fc.constantFrom('/mcp', '/mcp/files', '/mcp/files', '/mcp/web', '/mcp/none')
const tool = fc.constantFrom(
  'echo',
  'echo',
  'echo',
  'delete',
  'secret',
  'files_echo',
  'files_secret',
  'files_delete',
  'web_echo',
)

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('open' as const), door }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('call' as const),
      door,
      era: fc.constantFrom('modern' as const, 'legacy' as const),
      session: fc.nat(3),
      tool,
      what: fc.constantFrom('draft', 'everything'),
      liesInHeader: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('list' as const), door }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        ...(['revoke', 'allow', 'log off', 'log on', 'stale', 'fresh'] as const),
      ),
    }),
  },
)

interface State {
  revoked: boolean
  readonly sessions: string[]
}

/** The reply, or nothing when the gateway ended the connection first, as it does to a revoked one. */
async function asked(reply: Promise<Reply>): Promise<Reply | undefined> {
  try {
    return await reply
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'UND_ERR_SOCKET') throw error
    return undefined
  }
}

async function take(step: Step, agent: TestClient, world: World, state: State): Promise<void> {
  const before = callsAt(world).length
  const closed = state.revoked || !world.decisionLog.available || world.stale.revocations > 0
  let reply: Reply | undefined
  switch (step.kind) {
    case 'open': {
      const { body, headers } = legacy('initialize', initializeParams)
      const opened = await asked(agent.post(step.door, body, headers))
      const id = opened?.headers['mcp-session-id']
      if (typeof id === 'string') state.sessions.push(id)
      break
    }
    case 'list': {
      const { body, headers } = modern('tools/list')
      const listed = await asked(agent.post(step.door, body, headers))
      const hidden = step.door === '/mcp/files' ? '"name":"secret"' : '"name":"files_secret"'
      assert.ok(!(listed?.text ?? '').includes(hidden), listed?.text)
      break
    }
    case 'call': {
      const params = { name: step.tool, arguments: { what: step.what } }
      const session = state.sessions[step.session]
      const { body, headers } =
        step.era === 'modern'
          ? modern('tools/call', params)
          : legacy('tools/call', params, session === undefined ? {} : { session })
      const lie = step.liesInHeader ? { 'mcp-name': 'echo' } : {}
      reply = await asked(agent.post(step.door, body, { ...headers, ...lie }))
      break
    }
    case 'revoke':
    case 'allow':
      state.revoked = step.kind === 'revoke'
      world.revocations.set(state.revoked ? [{ name: 'r', tenant: 'acme', reason: '' }] : [])
      break
    case 'log off':
    case 'log on':
      world.decisionLog.available = step.kind === 'log on'
      break
    case 'stale':
    case 'fresh':
      world.stale.revocations = step.kind === 'stale' ? 1000 : 0
  }
  const now = callsAt(world)
  if (closed) assert.equal(now.length, before, 'nothing is forwarded while the doors are closed')
  for (const call of now.slice(before)) {
    assert.ok(mayReach(call), `forwarded: ${JSON.stringify(call)}`)
    assert.equal(reply?.status, 200)
    const decided = world.events.at(-1)?.evaluated.value as { allow: boolean }
    assert.equal(decided.allow, true, 'the last decision is the permit')
  }
}

test('no order of calls gives allow without policy', async () => {
  requirement('attack.errors-taken-for-yes')
  requirement('gateway.ceiling-before-policy')
  requirement('gateway.no-log-no-call')
  requirement('gateway.stale-watch-refuses')
  await using world = await openWorld()
  const agent = await world.agent()
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      world.revocations.set([])
      world.decisionLog.available = true
      world.stale.revocations = 0
      const state: State = { revoked: false, sessions: [] }
      for (const one of steps) await take(one, agent, world, state)
    }),
    { numRuns: 60 },
  )
  assert.ok(callsAt(world).length > 0, 'the property has seen calls that pass')
})

interface Vector {
  readonly case: string
  readonly body?: string
  readonly hex?: string
  readonly code: number | null
}

function octetsOf({ body, hex }: Vector): Buffer {
  return hex === undefined ? Buffer.from(body ?? '') : Buffer.from(hex, 'hex')
}

test('whatever is one message to nobody, or two to two readers, reaches no upstream', async () => {
  requirement('attack.two-readings')
  requirement('gateway.one-reading')
  requirement('gateway.headers-agree')
  const file = new URL('../vectors/mcp/bodies.ndjson', import.meta.url)
  const vectors = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Vector)
  await using world = await openWorld({
    grants: { tenants: { acme: { files: { tools: {}, prefixes: { '': {} } } } }, subjects: {} },
  })
  const agent = await world.agent({ toolScopes: 'files:*' })
  const headers = {
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': 'read',
  }
  assert.ok(vectors.length > 20)
  for (const vector of vectors) {
    const reply = await agent.post('/mcp/files', octetsOf(vector), headers)
    if (vector.code === null) continue
    assert.equal(reply.json.error?.code, vector.code, vector.case)
    assert.notEqual(reply.status, 200, vector.case)
  }
  assert.deepEqual(callsAt(world), [])
})

test('a second line of a header that is read is refused', async () => {
  requirement('attack.headers-against-body')
  requirement('gateway.host-and-origin')
  await using world = await openWorld()
  const agent = await world.agent()
  const { body, headers } = modern('tools/call', { name: 'echo', arguments: {} })
  const common = Object.entries({
    ...headers,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  }).flat()
  for (const [name, value] of [
    ['mcp-name', 'secret'],
    ['mcp-method', 'tools/list'],
    ['mcp-protocol-version', '2025-11-25'],
    ['origin', 'https://console.test'],
  ] as const) {
    const twice = name === 'origin' ? [name, value, name, 'https://evil.test'] : [name, value]
    const reply = await agent.send({
      method: 'POST',
      path: '/mcp/files',
      headers: [...common, ...twice],
      body,
    })
    assert.equal(reply.status, 400, `${name}: ${reply.text}`)
  }
  assert.deepEqual(callsAt(world), [])
})
