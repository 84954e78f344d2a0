import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { createCertificateReader } from '../../../src/gateway/caller/certified.ts'
import { permitAsk, type Asking } from '../../../src/gateway/permit/asks.ts'
import { createDecisions } from '../../../src/gateway/permit/policy.ts'
import { createTurns } from '../../../src/gateway/turns.ts'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import type { Ask } from '../../../src/mcp/ask.ts'
import { textOf } from '../../../src/policy/asked.ts'
import { createAuthorizer, type Authorizer } from '../../../src/policy/authorizer.ts'
import type { DecisionEvent } from '../../../src/policy/decision-log.ts'
import { requirement } from '../../requirements.ts'
import { loadPolicyBundle } from '../../support/load-policy.ts'
import { createIdentities } from '../world/identities.ts'

const form: Ask = { method: 'elicitation/create', mode: 'form' }
const page: Ask = { method: 'elicitation/create', mode: 'url', host: 'login.example' }
const sampling: Ask = { method: 'sampling/createMessage', tools: false }
const samplingWithTools: Ask = { method: 'sampling/createMessage', tools: true }
const roots: Ask = { method: 'roots/list' }

const everyAsk = {
  elicitation: { form: true, urlHosts: ['login.example'] },
  sampling: true,
  roots: true,
}
const everyCapability = {
  elicitation: { form: {}, url: {} },
  sampling: { tools: {} },
  roots: {},
}

interface Wanted {
  readonly asks?: object
  readonly capabilities?: unknown
  readonly era?: 'modern' | 'legacy'
  readonly target?: 'tool' | 'server'
  readonly toolScopes?: string
  readonly authorizer?: (real: Authorizer) => Authorizer
  readonly recorded?: boolean
}

const identities = createIdentities()

