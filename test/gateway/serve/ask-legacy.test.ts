import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { textOf } from '../../../src/policy/asked.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { legacy, modern, type TestClient } from '../world/client.ts'
import { asked, modernOnly, openOne, type Script } from '../world/eras.ts'
import { openSession, openStream, response, type OpenStream } from '../world/session.ts'
import { memoryApprovals } from '../world/memory-approvals.ts'
import { sendJson, type JsonMessage } from '../world/upstream.ts'
import type { World, WorldOptions } from '../world/world.ts'

/*
 * A modern server needs input of a legacy agent: it is asked on the stream of its call, and the call is made anew with what it answers.
 */

const grants = {
  tenants: {
    acme: {
      files: {
        prefixes: { '': {} },
        prompts: { prefixes: { '': {} } },
        resources: { prefixes: { '': {} } },
        asks: { elicitation: { form: true, urlHosts: ['login.example'] }, sampling: true },
      },
    },
  },
  subjects: {},
}
const wanted = { toolScopes: 'files:*' }

const form =
  '{"method":"elicitation/create","params":{"message":"how\\u0020many?","requestedSchema":{"type":"object","properties":{"n":{"default":1.50}}}}}'
const page =
  '{"method":"elicitation/create","params":{"mode":"url","message":"log in","url":"https://login.example/x"}}'

const calls = {
  'tools/call': [{ name: 'echo', arguments: { a: 1 } }, '{"content":[]}'],
  'prompts/get': [{ name: 'p' }, '{"messages":[]}'],
  'resources/read': [{ uri: 'file:///a' }, '{"contents":[]}'],
} as const

