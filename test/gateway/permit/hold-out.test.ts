import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { describe, test } from 'node:test'
import { defaultLimits } from '../../../src/gateway/limits.ts'
import { oneHandleKey } from '../../../src/gateway/handle/keys.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import { parseBundle, type Bundle } from '../../../src/pki/bundle.ts'
import { textOf } from '../../../src/policy/asked.ts'
import { requirement } from '../../requirements.ts'
import { digestDefinition } from '../../support/digest-definition.ts'
import { createTestAuthority } from '../../support/test-authority.ts'
import {
  initializeParams,
  legacy,
  metaOfTasks,
  modern,
  openClient,
  whyOf,
  type Reply,
  type TestClient,
} from '../world/client.ts'
import { memoryApprovals } from '../world/memory-approvals.ts'
import { answerBoth, sendJson, toolTexts, type Answer } from '../world/upstream.ts'
import { defaultScopes, openWorld, type World, type WorldOptions } from '../world/world.ts'

const approver = 'spiffe://test.example/ns/ops/sa/oncall'
const policyApprovals = {
  deletions: {
    seconds: 600,
    approvers: [approver],
    where: { server: ['files'], tool: ['delete'] },
  },
  // Of something else.
  others: {
    seconds: 600,
    approvers: ['spiffe://test.example/ns/ops/sa/elsewhere'],
    where: { tool: ['elsewhere'] },
  },
}

function deletion(
  what = 'draft',
  declared: object = {},
): { body: string; headers: Record<string, string> } {
  const made = modern('tools/call', { name: 'delete', arguments: { what } })
  const capabilities = '"io.modelcontextprotocol/clientCapabilities":'
  const body = made.body.replace(`${capabilities}{}`, `${capabilities}${JSON.stringify(declared)}`)
  return { ...made, body }
}

async function call(agent: TestClient, what?: string): Promise<Reply> {
  const { body, headers } = deletion(what)
  return agent.post('/mcp/files', body, headers)
}

/** The same call, with what the agent says to have been answered to the tool server. */
async function answering(
  agent: TestClient,
  inputResponses: object,
  { more = '', declared = {} } = {},
): Promise<Reply> {
  const { body, headers } = deletion('draft', declared)
  const responses = `"inputResponses":${JSON.stringify(inputResponses)},${more}`
  return agent.post('/mcp/files', body.replace('"params":{', `"params":{${responses}`), headers)
}

function ticketOf(reply: Reply): string {
  assert.equal(reply.status, 200)
  assert.equal(reply.json.error?.code, -31403)
  const ticket = reply.json.error?.data?.['ticket']
  assert.match(String(ticket), /^[a-z2-7]{24}-[a-z2-7]{16}$/)
  return String(ticket)
}

async function ask(
  agent: TestClient,
  method: 'list' | 'approve' | 'deny',
  ticket?: string,
): Promise<Reply> {
  const { body, headers } = modern(`approvals/${method}`, ticket === undefined ? {} : { ticket })
  return agent.post('/mcp', body, headers)
}

const oncall = {
  namespace: 'ops',
  serviceAccount: 'oncall',
  tenant: 'ops',
  toolScopes: 'web:none',
} as const

interface Held {
  readonly world: World
  readonly agent: TestClient
  readonly person: TestClient
  readonly store: ReturnType<typeof memoryApprovals>
  readonly clock: { now: number }
  /** How often the tool was called. */
  readonly deleted: () => number
  readonly pass: (seconds: number) => void
}

