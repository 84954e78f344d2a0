import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { methods } from '../../src/gateway/methods.ts'
import { requirement } from '../requirements.ts'
import { rows, type At, type Held, type Told } from './world/bad-input.ts'
import {
  ask,
  bodyBytesMax,
  cellsOfAll,
  cellsOfHeaders,
  cellsOfMethod,
  doors,
  isNotice,
  unknown,
  type Cell,
  type Column,
} from './world/bad-requests.ts'
import { modern, whyOf, type TestClient } from './world/client.ts'
import { handleAnswers, handleRows } from './world/handles.ts'
import { openSession } from './world/session.ts'
import { openWorld, type World } from './world/world.ts'

/*
 * Each method of the table, in both eras and at either door, with what is malformed, too large, somebody else's, of the other era or not
 * served: exactly what its sender is told, that one line of the log says the same, and that nothing of anybody else's is in either.
 */

const all = { prefixes: { '': {} } }
const everything = { ...all, prompts: all, resources: all }
const grants = { tenants: { acme: { files: everything, web: everything } }, subjects: {} }
const scopes = { toolScopes: 'files:*,web:*' }

interface Line {
  readonly message: string
  readonly [field: string]: unknown
}

const everybody = Array.from(
  { length: 1000 },
  (_, index) => `spiffe://test.example/ns/agents/sa/peer-${index}`,
)

let world: World
let held: Held
let peers = 0
const lines: Line[] = []

before(async () => {
  const note = (fields: object, message: string): void => {
    lines.push({ ...fields, message })
  }
  world = await openWorld({
    grants,
    answers: { files: handleAnswers, web: handleAnswers },
    policyApprovals: {
      deletions: {
        seconds: 600,
        approvers: ['spiffe://test.example/ns/ops/sa/oncall'],
        where: { server: ['web'], tool: ['echo'] },
      },
      // Of something else: so everybody may ask of a ticket.
      others: { seconds: 600, approvers: everybody, where: { tool: ['elsewhere'] } },
    },
    limits: { bodyBytesMax },
    log: { debug: () => {}, info: note, warn: note, error: note },
  })
  const victim = await world.agent({ ...scopes, serviceAccount: 'victim' })
  const kinds = handleRows({ world: () => world, again: () => world.agent(scopes) })
  const { body, headers } = modern('tools/call', { name: 'echo', arguments: {} })
  const waits = await victim.post('/mcp/web', body, headers)
  held = {
    session: await kinds.session.take(victim),
    cursor: await kinds.cursor.take(victim),
    requestState: await kinds.requestState.take(victim),
    task: await kinds.task.take(victim),
    legacyTask: await kinds['legacy task'].take(victim),
    ticket: String(waits.json.error?.data?.['ticket']),
  }
  for (const [kind, handle] of Object.entries(held)) assert.ok(handle.length > 20, kind)
})
after(() => world[Symbol.asyncDispose]())

function atDoor(door: Column['door']): At {
  return door === 'one'
    ? { held, name: (name) => name, uri: (uri) => uri, more: 0 }
    : { held, name: (name) => `files_${name}`, uri: (uri) => `files+${uri}`, more: 64 }
}

/** What only whoever held these would know, or their server. */
const ofVictim = /victim|task-1|page-2|its own|session-of-files/

const columns = (['modern', 'legacy'] as const).flatMap((era) =>
  (['one', 'all'] as const).map((door) => [era, door] as const),
)

/** A legacy client takes most of what is no success for the end of its session; see `statusOf`. */
function statusOf({ method, era }: Column, { status, check, why }: Told): number {
  if (era === 'modern' || check === 'session' || isNotice(method)) return status
  // What opens a session names none, so of a message that cannot be read nobody knows of which era it is.
  return method === 'initialize' && !why.endsWith('is not served') ? status : 200
}

/** The refusals of one peer are logged whole so often. */
const loggedWhole = 5