/** Asks for this before it answers, once or always, as JSON or as one event. */
function needing(
  input: string,
  { type = 'json', always = false }: { type?: 'json' | 'events'; always?: boolean } = {},
): Script {
  return ({ id, method, params = {} }, { result, response: answer }) => {
    const isRetry = 'inputResponses' in params || 'requestState' in params
    if (isRetry && !always) return result(calls[method as keyof typeof calls][1])
    const text = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"resultType":"input_required",${input}}}`
    if (type === 'json') return sendJson(answer, text)
    answer.writeHead(200, { 'content-type': 'text/event-stream' })
    answer.end(`data: ${text}\n\n`)
  }
}

interface Open extends AsyncDisposable {
  readonly world: World
  readonly agent: TestClient
  readonly other: TestClient
  readonly session: string
  readonly call: (method?: keyof typeof calls) => Promise<OpenStream>
  readonly answer: (id: unknown, outcome?: string, from?: TestClient) => Promise<number>
}

async function open(
  script: Script,
  o: WorldOptions & { readonly capabilities?: object; readonly door?: '/mcp' | '/mcp/files' } = {},
): Promise<Open> {
  const { capabilities, door = '/mcp/files', ...more } = o
  const world = await openOne('modern', modernOnly(script), { grants, ...more })
  const pod = { ...wanted, podUid: crypto.randomUUID() }
  const agent = await world.agent(pod)
  const other = await world.agent(pod)
  const session = await openSession(agent, door, capabilities)
  return {
    world,
    agent,
    other,
    session,
    call(method = 'tools/call') {
      const [params] = calls[method]
      const here = Object.entries(params).map(([name, value]) => {
        if (door === '/mcp/files' || name === 'arguments') return [name, value]
        return [name, name === 'uri' ? `files+${String(value)}` : `files_${String(value)}`]
      })
      const call = legacy(method, Object.fromEntries(here) as Record<string, unknown>, {
        session,
        id: 'c',
      })
      return openStream(agent, { path: door, ...call })
    },
    async answer(id, outcome, from = other) {
      const { body, headers } = response(id, {
        session,
        ...(outcome === undefined ? {} : { outcome }),
      })
      return (await from.post(door, body, headers)).status
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}

async function ended(stream: OpenStream): Promise<void> {
  await eventually('the call is answered', () => stream.isOver())
}

const content = '{"action":"accept", "content":{"n":1.0}}'

for (const type of ['json', 'events'] as const) {
  for (const method of Object.keys(calls) as (keyof typeof calls)[]) {
    for (const door of ['/mcp/files', '/mcp'] as const) {
      test(`what a server needs for ${method} is asked on the stream of the call, and brought back, as ${type}, at ${door}`, async () => {
        requirement('gateway.asks-across')
        const input = `"inputRequests":{"b\\u0061":${form}},"requestState":"st\\u0061te"`
        await using at = await open(needing(input, { type }), { door })
        const stream = await at.call(method)
        const { id } = await stream.message(1)
        const params = form.slice(form.indexOf('"params":'), -1)
        assert.equal(
          stream.octets(),
          `data: {"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":"elicitation/create",${params}}\n\n`,
        )
        assert.equal(await at.answer(id, `"result":${content}`), 202)
        await ended(stream)
        const { id: told, result } = (stream.messages[1] ?? {}) as {
          id?: unknown
          result?: unknown
        }
        assert.deepEqual([told, result], ['c', JSON.parse(calls[method][1])])
        const [first, again] = asked(at.world, 'files', method)
        assert.ok(
          again?.body.includes(`"requestState":"st\\u0061te","inputResponses":{"ba":${content}},`),
          again?.body,
        )
        assert.notEqual(idOf(again?.body), idOf(first?.body))
        assert.doesNotMatch(first?.body ?? '', /inputResponses/)
        assert.match(
          first?.body ?? '',
          /"io.modelcontextprotocol\/clientCapabilities":\{"roots":\{\},"sampling":\{\},"elicitation":\{"form":\{\},"url":\{\}\}\}/,
        )
      })
    }
  }
}

function idOf(body: string | undefined): unknown {
  return (JSON.parse(body ?? '{}') as JsonMessage).id
}

suite('what a modern server asks of a legacy agent', () => {
  test('is decided on, and the call that goes on as well', async () => {
    requirement('gateway.asks-across')
    await using at = await open(needing(`"inputRequests":{"a":${form}}`))
    const stream = await at.call()
    const { id } = await stream.message(1)
    const before = at.world.events.length
    await at.answer(id)
    await ended(stream)
    assert.deepEqual(
      at.world.events.slice(before - 2).map(({ evaluated }) => {
        const { action } = JSON.parse(textOf(evaluated.asked)) as { action: { name: string } }
        return action.name
      }),
      ['tools/call', 'elicitation/create', 'tools/call'],
    )
    assert.doesNotMatch(JSON.stringify(at.world.events), /how many/)
  })

  test('is refused where policy does not let it be asked, and nothing of it is told', async () => {
    requirement('gateway.asks-across')
    const rest = { method: 'roots/list' }
    await using at = await open(
      needing(`"inputRequests":{"a":${form},"b":${JSON.stringify(rest)}}`),
    )
    const stream = await at.call()
    await ended(stream)
    assert.match(stream.octets(), /-31403/)
    assert.doesNotMatch(stream.octets(), /how/)
    assert.equal(asked(at.world, 'files', 'tools/call').length, 1)
  })

  test('is refused where the client has not declared it', async () => {
    requirement('gateway.asks-across')
    await using at = await open(needing(`"inputRequests":{"a":${form}}`), {
      capabilities: { sampling: {} },
    })
    const stream = await at.call()
    await ended(stream)
    assert.match(stream.octets(), /-32021/)
    const [there] = asked(at.world, 'files', 'tools/call')
    assert.match(there?.body ?? '', /clientCapabilities":\{"sampling":\{\}\}/)
  })

  test('is answered as of no task and no subscription', async () => {
    requirement('gateway.task-of-its-caller')
    await using at = await open(needing(`"inputRequests":{"a":${form}}`))
    const stream = await at.call()
    const { id } = await stream.message(1)
    const meta = '"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"},"x":1}'
    await at.answer(id, `"result":{"action":"decline", ${meta}}`)
    await ended(stream)
    const [, again] = asked(at.world, 'files', 'tools/call')
    assert.match(
      again?.body ?? '',
      /"inputResponses":\{"a":\{"action":"decline", "_meta":\{"x":1\}\}\}/,
    )
  })

  test('a page is given a name, which that revision demands', async () => {
    await using at = await open(needing(`"inputRequests":{"a":${page}}`))
    const stream = await at.call()
    const { params } = await stream.message(1)
    assert.match(String(params?.['elicitationId']), /^[0-9a-f-]{36}$/)
    assert.equal(params?.['url'], 'https://login.example/x')
  })

  test('is answered by nobody else, nowhere else, and once', async () => {
    requirement('gateway.asks-across')
    await using at = await open(needing(`"inputRequests":{"a":${form},"b":${form}}`))
    const stream = await at.call()
    const { id } = await stream.message(1)
    const second = await stream.message(2)
    const thief = await at.world.agent(wanted)
    const theirs = await openSession(thief, '/mcp/files')
    const own = await openSession(at.other, '/mcp/files')
    for (const [who, session] of [
      [thief, theirs],
      [at.other, own],
    ] as const) {
      const { body, headers } = response(id, { session, outcome: '"result":{"stolen":1}' })
      assert.equal((await who.post('/mcp/files', body, headers)).status, 202)
    }
    await at.answer(id)
    await at.answer(id, '"result":{"stolen":1}')
    assert.ok(!stream.isOver())
    await at.answer(second.id)
    await ended(stream)
    const [, again] = asked(at.world, 'files', 'tools/call')
    assert.doesNotMatch(again?.body ?? '', /stolen/)
    assert.match(again?.body ?? '', /"inputResponses":\{"a":\{.*\},"b":\{/)
  })

  test('an answer that is an error ends the call, and takes back what else is open', async () => {
    await using at = await open(needing(`"inputRequests":{"a":${form},"b":${form}}`))
    const stream = await at.call()
    const { id } = await stream.message(1)
    const second = await stream.message(2)
    await at.answer(id, '"error":{"code":-1,"message":"no"}')
    await ended(stream)
    const [, , back, last] = stream.messages
    assert.deepEqual(
      [back?.method, back?.params?.['requestId']],
      ['notifications/cancelled', second.id],
    )
    assert.match(JSON.stringify(last), /answered with an error/)
    assert.equal(asked(at.world, 'files', 'tools/call').length, 1)
  })

  test('what is not answered in time ends the call', async () => {
    requirement('gateway.asks-across')
    await using at = await open(needing(`"inputRequests":{"a":${form}}`), {
      limits: { askSecondsMax: 0.05 },
    })
    const stream = await at.call()
    await ended(stream)
    assert.match(stream.octets(), /notifications\/cancelled.*not answered in time/s)
  })

  test('ends with the call that its client cancels', async () => {
    requirement('gateway.cancelled-across')
    await using at = await open(needing(`"inputRequests":{"a":${form}}`))
    const stream = await at.call()
    await stream.message(1)
    const word = legacy('notifications/cancelled', { requestId: 'c' }, { session: at.session })
    await at.other.post('/mcp/files', word.body, word.headers)
    await ended(stream)
    assert.match(stream.octets(), /notifications\/cancelled.*request was cancelled/s)
    assert.equal(asked(at.world, 'files', 'tools/call').length, 1)
  })

  test('a server that never has enough is given up on', async () => {
    requirement('gateway.asks-across')
    await using at = await open(needing(`"inputRequests":{"a":${form}}`, { always: true }))
    const stream = await at.call()
    for (let round = 1; round <= 8; round += 1) {
      const { id } = await stream.message(round)
      await at.answer(id)
    }
    await ended(stream)
    assert.equal(asked(at.world, 'files', 'tools/call').length, 9)
    assert.match(stream.octets(), /upstream gave no answer/)
  })

  test('one call that may be open at a time stays one while it goes on', async () => {
    const policyLimits = { 'one-at-a-time': { per: ['identity'], concurrent: 1 } }
    await using at = await open(needing(`"inputRequests":{"a":${form}}`), { policyLimits })
    const stream = await at.call()
    const { id } = await stream.message(1)
    await at.answer(id)
    await ended(stream)
    assert.match(stream.octets(), /"id":"c","result"/)
  })

  test('a state alone is brought back without anybody being asked', async () => {
    await using at = await open(needing('"requestState":"again"'))
    const stream = await at.call()
    await ended(stream)
    assert.equal(stream.messages.length, 1)
    const [, again] = asked(at.world, 'files', 'tools/call')
    assert.match(again?.body ?? '', /"requestState":"again"/)
    assert.doesNotMatch(again?.body ?? '', /inputResponses/)
  })
})

const approver = 'spiffe://test.example/ns/ops/sa/oncall'
const policyApprovals = {
  echoes: { seconds: 600, approvers: [approver], where: { tool: ['echo'] } },
}

/** Has the call approved that is made next. */
async function approve(at: Open): Promise<TestClient> {
  const waiting = await at.call()
  await ended(waiting)
  const ticket = /"ticket":"([^"]+)"/.exec(waiting.octets())?.[1]
  const person = await at.world.agent({ namespace: 'ops', serviceAccount: 'oncall' })
  const { body, headers } = modern('approvals/approve', { ticket })
  const { text } = await person.post('/mcp', body, headers)
  assert.match(text, /"state":"approved"/)
  return person
}

function lastDecided({ world }: Open): string {
  return JSON.stringify(world.events.at(-1)?.evaluated.value)
}

suite('an approved call of a legacy agent', () => {
  const input = `"inputRequests":{"a":${form}},"requestState":"s"`

  test('is asked on its stream, and goes on under its approval', async () => {
    requirement('gateway.approval-goes-on')
    requirement('gateway.asks-across')
    const approvals = memoryApprovals()
    await using at = await open(needing(input), { policyApprovals, approvals })
    await approve(at)
    const stream = await at.call()
    const { id } = await stream.message(1)
    assert.equal(await at.answer(id), 202)
    await ended(stream)
    assert.match(stream.octets(), /"id":"c","result":\{"content":\[\]/)
    assert.deepEqual([asked(at.world, 'files', 'tools/call').length, approvals.kept.size], [2, 0])
    const notes = JSON.stringify(at.world.events.map(({ evaluated }) => evaluated.value))
    assert.match(notes, /"approval-goes-on","message":"ticket \S+ was approved by/)
  })

  for (const [what, end] of [
    [
      'whose approver is revoked meanwhile',
      ({ world }: Open) =>
        world.revocations.set([
          { name: 'r', reason: 'test', serviceAccount: { namespace: 'ops', name: 'oncall' } },
        ]),
    ],
    [
      'whose approval has ended meanwhile',
      (_: Open, clock: { now: number }) => {
        clock.now += 600_000
      },
    ],
  ] as const) {
    test(`does not go on ${what}`, async () => {
      requirement('gateway.approval-goes-on')
      const clock = { now: Date.now() }
      const approvals = memoryApprovals()
      const more = { policyApprovals, approvals, now: () => clock.now }
      await using at = await open(needing(input), { ...more, limits: { askSecondsMax: 900 } })
      await approve(at)
      const stream = await at.call()
      const { id } = await stream.message(1)
      end(at, clock)
      assert.equal(await at.answer(id), 202)
      await ended(stream)
      assert.match(stream.octets(), /"id":"c".*-31403/)
      assert.equal(asked(at.world, 'files', 'tools/call').length, 1)
    })
  }

  test('waits for none where only what goes on with it needs one', async () => {
    requirement('gateway.approval-bound')
    let isOn = false
    const approvals = memoryApprovals()
    await using at = await open(needing(input), {
      policyApprovals,
      approvals,
      authorizer: (real) => ({
        ...real,
        decide(texts) {
          const decided = real.decide(texts)
          const value = { allow: true, reasons: [], obligations: [] }
          return isOn ? decided : { ...decided, value, result: value }
        },
      }),
    })
    const stream = await at.call()
    const { id } = await stream.message(1)
    isOn = true
    assert.equal(await at.answer(id), 202)
    await ended(stream)
    assert.match(stream.octets(), /"id":"c".*-31403/)
    assert.doesNotMatch(stream.octets(), /ticket/)
    assert.match(lastDecided(at), /approval-not-held/)
    const there = asked(at.world, 'files', 'tools/call')
    assert.deepEqual([there.length, approvals.kept.size], [1, 0])
  })
})

suite('where several workers serve', () => {
  test('a modern server is not told what a legacy agent does, and asks it nothing', async () => {
    requirement('gateway.asks-across')
    await using at = await open(needing(`"inputRequests":{"a":${form}}`), { workers: 2 })
    const stream = await at.call()
    await ended(stream)
    assert.match(stream.octets(), /"id":"c".*-31403/)
    assert.doesNotMatch(stream.octets(), /how/)
    assert.match(lastDecided(at), /answer-not-served.*several workers/)
    const [there, ...more] = asked(at.world, 'files', 'tools/call')
    assert.match(there?.body ?? '', /clientCapabilities":\{\}/)
    assert.equal(more.length, 0)
  })

  test('a state alone is brought back all the same', async () => {
    await using at = await open(needing('"requestState":"again"'), { workers: 2 })
    const stream = await at.call()
    await ended(stream)
    assert.match(stream.octets(), /"id":"c","result"/)
  })
})