async function openHeld(more: WorldOptions = {}): Promise<Held & AsyncDisposable> {
  await using opened = new AsyncDisposableStack()
  const store = memoryApprovals()
  const clock = { now: Date.now() }
  const settings = { policyApprovals, approvals: store, now: () => clock.now }
  const world = opened.use(await openWorld({ ...settings, ...more }))
  const held = {
    world,
    store,
    clock,
    agent: await world.agent({ podUid: 'c0ffee00-0000-4000-8000-00000000beef' }),
    person: await world.agent(oncall),
    deleted: () =>
      world.upstreams['files']?.received.filter(
        ({ body }) => body.includes('"delete"') && body.includes('tools/call'),
      ).length ?? 0,
    pass(seconds: number) {
      clock.now += seconds * 1000
    },
  }
  const all = opened.move()
  return { ...held, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

async function approved(held: Held): Promise<string> {
  const ticket = ticketOf(await call(held.agent))
  const reply = await ask(held.person, 'approve', ticket)
  assert.equal(reply.json.error, undefined, whyOf(reply))
  return ticket
}

test('a call that policy wants somebody to see waits; approved by somebody else it is made once, and all of it is recorded', async () => {
  requirement('gateway.approval-needed')
  requirement('gateway.approval-used-once')
  requirement('gateway.approval-recorded')
  await using held = await openHeld()
  const { world, agent, person, deleted } = held
  const first = await call(agent)
  const ticket = ticketOf(first)
  assert.match(whyOf(first) ?? '', new RegExp(`an approval is needed: ticket ${ticket}, until `))
  assert.equal(first.json.error?.data?.['decisionId'], world.events.at(-1)?.decisionId)
  assert.deepEqual(
    world.events.slice(-2).map(({ path }) => path),
    ['countersign/mcp/decision', 'countersign/gateway/obligations'],
  )
  assert.equal(ticketOf(await call(agent)), ticket, 'who calls again waits for the same')
  assert.equal(deleted(), 0)
  const decided = await ask(person, 'approve', ticket)
  assert.equal(
    (decided.json.result?.['approval'] as { state?: string } | undefined)?.state,
    'approved',
  )
  const event = world.events.at(-1)
  assert.equal(event?.requestedBy, approver)
  const input = JSON.parse(textOf(event.evaluated.asked)) as {
    action: { name: string }
    resource: { id: string }
    context: { approval: { ticket: string; rules: string[]; requester: { id: string } } }
  }
  assert.equal(input.action.name, 'approvals/approve')
  assert.equal(input.resource.id, 'delete')
  assert.equal(input.context.approval.ticket, ticket)
  assert.deepEqual(input.context.approval.rules, ['deletions'])
  assert.equal(input.context.approval.requester.id, 'spiffe://test.example/ns/agents/sa/agent')
  const made = await call(agent)
  assert.equal(made.json.error, undefined, whyOf(made))
  assert.equal(deleted(), 1)
  const used = world.events.at(-1)
  assert.equal(used?.path, 'countersign/gateway/obligations')
  const [reason] = (used.evaluated.value as { reasons: { code: string; message: string }[] })
    .reasons
  assert.equal(reason?.code, 'approval-used')
  assert.match(
    reason.message,
    new RegExp(`ticket ${ticket} was approved by ${approver} in decision `),
  )
})

test('an approver sees what waits, with its arguments, and nobody else sees anything', async () => {
  requirement('gateway.approval-by-approvers')
  await using held = await openHeld()
  const ticket = ticketOf(await call(held.agent))
  const { json } = await ask(held.person, 'list')
  const [waiting, ...more] = (json.result?.['approvals'] ?? []) as Record<string, unknown>[]
  assert.deepEqual(more, [])
  assert.equal(waiting?.['ticket'], ticket)
  assert.deepEqual(
    [waiting['server'], waiting['tool'], waiting['rules']],
    ['files', 'delete', ['deletions']],
  )
  assert.deepEqual(waiting['arguments'], { what: 'draft' })
  assert.equal(waiting['argumentsSha256'], hash('sha256', '{"what":"draft"}', 'hex'))
  assert.ok(!('maskedArguments' in waiting) && !('shortenedArguments' in waiting))
  for (const other of [
    held.agent,
    await held.world.agent({ ...oncall, serviceAccount: 'other' }),
  ]) {
    const refused = await ask(other, 'list')
    assert.equal(whyOf(refused), 'denied by policy: the caller may not approve this')
  }
})

const anyDeletion = { tenants: { acme: { files: { tools: { delete: {} }, prefixes: {} } } } }

/** What an approver is told of a call with these arguments. */
async function toldOf(held: Held, given: object): Promise<Record<string, unknown>> {
  const { body, headers } = modern('tools/call', { name: 'delete', arguments: given })
  ticketOf(await held.agent.post('/mcp/files', body, headers))
  const { json, text } = await ask(held.person, 'list')
  assert.ok(!text.includes('s3cret'), text)
  const [waiting] = (json.result?.['approvals'] ?? []) as Record<string, unknown>[]
  assert.ok(waiting !== undefined)
  return waiting
}

test('what is a secret by its name or by the rule is not shown to an approver, nor what it could be guessed from', async () => {
  requirement('gateway.approver-sees-no-secret')
  const deletions = { ...policyApprovals.deletions, masked: ['pin', 'note*'] }
  await using held = await openHeld({
    policyApprovals: { deletions },
    grants: { ...anyDeletion, subjects: {} },
  })
  const given = {
    what: 'draft',
    pin: 's3cret',
    in: [{ note2: { a: 's3cret' }, kept: 1 }],
    'API-Token': 's3cret',
  }
  const told = await toldOf(held, given)
  assert.deepEqual(told['arguments'], { what: 'draft', in: [{ kept: 1 }] })
  assert.deepEqual(told['maskedArguments'], ['/API-Token', '/in/0/note2', '/pin'])
  const digest = hash('sha256', JSON.stringify(given), 'hex')
  assert.ok(!JSON.stringify(told).includes(digest))
})

test('an approver sees the numbers of a call to their last digit', async () => {
  requirement('gateway.approver-sees-what-is-called')
  await using held = await openHeld({ grants: { ...anyDeletion, subjects: {} } })
  const { body, headers } = modern('tools/call', { name: 'delete', arguments: { n: 0 } })
  const given = '{"n":9007199254740993,"m":[1.50,-0]}'
  const ticket = ticketOf(
    await held.agent.post('/mcp/files', body.replace('{"n":0}', given), headers),
  )
  const listed = await ask(held.person, 'list')
  const decided = await ask(held.person, 'approve', ticket)
  for (const { text } of [listed, decided]) assert.ok(text.includes(`"arguments":${given},`), text)
})

test('of arguments that are too long an approver sees the others, and of too many how long they are', async () => {
  requirement('gateway.approver-sees-no-secret')
  await using held = await openHeld({ grants: { ...anyDeletion, subjects: {} } })
  const body = 'x'.repeat(5000)
  const told = await toldOf(held, { what: 'draft', 'a/b': body })
  const sha256 = hash('sha256', JSON.stringify(body), 'hex')
  assert.deepEqual(told['arguments'], { what: 'draft', 'a/b': { sha256, octets: 5002 } })
  assert.deepEqual(told['shortenedArguments'], ['/a~1b'])
  held.pass(1)
  const many = Object.fromEntries(
    Array.from({ length: 300 }, (_, at) => [`a${at}`, 'x'.repeat(99)]),
  )
  for (const given of [many, { ...many, token: 's3cret' }]) {
    const short = await toldOf(held, given)
    assert.deepEqual(short['arguments'], { octets: JSON.stringify(given).length })
    assert.deepEqual(short['maskedArguments'], [''])
    assert.ok(!('argumentsSha256' in short))
    held.pass(1)
  }
})

test('an approver is told of what a call answers to its tool server, which is all that the server gets', async () => {
  requirement('gateway.approval-bound')
  await using held = await openHeld()
  const responses = { login: { action: 'accept', content: { pin: 's3cret' } } }
  const ticket = ticketOf(await answering(held.agent, responses))
  const { json } = await ask(held.person, 'list')
  const [waiting] = (json.result?.['approvals'] ?? []) as Record<string, unknown>[]
  const sha256 = hash('sha256', JSON.stringify(responses), 'hex')
  assert.deepEqual(waiting?.['inputResponses'], { keys: ['login'] })
  // Of a pin of four digits the digest is as good as the pin.
  requirement('gateway.approver-sees-no-secret')
  assert.ok(!JSON.stringify(json).includes(sha256))
  assert.ok(!JSON.stringify(json).includes('s3cret'))
  assert.equal((await ask(held.person, 'approve', ticket)).json.error, undefined)
  assert.equal((await answering(held.agent, responses)).json.error, undefined)
  assert.ok(
    held.world.upstreams['files']?.received.at(-1)?.body.includes(JSON.stringify(responses)),
  )
})

/** Its calls go on with a state, without end. */
const givingState: Answer = (message, response, request) => {
  if (message.method !== 'tools/call') return answerBoth()(message, response, request)
  const result = '"resultType":"input_required","requestState":"next"'
  sendJson(response, `{"jsonrpc":"2.0","id":1,"result":{${result}}}`)
}

/** Takes nothing for approved that goes on with a call that nobody had to approve. */
const approvedLater = (isOn: () => boolean): WorldOptions => ({
  answers: { files: givingState },
  authorizer: (real) => ({
    ...real,
    decide(texts) {
      const decided = real.decide(texts)
      const value = { allow: true, reasons: [], obligations: [] }
      return isOn() ? decided : { ...decided, value, result: value }
    },
  }),
})

test('what goes on with a call that nobody had to approve waits, with the state of the tool server', async () => {
  requirement('gateway.approval-bound')
  let isOn = false
  await using held = await openHeld(approvedLater(() => isOn))
  const { json } = await call(held.agent)
  assert.equal(json.result?.['resultType'], 'input_required')
  const more = `"requestState":${JSON.stringify(json.result['requestState'])},`
  isOn = true
  await approved(held)
  const ticket = ticketOf(await answering(held.agent, {}, { more }))
  assert.equal(held.deleted(), 1)
  const { json: listed, text } = await ask(held.person, 'list')
  const [waiting] = (listed.result?.['approvals'] ?? []) as Record<string, unknown>[]
  assert.equal(waiting?.['requestState'], true)
  assert.ok(!text.includes(hash('sha256', '"next"', 'hex')))
  assert.equal((await ask(held.person, 'approve', ticket)).json.error, undefined)
  assert.equal((await answering(held.agent, {}, { more })).json.error, undefined)
  assert.equal(held.deleted(), 2)
})

test('a call that goes on with another one is refused with the ticket, whatever its client shows', async () => {
  requirement('gateway.approval-needed')
  let isOn = true
  await using held = await openHeld(approvedLater(() => isOn))
  const declared = { elicitation: {} }
  ticketOf(await answering(held.agent, { a: { action: 'accept' } }, { declared }))
  isOn = false
  const { json } = await call(held.agent)
  const more = `"requestState":${JSON.stringify(json.result?.['requestState'])},`
  isOn = true
  ticketOf(await answering(held.agent, {}, { more, declared }))
})

test('a client that shows forms is asked to wait, and need only call again', async () => {
  requirement('gateway.approval-needed')
  await using held = await openHeld()
  const { body, headers } = deletion('draft', { elicitation: {} })
  const reply = await held.agent.post('/mcp/files', body, headers)
  assert.equal(reply.status, 200)
  assert.equal(reply.json.error, undefined)
  assert.equal(reply.json.result?.['resultType'], 'input_required')
  const asked = reply.json.result['inputRequests'] as Record<
    string,
    { method: string; params: { mode: string; message: string } }
  >
  const [[key, request] = []] = Object.entries(asked)
  assert.equal(key, 'dev.countersign/approval')
  assert.equal(request?.method, 'elicitation/create')
  assert.equal(request.params.mode, 'form')
  const [, ticket] = /ticket (\S+),/.exec(request.params.message) ?? []
  assert.equal((await ask(held.person, 'approve', ticket)).json.error, undefined)
  const inputResponses = { 'dev.countersign/approval': { action: 'accept', content: {} } }
  const again = body.replace(
    '"params":{',
    `"params":{"inputResponses":${JSON.stringify(inputResponses)},`,
  )
  const made = await held.agent.post('/mcp/files', again, headers)
  assert.equal(made.json.result?.['resultType'], 'complete', whyOf(made))
  assert.equal(held.deleted(), 1)
})

test('a call whose person has declined to wait is refused, approved or not, and uses nothing up', async () => {
  requirement('gateway.approval-needed')
  await using held = await openHeld()
  await approved(held)
  for (const answer of [{ action: 'decline' }, { action: 'cancel' }, {}, 'accept']) {
    const reply = await answering(held.agent, { 'dev.countersign/approval': answer })
    assert.match(whyOf(reply) ?? '', /has declined or cancelled$/)
  }
  assert.equal(held.deleted(), 0)
  assert.equal((await call(held.agent)).json.error, undefined)
})

test('a tool server gets nothing of what is answered to the gateway', async () => {
  requirement('gateway.approval-needed')
  await using held = await openHeld()
  const own = '"dev.countersign/approval":{"action":"accept"}'
  const spelled = '"dev.countersign\\u002fother":[1, {}]'
  const members: Readonly<Record<string, string>> = {
    [`{ ${own} , "a":{"x":1}}`]: '"inputResponses":{ "a":{"x":1}},',
    [`{"a":{"x":1} ,${own},${spelled}, "b":2}`]: '"inputResponses":{"a":{"x":1}, "b":2},',
    [`{"a":{"x":1}, ${own}, ${spelled} }`]: '"inputResponses":{"a":{"x":1} },',
    [`{${spelled} ,${own}}`]: '',
    '{ "a":{}}': '"inputResponses":{ "a":{}},',
  }
  for (const [given, wanted] of Object.entries(members)) {
    const { body, headers } = deletion()
    const withMember = (member: string): string => body.replace('"params":{', `"params":{${member}`)
    const sent = withMember(`"inputResponses":${given},`)
    const ticket = ticketOf(await held.agent.post('/mcp/files', sent, headers))
    assert.equal((await ask(held.person, 'approve', ticket)).json.error, undefined)
    const made = await held.agent.post('/mcp/files', sent, headers)
    assert.equal(made.json.error, undefined, whyOf(made))
    assert.equal(held.world.upstreams['files']?.received.at(-1)?.body, withMember(wanted))
  }
})

test('a legacy client is refused with the ticket, and need only call again', async () => {
  requirement('gateway.approval-needed')
  await using held = await openHeld()
  const hello = legacy('initialize', { ...initializeParams, capabilities: { elicitation: {} } })
  const opened = await held.agent.post('/mcp/files', hello.body, hello.headers)
  const session = String(opened.headers['mcp-session-id'])
  const asked = legacy('tools/call', { name: 'delete', arguments: { what: 'draft' } }, { session })
  const ticket = ticketOf(await held.agent.post('/mcp/files', asked.body, asked.headers))
  assert.equal((await ask(held.person, 'approve', ticket)).json.error, undefined)
  const made = await held.agent.post('/mcp/files', asked.body, asked.headers)
  assert.equal(made.json.error, undefined)
})

/** Ways round an approval that was given: each waits anew, and the tool is not called. */
const waysRound: Readonly<Record<string, (held: Held) => Promise<Reply>>> = {
  'with other arguments': async (held) => {
    await approved(held)
    const { body, headers } = deletion()
    return held.agent.post('/mcp/files', body.replace('"draft"', '"draft" '), headers)
  },
  'with other input responses': async (held) => {
    await approved(held)
    return answering(held.agent, { a: { action: 'accept', content: { force: true } } })
  },
  'with other octets of the same input responses': async (held) => {
    const ticket = ticketOf(await answering(held.agent, { a: { action: 'accept' } }))
    assert.equal((await ask(held.person, 'approve', ticket)).json.error, undefined)
    return answering(held.agent, { a: { action: 'decline' } })
  },
  'by another pod of the same service account': async (held) => {
    await approved(held)
    return call(await held.world.agent())
  },
  'by another identity': async (held) => {
    await approved(held)
    return call(await held.world.agent({ serviceAccount: 'other' }))
  },
  'after its deadline': async (held) => {
    await approved(held)
    held.pass(600)
    return call(held.agent)
  },
  'whose approver is revoked since': async (held) => {
    await approved(held)
    const serviceAccount = { namespace: 'ops', name: 'oncall' }
    held.world.revocations.set([{ name: 'r', reason: 'test', serviceAccount }])
    return call(held.agent)
  },
  'put in the place of another': async (held) => {
    await approved(held)
    const [given] = held.store.kept.values()
    const other = { ...deletion(), body: deletion().body.replace('"draft"', '"draft"  ') }
    await held.agent.post('/mcp/files', other.body, other.headers)
    const [, waits] = held.store.kept.values()
    assert.ok(given !== undefined && waits !== undefined)
    held.store.kept.set(waits.name, { ...waits, sealed: given.sealed })
    return held.agent.post('/mcp/files', other.body, other.headers)
  },
  'that nobody has sealed': async (held) => {
    ticketOf(await call(held.agent))
    const [waits] = held.store.kept.values()
    assert.ok(waits !== undefined)
    const octets = Buffer.from(waits.sealed, 'base64url')
    octets[octets.length - 1] = (octets.at(-1) ?? 0) ^ 1
    held.store.kept.set(waits.name, { ...waits, sealed: octets.toString('base64url') })
    return call(held.agent)
  },
}

test('a task whose call was approved is told nothing that nobody has seen', async () => {
  requirement('gateway.approval-needed')
  const answer: Answer = (message, response, request) => {
    const isCall = message.method === 'tools/call'
    if (!isCall && !message.method.startsWith('tasks/')) {
      answerBoth()(message, response, request)
      return
    }
    const task = { resultType: isCall ? 'task' : 'complete', taskId: 'task-1', status: 'working' }
    sendJson(response, JSON.stringify({ jsonrpc: '2.0', id: message.id, result: task }))
  }
  await using held = await openHeld({ answers: { files: answer } })
  const { world, agent } = held
  await approved(held)
  const made = modern('tools/call', {
    name: 'delete',
    arguments: { what: 'draft' },
    _meta: metaOfTasks,
  })
  const created = await agent.post('/mcp/files', made.body, made.headers)
  const taskId = created.json.result?.['taskId']
  assert.equal(typeof taskId, 'string', created.text)
  const params = { taskId, inputResponses: { what: { action: 'accept' } } }
  const update = modern('tasks/update', params)
  const refused = await agent.post('/mcp/files', update.body, update.headers)
  assert.equal(refused.json.error?.code, -31403, refused.text)
  assert.match(JSON.stringify(world.events.at(-1)?.evaluated.value), /approval-not-held/)
  const get = modern('tasks/get', { taskId })
  const got = await agent.post('/mcp/files', get.body, get.headers)
  assert.equal(got.json.result?.['status'], 'working', got.text)
})

test('an approval is worth nothing once a CA above its approver is revoked', async () => {
  requirement('gateway.approval-bound')
  requirement('intermediate.ends-when-revoked')
  // The approver is below an intermediate, and whoever asks below a root.
  const direct = createTestAuthority()
  const trustBundle = ({ pem, trustDomain }: Bundle): Bundle =>
    parseBundle(pem + direct.bundle.pem, trustDomain)
  await using held = await openHeld({ underRoot: 5, trustBundle })
  const { identities, gateway } = held.world
  const podUid = 'c0ffee00-0000-4000-8000-00000000beef'
  const wanted = { namespace: 'agents', tenant: 'acme', role: 'agent', podUid } as const
  const { credential } = direct.issue({ ...wanted, toolScopes: defaultScopes })
  const { port } = gateway
  await using agent = openClient({ port, credential, bundle: identities.bundle })
  const approvedAnew = async (): Promise<void> => {
    const reply = await ask(held.person, 'approve', ticketOf(await call(agent)))
    assert.equal(reply.json.error, undefined, whyOf(reply))
  }
  await approvedAnew()
  const made = await call(agent)
  assert.equal(made.json.error, undefined, whyOf(made))
  await approvedAnew()
  const issuanceId = `${'4a'.repeat(15)}05`
  held.world.revocations.set([{ name: 'r', reason: 'test', issuanceId }])
  ticketOf(await call(agent))
  assert.equal(held.deleted(), 1)
})

describe('an approval is good for nothing else', { concurrency: 2 }, () => {
  for (const [how, go] of Object.entries(waysRound)) {
    test(`a call waits anew where the approval is used ${how}`, async () => {
      requirement('gateway.approval-bound')
      await using held = await openHeld()
      ticketOf(await go(held))
      assert.equal(held.deleted(), 0)
    })
  }
})

test('a second use waits anew, and so do all but one of those who use it at a time', async () => {
  requirement('gateway.approval-used-once')
  await using held = await openHeld()
  const ticket = await approved(held)
  const replies = await Promise.all(Array.from({ length: 5 }, () => call(held.agent)))
  const made = replies.filter(({ json }) => json.error === undefined)
  assert.equal(made.length, 1)
  assert.equal(held.deleted(), 1)
  const next = new Set(replies.filter(({ json }) => json.error !== undefined).map(ticketOf))
  assert.equal(next.size, 1, 'they wait for one and the same')
  assert.ok(!next.has(ticket), 'what approves the first does not approve the second')
  assert.match(whyOf(await ask(held.person, 'approve', ticket)) ?? '', /^no such ticket waits/)
})

test('what was used and is written once more is not used once more, in its place or in that of another', async () => {
  requirement('gateway.approval-used-once')
  await using held = await openHeld()
  await approved(held)
  const [used] = held.store.kept.values()
  assert.ok(used !== undefined)
  assert.equal((await call(held.agent)).json.error, undefined)
  assert.equal(await held.store.create(used), true)
  ticketOf(await call(held.agent))
  const [waits] = held.store.kept.values()
  assert.ok(waits !== undefined)
  held.store.kept.set(used.name, { ...waits, sealed: used.sealed })
  ticketOf(await call(held.agent))
  assert.equal(held.deleted(), 1)
})

test('a tool that is another one since is not called', async () => {
  requirement('gateway.approval-bound')
  let tools = toolTexts
  await using held = await openHeld({
    answers: { files: (...told) => answerBoth({ tools })(...told) },
  })
  await approved(held)
  tools = toolTexts.map((text) => text.replace('"delete",', '"delete","description":"other",'))
  assert.notEqual(digestDefinition(tools[2] ?? ''), digestDefinition(toolTexts[2] ?? ''))
  const list = modern('tools/list')
  await held.agent.post('/mcp/files', list.body, list.headers)
  ticketOf(await call(held.agent))
  assert.equal(held.deleted(), 0)
})

/** Who asks for the approval of `agents/agent`, pod `…beef`, and is not let. */
const notApprovers: Readonly<Record<string, readonly [Parameters<World['agent']>[0], RegExp]>> = {
  'the caller itself': [
    { podUid: 'c0ffee00-0000-4000-8000-00000000beef' },
    /may not approve|own calls/,
  ],
  'another pod of its service account': [{}, /may not approve|own calls/],
  'an approver of other calls': [{ ...oncall, serviceAccount: 'elsewhere' }, /may not approve/],
  'an identity without a grant': [{ ...oncall, serviceAccount: 'other' }, /may not approve/],
}

for (const [who, [wanted, why]] of Object.entries(notApprovers)) {
  test(`nobody is approved by ${who}`, async () => {
    requirement('gateway.approval-by-approvers')
    await using held = await openHeld()
    const ticket = ticketOf(await call(held.agent))
    const other = await held.world.agent(wanted)
    for (const method of ['approve', 'deny'] as const) {
      assert.match(whyOf(await ask(other, method, ticket)) ?? '', why)
    }
    ticketOf(await call(held.agent))
  })
}

test('nobody approves their own, whatever policy says', async () => {
  requirement('gateway.approval-never-own')
  const agentId = 'spiffe://test.example/ns/agents/sa/agent'
  await using held = await openHeld({
    policyApprovals: { deletions: { ...policyApprovals.deletions, approvers: [agentId] } },
    authorizer: (real) => ({
      ...real,
      decide(texts) {
        const evaluated = real.decide(texts)
        const isApproval = texts.action.startsWith('approvals/')
        return isApproval
          ? { ...evaluated, value: { allow: true, reasons: [], obligations: [] } }
          : evaluated
      },
    }),
  })
  const ticket = ticketOf(await call(held.agent))
  const owns = [held.agent, await held.world.agent()]
  const samePod = await held.world.agent({
    ...oncall,
    podUid: 'c0ffee00-0000-4000-8000-00000000beef',
  })
  for (const own of [...owns, samePod]) {
    assert.equal(
      whyOf(await ask(own, 'approve', ticket)),
      'denied by policy: nobody approves their own calls',
    )
  }
  ticketOf(await call(held.agent))
  assert.equal((await ask(held.person, 'approve', ticket)).json.error, undefined)
})

test('a ticket that is guessed, cut or over is none, and one answer is given for all of them', async () => {
  requirement('gateway.approval-bound')
  await using held = await openHeld()
  const ticket = ticketOf(await call(held.agent))
  const guessed = ticket.slice(0, -4) + (ticket.endsWith('aaaa') ? 'bbbb' : 'aaaa')
  const none = 'no such ticket waits: it is not known, over, or decided'
  for (const wrong of [guessed, ticket.slice(0, 24), `${ticket}x`, ticket.toUpperCase(), '']) {
    assert.equal(whyOf(await ask(held.person, 'approve', wrong)), none)
  }
  held.pass(600)
  assert.equal(whyOf(await ask(held.person, 'approve', ticket)), none)
})

test('a call that was denied stays so until its deadline, then waits anew', async () => {
  requirement('gateway.approval-needed')
  await using held = await openHeld()
  const ticket = ticketOf(await call(held.agent))
  assert.equal((await ask(held.person, 'deny', ticket)).json.error, undefined)
  assert.equal(
    whyOf(await call(held.agent)),
    'denied by policy: an approval was asked for and denied',
  )
  assert.match(whyOf(await ask(held.person, 'approve', ticket)) ?? '', /^no such ticket waits/)
  held.pass(600)
  assert.notEqual(ticketOf(await call(held.agent)), ticket)
  assert.equal(held.deleted(), 0)
})

test('an approver who has lost the grant since has approved nothing', async () => {
  requirement('gateway.approval-by-approvers')
  let isGranted = true
  await using held = await openHeld({
    authorizer: (real) => ({
      ...real,
      decide(texts) {
        const evaluated = real.decide(texts)
        const isLost = !isGranted && texts.action === 'approvals/approve'
        return isLost
          ? { ...evaluated, value: { allow: false, reasons: [], obligations: [] } }
          : evaluated
      },
    }),
  })
  await approved(held)
  isGranted = false
  ticketOf(await call(held.agent))
  assert.equal(held.deleted(), 0)
})

test('one replica holds out, another is asked for the approval, a third makes the call when both are lost', async () => {
  requirement('gateway.approval-used-once')
  await using held = await openHeld()
  const { identities } = held.world
  const own = identities.issue({
    toolScopes: 'files:*',
    podUid: 'c0ffee00-0000-4000-8000-00000000beee',
  })
  const person = identities.issue(oncall)
  const at = (port: number, credential: typeof own): TestClient =>
    openClient({ port, credential, bundle: identities.bundle })
  const [first, second, third] = [
    await held.world.openReplica({}),
    await held.world.openReplica({}),
    await held.world.openReplica({}),
  ]
  await using asking = at(first.port, own)
  const ticket = ticketOf(await call(asking))
  await first.close()
  await using approving = at(second.port, person)
  assert.equal((await ask(approving, 'approve', ticket)).json.error, undefined)
  await second.close()
  await using calling = at(third.port, own)
  assert.equal((await call(calling)).json.error, undefined)
  assert.equal(held.deleted(), 1)
  await using again = at(held.world.gateway.port, own)
  ticketOf(await call(again))
  assert.equal(held.deleted(), 1)
})

/** A replica that shares the approvals and not the keys, seen by the agent and by an approver. */
async function openStranger(
  { world }: Held,
  metrics = silentMetrics,
): Promise<{ readonly calling: TestClient; readonly person: TestClient } & AsyncDisposable> {
  await using opened = new AsyncDisposableStack()
  const { port } = await world.openReplica({ handleKeys: oneHandleKey(), metrics })
  const { identities } = world
  const { bundle } = identities
  const podUid = 'c0ffee00-0000-4000-8000-00000000beef'
  const own = identities.issue({ toolScopes: 'files:*', podUid })
  const calling = opened.use(openClient({ port, credential: own, bundle }))
  const person = opened.use(openClient({ port, credential: identities.issue(oncall), bundle }))
  const all = opened.move()
  return { calling, person, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

test('a replica without the key of an approval knows nothing of it, and leaves it to those that have', async () => {
  requirement('gateway.approval-bound')
  requirement('gateway.approvals-left-to-their-keys')
  await using held = await openHeld()
  const { agent, person, store } = held
  const ticket = ticketOf(await call(agent))
  const met: string[] = []
  const metrics = { ...silentMetrics, count: (name: string) => void met.push(name) }
  await using stranger = await openStranger(held, metrics)
  const isNotKnown = (reply: Reply): void => {
    assert.equal(reply.status, 503)
    assert.equal(whyOf(reply), 'approvals are not known')
    assert.equal(reply.headers['retry-after'], '1')
  }
  isNotKnown(await call(stranger.calling))
  isNotKnown(await ask(stranger.person, 'approve', ticket))
  const { json } = await ask(stranger.person, 'list')
  assert.deepEqual([json.result?.['approvals'], json.result?.['notLookedAt']], [[], 1])
  assert.equal(met.filter((name) => name.includes('approvals_elsewhere')).length, 3)
  assert.equal((await ask(person, 'approve', ticket)).json.error, undefined)
  isNotKnown(await call(stranger.calling))
  assert.equal((await call(agent)).json.error, undefined)
  assert.equal(held.deleted(), 1)
  assert.equal(store.kept.size, 0)
})

test('what no replica may need any more is left to none', async () => {
  requirement('gateway.approvals-left-to-their-keys')
  await using held = await openHeld()
  ticketOf(await call(held.agent))
  await using stranger = await openStranger(held)
  held.pass(659)
  assert.equal((await call(stranger.calling)).status, 503, 'clocks are not one')
  held.pass(1)
  ticketOf(await call(stranger.calling))
  const [kept] = held.store.kept.values()
  assert.ok(kept !== undefined)
  const inSeconds = (seconds: number): string =>
    new Date(held.clock.now + seconds * 1000).toISOString()
  // Under the rule a call waits for ten minutes: what says more is nobody's.
  held.store.kept.set(kept.name, { ...kept, deadline: inSeconds(659) })
  await using late = await openStranger(held)
  assert.equal((await call(late.calling)).status, 503)
  for (const deadline of [inSeconds(661), inSeconds(80_000), '9999-01-01T00:00:00Z', 'never']) {
    held.store.kept.set(kept.name, { ...kept, deadline })
    await using other = await openStranger(held)
    ticketOf(await call(other.calling))
  }
})

test('what is over by the clock of one replica is not taken away from another', async () => {
  requirement('gateway.approvals-left-to-their-keys')
  await using held = await openHeld()
  ticketOf(await call(held.agent))
  held.pass(630)
  ticketOf(await call(await held.world.agent({ serviceAccount: 'other' })))
  assert.equal(held.store.kept.size, 2)
})

test('while approvals cannot be known nothing that needs one is called', async () => {
  requirement('gateway.approval-needed')
  await using held = await openHeld()
  await approved(held)
  held.store.away = true
  const reply = await call(held.agent)
  assert.equal(reply.status, 503)
  assert.equal(whyOf(reply), 'approvals are not known')
  assert.equal((await ask(held.person, 'list')).status, 503)
  held.store.away = false
  assert.equal((await call(held.agent)).json.error, undefined)
  assert.equal(held.deleted(), 1)
})

test('a gateway that keeps no approvals refuses what needs one, and serves none of their methods', async () => {
  requirement('gateway.approval-needed')
  await using held = await openHeld()
  const replica = await held.world.openReplica({ approvals: undefined })
  const { identities } = held.world
  const own = identities.issue({ toolScopes: 'files:*' })
  await using agent = openClient({ port: replica.port, credential: own, bundle: identities.bundle })
  assert.equal(
    whyOf(await call(agent)),
    'denied by policy: an obligation of the permission cannot be met',
  )
  await using person = openClient({
    port: replica.port,
    credential: identities.issue(oncall),
    bundle: identities.bundle,
  })
  assert.equal((await ask(person, 'list')).json.error?.code, -32601)
})

test('one identity does not have everybody wait: what waits is bounded in shares', async () => {
  requirement('gateway.approvals-bounded')
  await using held = await openHeld({
    grants: { tenants: { acme: { files: { tools: { delete: {} }, prefixes: {} } } }, subjects: {} },
  })
  let reply: Reply | undefined
  let count = 0
  while (count < 200) {
    reply = await call(held.agent, `draft ${count}`)
    if (reply.status !== 200) break
    ticketOf(reply)
    count += 1
  }
  assert.equal(reply?.status, 429)
  assert.equal(whyOf(reply), 'too many calls that wait for an approval of one identity')
  assert.equal(held.store.kept.size, count)
  ticketOf(await call(await held.world.agent({ serviceAccount: 'other' })))
  held.pass(660)
  ticketOf(await call(held.agent, 'late'))
  assert.ok(held.store.kept.size <= 2, 'what is over is taken away')
})

test('what does not wait any more gives its place back', async () => {
  requirement('gateway.approvals-bounded')
  await using held = await openHeld({
    grants: { tenants: { acme: { files: { tools: { delete: {} }, prefixes: {} } } }, subjects: {} },
  })
  const tickets: string[] = []
  let reply = await call(held.agent, 'draft 0')
  while (reply.status === 200) {
    tickets.push(ticketOf(reply))
    reply = await call(held.agent, `draft ${tickets.length}`)
  }
  assert.equal(reply.status, 429)
  const [first, second] = tickets
  assert.equal((await ask(held.person, 'approve', first)).json.error, undefined)
  assert.equal((await call(held.agent, 'late')).status, 429, 'it waits until it is used')
  assert.equal((await call(held.agent, 'draft 0')).json.error, undefined)
  ticketOf(await call(held.agent, 'late'))
  assert.equal((await call(held.agent, 'later')).status, 429, 'one place was given back')
  assert.equal((await ask(held.person, 'deny', second)).json.error, undefined)
  for (let count = 0; count < 2; count += 1) {
    assert.match(whyOf(await call(held.agent, 'draft 1')) ?? '', /and denied$/)
  }
  ticketOf(await call(held.agent, 'later'))
  assert.equal((await call(held.agent, 'latest')).status, 429, 'a denial gives one place back')
})

test('a tenant that has a great many calls wait keeps nobody else from an approver, and its own are none of what may be looked at', async () => {
  requirement('gateway.approvals-bounded')
  const tools = { tools: { delete: {} }, prefixes: {} }
  const granted = { files: tools }
  await using held = await openHeld({
    grants: { tenants: { acme: granted, other: granted, ops: granted }, subjects: {} },
    limits: {
      ...defaultLimits,
      tenantSharePercent: 90,
      namespaceSharePercent: 90,
      identitySharePercent: 90,
    },
  })
  const one = ticketOf(await call(await held.world.agent({ tenant: 'other', namespace: 'other' })))
  held.pass(1)
  const own = await held.world.agent({ ...oncall, toolScopes: 'files:*' })
  ticketOf(await call(own, 'own'))
  held.pass(1)
  for (let count = 0; count < 70; count += 1) ticketOf(await call(held.agent, `draft ${count}`))
  const { json } = await ask(held.person, 'list')
  const told = (json.result?.['approvals'] ?? []) as { ticket: string }[]
  assert.equal(told.length, 64)
  assert.ok(told.some(({ ticket }) => ticket === one))
  assert.equal(json.result?.['notLookedAt'], 7)
})