/** Each with a peer that has not been refused more than that. */
async function tryCells(column: Column, cells: readonly Cell[]): Promise<void> {
  const got: object[] = []
  const want: object[] = []
  for (let first = 0; first < cells.length; first += loggedWhole) {
    await using agent = await world.agent({ ...scopes, serviceAccount: `peer-${(peers += 1)}` })
    const session = column.era === 'legacy' ? await openSession(agent, doors[column.door]) : ''
    for (const cell of cells.slice(first, first + loggedWhole)) {
      got.push(await tryCell(column, cell, { agent, session }))
      want.push(wanted(column, cell))
    }
  }
  assert.deepEqual(got, want)
}

function wanted(column: Column, { what, told }: Cell): object {
  const { method } = column
  const { code, why, check, isDecided } = told
  return {
    what,
    status: statusOf(column, told),
    id: isNotice(method) ? null : 'cell',
    code,
    why,
    isDecided,
    logged: [{ check, code, why, door: doors[column.door].slice(1) }],
  }
}

async function tryCell(
  { door }: Column,
  { what, ask: askFor }: Cell,
  { agent, session }: { readonly agent: TestClient; readonly session: string },
): Promise<object> {
  const { body, headers } = askFor(session)
  lines.length = 0
  world.events.length = 0
  const reply = await agent.post(doors[door], body, headers)
  const decision = reply.json.error?.data?.['decisionId']
  assert.doesNotMatch(reply.text, ofVictim, what)
  // Whose a session is the log may say, and nobody else.
  const shown = lines.map((line) => ({ ...line, detail: undefined }))
  assert.doesNotMatch(JSON.stringify(shown), ofVictim, what)
  assert.match(String(decision), /^[0-9a-f-]{36}$/, `${what}: ${reply.text}`)
  assert.equal(reached(), 0, what)
  return {
    what,
    status: reply.status,
    id: reply.json.id,
    code: reply.json.error?.code,
    why: whyOf(reply),
    isDecided: world.events.some(({ decisionId }) => decisionId === decision),
    logged: lines.map(({ check, code, why, door: of, decision: by, message }) => {
      assert.equal(message, 'request refused')
      assert.equal(by, decision)
      return { check, code, why, door: of }
    }),
  }
}

/** How many of the requests of cells a server has got. */
function reached(): number {
  const received = Object.values(world.upstreams).flatMap((upstream) => upstream.received)
  return received.filter(({ body }) => body.includes('"id":"cell"')).length
}

/** What is not served in this era, or all that may be wrong where it is. */
function cellsOf(column: Column): readonly Cell[] {
  const { method, era, door } = column
  const at = atDoor(door)
  if (methods[method]?.eras.includes(era) === true) {
    return [...cellsOfMethod(column, at), ...cellsOfAll(column, at), ...cellsOfHeaders(column, at)]
  }
  // Of a notification that nobody needs nothing is told: it is taken and dropped.
  if (isNotice(method)) return []
  const good = rows[method]?.good(at) ?? {}
  const asked = (session: string): ReturnType<typeof ask> => ask(column, good, session)
  return [{ what: 'in the wrong era', ask: asked, told: unknown(method) }]
}

describe('what is wrong with a request is told to its sender and to the log, and says nothing of anybody else', () => {
  for (const method of Object.keys(methods)) {
    for (const [era, door] of columns) {
      test(`${method} of a ${era} agent at the door of ${door}`, async () => {
        requirement('gateway.bad-input-told')
        const column = { method, era, door }
        await tryCells(column, cellsOf(column))
      })
    }
  }

  test('there is a row for each method, and none besides', () => {
    assert.deepEqual(Object.keys(rows).toSorted(), Object.keys(methods).toSorted())
  })

  test('nothing is wrong with what each is asked with otherwise: its server gets it', async () => {
    await using agent = await world.agent({ ...scopes, serviceAccount: 'peer-0' })
    const column = { method: 'tools/call', era: 'modern', door: 'one' } as const
    const { body, headers } = ask(column, rows['tools/call']?.good(atDoor('one')) ?? {}, '')
    const reply = await agent.post(doors.one, body, headers)
    assert.equal(reply.status, 200, reply.text)
    assert.equal(reached(), 1)
  })
})