/** Asks on behalf of `files`, while it serves `echo`, and tells what became of it. */
async function ask(what: Ask, wanted: Wanted = {}) {
  const {
    asks = everyAsk,
    capabilities = everyCapability,
    era = 'modern',
    target = 'tool',
  } = wanted
  const grants = { tenants: { acme: { files: { tools: { echo: {} }, asks } } }, subjects: {} }
  const real = createAuthorizer(await loadPolicyBundle({ data: { grants } }))
  const events: DecisionEvent[] = []
  const decisions = createDecisions({
    authorizer: wanted.authorizer?.(real) ?? real,
    decisionLog: {
      available: wanted.recorded ?? true,
      keeping: true,
      whenAvailable: () => Promise.resolve(false),
      record: (event) => events.push(event) > 0,
      flush: () => Promise.resolve(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    },
    turns: createTurns(),
    listSecondsMax: 60,
    now: () => 0,
    newDecisionId: () => 'id',
    log: silentLog,
    metrics: silentMetrics,
  })
  const { toolScopes = 'files:echo' } = wanted
  const der = new X509Certificate(identities.issue({ toolScopes }).chainPem).raw
  const upstream = { config: { server: 'files', eras: ['modern', 'legacy'] } }
  const asking = {
    call: {
      caller: createCertificateReader({})(der),
      target:
        target === 'tool' ? { kind: 'tool', upstream, tool: 'echo' } : { kind: 'server', upstream },
      message: {
        era,
        method: 'tools/call',
        params:
          era === 'modern'
            ? { _meta: { 'io.modelcontextprotocol/clientCapabilities': capabilities } }
            : {},
      },
      arrived: { door: { name: 'mcp/files' } },
      session: era === 'legacy' ? { hello: { capabilities, clientInfo: {} } } : undefined,
      arguments: undefined,
    },
    definition: undefined,
  } as unknown as Asking
  const refusal = await permitAsk(asking, what, decisions)
  return { refusal, events, code: refusal?.refusal.code }
}

test('a server asks its caller only what a grant lets it ask', async () => {
  requirement('gateway.asks-decided')
  for (const what of [form, page, sampling, samplingWithTools, roots]) {
    for (const target of ['tool', 'server'] as const) {
      assert.equal((await ask(what, { target })).refusal, undefined)
      const { refusal, events } = await ask(what, { target, asks: {} })
      assert.equal(refusal?.check, 'response')
      assert.equal(refusal.refusal.code, -31403)
      assert.equal(refusal.refusal.detail, 'ask-not-granted ask-not-granted')
      assert.partialDeepStrictEqual(refusal.refusal.data, { decisionId: 'id' })
      assert.equal(events.length, 1)
    }
  }
  const elsewhere: Ask = { ...page, host: 'login.example.evil.example' }
  assert.equal((await ask(elsewhere)).code, -31403)
})

test('policy and its log are told the kind of what is asked and the host, for what it is asked, and no more', async () => {
  requirement('gateway.asks-decided')
  const { events } = await ask(page)
  const [event] = events
  assert.equal(event?.path, 'countersign/mcp/decision')
  const input = JSON.parse(textOf(event.evaluated.asked)) as Record<string, unknown>
  assert.deepEqual(input['action'], { name: 'elicitation/create' })
  assert.deepEqual(input['resource'], { type: 'tool', id: 'echo', properties: { server: 'files' } })
  assert.deepEqual(input['context'], {
    era: 'modern',
    time: '1970-01-01T00:00:00.000Z',
    door: 'mcp/files',
    phase: 'response',
    upstream: { era: 'modern' },
    asked: { mode: 'url', host: 'login.example' },
  })
})

test('nobody outside the ceiling is asked anything, whatever policy says', async () => {
  requirement('gateway.asks-decided')
  const allow = { allow: true, reasons: [], obligations: [] }
  const { code, events } = await ask(form, {
    toolScopes: 'web:*',
    authorizer: (real) => ({
      ...real,
      decide: (texts) => ({ ...real.decide(texts), value: allow, result: allow }),
    }),
  })
  assert.equal(code, -31403)
  assert.equal(events[0]?.path, 'countersign/gateway/response')
})

const undeclared: readonly (readonly [ask: Ask, declared: unknown, required: object])[] = [
  [form, {}, { elicitation: { form: {} } }],
  [form, undefined, { elicitation: { form: {} } }],
  [form, { elicitation: true }, { elicitation: { form: {} } }],
  [form, { elicitation: { url: {} } }, { elicitation: { form: {} } }],
  [page, { elicitation: {} }, { elicitation: { url: {} } }],
  [page, { elicitation: { form: {} } }, { elicitation: { url: {} } }],
  [sampling, { elicitation: {} }, { sampling: {} }],
  [samplingWithTools, { sampling: {} }, { sampling: { tools: {} } }],
  [roots, { sampling: {} }, { roots: {} }],
]

test('a client is not asked for what it has not declared, in either era', async () => {
  requirement('gateway.asks-decided')
  for (const era of ['modern', 'legacy'] as const) {
    for (const [what, capabilities, required] of undeclared) {
      const { refusal, events } = await ask(what, { era, capabilities: capabilities ?? null })
      assert.equal(refusal?.refusal.code, -32021)
      assert.equal(refusal.refusal.status, 400)
      assert.deepEqual(refusal.refusal.data, { requiredCapabilities: required })
      assert.deepEqual(events, [])
    }
  }
  const old = { elicitation: {}, sampling: {}, roots: { listChanged: true } }
  for (const what of [form, sampling, roots]) {
    assert.equal((await ask(what, { era: 'legacy', capabilities: old })).refusal, undefined)
  }
})

test('an obligation that cannot be met, and a decision that cannot be recorded, leave nothing asked', async () => {
  requirement('gateway.asks-decided')
  const value = {
    allow: true,
    reasons: [],
    obligations: [{ id: '1', type: 'dance', properties: {} }],
  }
  const { refusal } = await ask(form, {
    authorizer: (real) => ({
      ...real,
      decide: (texts) => ({ ...real.decide(texts), value, result: value }),
    }),
  })
  assert.equal(refusal?.refusal.detail, 'obligation-unknown')
  assert.equal((await ask(form, { recorded: false })).refusal?.refusal.status, 503)
})
