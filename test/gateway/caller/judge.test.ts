import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirement } from '../../requirements.ts'
import { Bag } from '../../../src/bag.ts'
import type { Caller } from '../../../src/gateway/caller/caller.ts'
import { emptyCeiling } from '../../../src/identity/ceiling.ts'
import {
  createAbsentJudge,
  createJudge,
  createServerJudge,
} from '../../../src/gateway/caller/judge.ts'
import type { NamespaceSource, PodSource } from '../../../src/gateway/caller/workload-sources.ts'
import { parseCaCertificate } from '../../../src/pki/ca-certificate.ts'
import {
  createRevocationFinder,
  type Revocation,
  type RevocationSource,
} from '../../../src/pki/revocation.ts'
import { eventually } from '../../support/eventually.ts'
import { textOf } from '../../../src/policy/asked.ts'
import type { DecisionInput } from '../../../src/policy/authorizer.ts'
import { createTestAuthority } from '../../support/test-authority.ts'
import { modern, whyOf } from '../world/client.ts'
import { answerBoth } from '../world/upstream.ts'
import { openWorld } from '../world/world.ts'

const authority = createTestAuthority()
const { credential, identity } = authority.issue({ role: 'agent', tenant: 'acme' })
const { svid } = credential
const unchanging = { onChange: () => () => {} }
const unsent = { take: () => undefined, give: () => {}, secondsMax: 1 }

interface Facts {
  /** Whether the caller need not be connected. */
  readonly absent?: boolean
  readonly now?: number
  readonly foreign?: Caller['foreign']
  readonly bundle?: typeof authority.bundle
  readonly revoked?: boolean
  readonly revocationsStale?: number
  readonly alive?: ReturnType<PodSource['alive']>
  readonly asked?: (...pod: Parameters<PodSource['alive']>) => void
  readonly podsStale?: number
  readonly drift?: ReturnType<NamespaceSource['drift']>
  readonly namespacesStale?: number
}

function judgeOnce(facts: Facts): ReturnType<ReturnType<typeof createJudge>> {
  const { bundle = authority.bundle } = facts
  const revocations: RevocationSource = {
    find: () => (facts.revoked === true ? { name: 'leaked', reason: 'secret' } : undefined),
    staleSeconds: facts.revocationsStale ?? 0,
    ...unchanging,
  }
  const pods: PodSource = {
    alive(...pod) {
      facts.asked?.(...pod)
      return facts.alive ?? true
    },
    staleSeconds: facts.podsStale ?? 0,
    ...unchanging,
  }
  const namespaces: NamespaceSource = {
    drift: () => facts.drift,
    staleSeconds: facts.namespacesStale ?? 0,
    ...unchanging,
  }
  const create = facts.absent === true ? createAbsentJudge : createJudge
  const judge = create({
    trustBundle: { current: () => bundle, ...unchanging },
    revocations,
    pods,
    namespaces,
    staleSecondsMax: 120,
    now: () => facts.now ?? Date.now(),
  })
  return judge(callerOf(facts))
}

function callerOf({ foreign }: Pick<Facts, 'foreign'>): Caller {
  return {
    svid,
    identity,
    owner: 'owner',
    subjectText: '{}' as Caller['subjectText'],
    account: ['acme', 'agents', svid.spiffeId.uri],
    unsent,
    streams: new Bag(),
    bodies: { take: () => undefined, give: () => {} },
    ended: undefined,
    open: 0,
    intermediates: () => [],
    foreign,
    verifiedWith: undefined,
    above: [],
  }
}

const knowing = (bundle: typeof authority.bundle | undefined): Caller['foreign'] => ({
  trustDomain: authority.trustDomain,
  ceiling: emptyCeiling,
  bundle: () => bundle,
  ...unchanging,
})

test('who has a certificate below a CA that is revoked is no caller, and no tool server', async () => {
  requirement('intermediate.ends-when-revoked')
  const below = createTestAuthority({ underRoot: 3 })
  const leaf = below.issue({ role: 'agent', tenant: 'acme' })
  const [ca] = leaf.credential.intermediates
  const { certificate } = parseCaCertificate(ca ?? assert.fail(), 'pki/authority')
  const issuanceId = certificate.serialNumber.toString('hex')
  let list: readonly Revocation[] = []
  const sources = {
    revocations: { find: createRevocationFinder(() => list), staleSeconds: 0, ...unchanging },
    pods: { alive: () => true, staleSeconds: 0, ...unchanging },
    namespaces: { drift: () => undefined, staleSeconds: 0, ...unchanging },
  }
  const judge = createJudge({
    ...sources,
    trustBundle: { current: () => below.bundle, ...unchanging },
    staleSecondsMax: 120,
    now: Date.now,
  })
  const judgeServer = createServerJudge(sources)
  const caller: Caller = {
    ...callerOf({ foreign: undefined }),
    svid: leaf.credential.svid,
    identity: leaf.identity,
    intermediates: () => leaf.credential.intermediates,
  }
  assert.equal(await judge(caller), undefined)
  assert.equal(await judgeServer(caller.svid, caller.above), undefined)
  list = [{ name: 'leaked', issuanceId, reason: '' }]
  assert.equal((await judge(caller))?.message, 'certificate is revoked')
  const said = 'certificate is revoked: revocation leaked'
  assert.equal(await judgeServer(caller.svid, caller.above), said)
  assert.equal(
    (await createAbsentJudge({ ...sources, now: Date.now })(caller))?.message,
    'certificate is revoked',
  )
})

const rejecting = (): Promise<never> => Promise.reject(new Error('timed out'))

const cases: readonly [string, () => Facts, { status: number; message: string } | undefined][] = [
  ['is good', () => ({}), undefined],
  [
    'is good as long as the bounds are kept',
    () => ({ revocationsStale: 120, podsStale: 120 }),
    undefined,
  ],
  ['has its pod found by asking', () => ({ alive: Promise.resolve(true) }), undefined],
  [
    'has expired at this very millisecond',
    () => ({ now: svid.notAfter.getTime() }),
    { status: 403, message: 'certificate has expired' },
  ],
  [
    'has gone and has a certificate that has ended: its pod may have another',
    () => ({ absent: true, now: svid.notAfter.getTime() }),
    undefined,
  ],
  [
    'has gone and is revoked',
    () => ({ absent: true, revoked: true }),
    { status: 403, message: 'certificate is revoked' },
  ],
  [
    'has gone and has ended, of another trust domain that stands for it',
    () => ({ absent: true, now: svid.notAfter.getTime(), foreign: knowing(authority.bundle) }),
    undefined,
  ],
  [
    'has gone and is of another trust domain that has withdrawn its anchor',
    () => ({ absent: true, foreign: knowing(createTestAuthority().bundle) }),
    { status: 403, message: 'certificate is not trusted' },
  ],
  [
    'has gone and is of another trust domain that is not known any more',
    () => ({ absent: true, foreign: knowing(undefined) }),
    { status: 403, message: 'certificate is not trusted' },
  ],
  ['is in its last millisecond', () => ({ now: svid.notAfter.getTime() - 1 }), undefined],
  [
    'is not valid yet',
    () => ({ now: svid.notBefore.getTime() - 1000 }),
    { status: 403, message: 'certificate is not trusted' },
  ],
  [
    'is of an authority that has left the bundle',
    () => ({ bundle: createTestAuthority().bundle }),
    { status: 403, message: 'certificate is not trusted' },
  ],
  [
    'is revoked, as far as stale revocations tell',
    () => ({ revoked: true, revocationsStale: 1000 }),
    { status: 403, message: 'certificate is revoked' },
  ],
  [
    'is not revoked, as far as stale revocations tell',
    () => ({ revocationsStale: 121 }),
    { status: 503, message: 'revocations are not known' },
  ],
  [
    'has a pod of stale pods',
    () => ({ podsStale: 121 }),
    { status: 503, message: 'pods are not known' },
  ],
  [
    'has no pod',
    () => ({ alive: false }),
    { status: 403, message: 'pod of the certificate is gone' },
  ],
  [
    'has no pod when asked',
    () => ({ alive: Promise.resolve(false) }),
    { status: 403, message: 'pod of the certificate is gone' },
  ],
  [
    'has a pod that nobody answers for',
    () => ({ alive: rejecting() }),
    { status: 503, message: 'pods are not known' },
  ],
  [
    'has a namespace of stale namespaces',
    () => ({ namespacesStale: 121 }),
    { status: 503, message: 'namespaces are not known' },
  ],
  [
    'says more than its namespace does',
    () => ({ drift: 'namespace is not of the tenant acme any more' }),
    { status: 403, message: 'namespace is not of the tenant acme any more' },
  ],
  [
    'says more than its namespace does when asked, its pod too',
    () => ({ alive: Promise.resolve(true), drift: Promise.resolve('no') }),
    { status: 403, message: 'no' },
  ],
  [
    'has a namespace that proves it when asked',
    () => ({ drift: Promise.resolve(undefined) }),
    undefined,
  ],
  [
    'has a namespace that nobody answers for',
    () => ({ drift: rejecting() }),
    { status: 503, message: 'namespaces are not known' },
  ],
]

for (const [what, facts, expected] of cases) {
  test(`a certificate that ${what} is ${expected === undefined ? 'accepted' : `refused: ${expected.message}`}`, async () => {
    requirement('gateway.expired-open-connection')
    const refusal = await judgeOnce(facts())
    assert.equal(refusal?.message, expected?.message)
    assert.equal(refusal?.status, expected?.status)
    assert.equal(refusal?.close, expected?.status === 403 ? true : undefined)
    assert.doesNotMatch(JSON.stringify(refusal?.data ?? {}), /secret/)
  })
}

test('as long as everything is known, judging takes no promise', () => {
  assert.equal(judgeOnce({}), undefined)
})

const echo = modern('tools/call', { name: 'echo', arguments: {} })

test('a certificate without our extension is no identity here', async () => {
  await using world = await openWorld({ identityExtensionOid: '1.3.6.1.4.1.32473.99' })
  const agent = await world.agent()
  const reply = await agent.post('/mcp/files', echo.body, echo.headers)
  assert.equal(reply.status, 403)
  assert.equal(whyOf(reply), 'certificate has no identity extension')
  assert.deepEqual(reply.json.error?.data, { decisionId: world.events[0]?.decisionId })
})

test('an identity that is refused is one decision, named by its certificate and by nothing of its message', async () => {
  await using world = await openWorld()
  const agent = await world.agent({ podUid: 'c0ffee00-0000-4000-8000-00000000beef' })
  world.revocations.set([{ name: 'leaked', tenant: 'acme', reason: 'secret' }])
  await agent.post('/mcp/files', echo.body, echo.headers)
  const [event, ...others] = world.events
  assert.deepEqual(others, [])
  assert.ok(event)
  const { asked, value, result } = event.evaluated
  const { subject, context, ...message } = JSON.parse(textOf(asked)) as Pick<
    DecisionInput,
    'subject' | 'context'
  >
  assert.equal(subject.id, event.requestedBy)
  assert.equal(subject.properties.pod.uid, 'c0ffee00-0000-4000-8000-00000000beef')
  assert.match(subject.properties.certificate.sha256, /^[0-9a-f]{64}$/)
  assert.deepEqual(Object.keys(context), ['time', 'door', 'phase'])
  assert.deepEqual(message, {})
  assert.equal(result, value)
  const code = 'identity-not-acceptable'
  assert.deepEqual(value, {
    allow: false,
    reasons: [
      { code, message: 'certificate is revoked', audience: 'agent' },
      { code, message: 'revocation leaked', audience: 'operator' },
    ],
    obligations: [],
  })
})

test('a certificate without our extension is kept by its SPIFFE ID and digest', async () => {
  await using world = await openWorld({ identityExtensionOid: '1.3.6.1.4.1.32473.99' })
  const agent = await world.agent()
  await agent.post('/mcp/files', echo.body, echo.headers)
  const [event] = world.events
  assert.ok(event)
  const { subject } = JSON.parse(textOf(event.evaluated.asked)) as Pick<DecisionInput, 'subject'>
  assert.equal(subject.id, 'spiffe://test.example/ns/agents/sa/agent')
  assert.deepEqual(Object.keys(subject.properties), ['certificate'])
})

test('a refused identity is told nothing more, and let go, when decisions cannot be recorded', async () => {
  await using world = await openWorld()
  const agent = await world.agent()
  world.revocations.set([{ name: 'leaked', tenant: 'acme', reason: 'secret' }])
  world.decisionLog.available = false
  const reply = await agent.post('/mcp/files', echo.body, echo.headers)
  assert.equal(reply.status, 503)
  assert.equal(reply.headers['connection'], 'close')
  assert.deepEqual(world.events, [])
})

test('what cannot be known about an identity is no decision about it', async () => {
  await using world = await openWorld()
  const agent = await world.agent()
  world.stale.pods = 1000
  const reply = await agent.post('/mcp/files', echo.body, echo.headers)
  assert.equal(whyOf(reply), 'pods are not known')
  // It has an id all the same, for the line in the log.
  assert.deepEqual(Object.keys(reply.json.error?.data ?? {}), ['decisionId'])
  assert.deepEqual(world.events, [])
})

test('one pod has so many requests open and no more', async () => {
  const release: (() => void)[] = []
  await using world = await openWorld({
    limits: { podInFlightMax: 2 },
    answers: {
      files: (message, response, request) => {
        const answer = (): void => answerBoth()(message, response, request)
        if (message.method === 'tools/call') release.push(answer)
        else answer()
      },
    },
  })
  // Requests that follow each other without waiting, as HTTP/1.1 allows.
  const socket = await world.rawConnection()
  const head = Object.entries({
    ...echo.headers,
    host: 'gateway.test',
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'content-length': String(Buffer.byteLength(echo.body)),
  })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  socket.write(`POST /mcp/files HTTP/1.1\r\n${head}\r\n${echo.body}`.repeat(3))
  await eventually('two calls are open', () => release.length === 2)
  for (const one of release) one()
  await eventually('all are answered', () => text.split('HTTP/1.1 ').length === 4)
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)
  assert.deepEqual(statuses, ['200', '200', '429'])
  assert.match(text, /^retry-after: 1\r$/im)
  socket.destroy()
})

test('one pod has so many connections and no more, until one of them ends', async () => {
  await using world = await openWorld({ limits: { podConnectionsMax: 1 } })
  const podUid = 'c0ffee00-0000-4000-8000-00000000beef'
  const ask = async (podUid: string): Promise<{ status: number; end: () => Promise<void> }> => {
    const agent = await world.agent({ podUid })
    const { status } = await agent.post('/mcp/files', echo.body, echo.headers)
    return { status, end: () => agent.client.destroy() }
  }
  const first = await ask(podUid)
  assert.equal(first.status, 200)
  assert.equal((await ask(podUid)).status, 429)
  assert.equal((await ask('c0ffee00-0000-4000-8000-00000000bee0')).status, 200)
  await first.end()
  await eventually('there is room again', async () => (await ask(podUid)).status === 200)
})

test('a pod is asked for under the tenant that its certificate names', () => {
  requirement('gateway.shares-for-all')
  let asked: readonly unknown[] = []
  void judgeOnce({ asked: (...pod) => (asked = pod) })
  const { pod, namespace, tenant } = identity
  assert.notEqual(tenant, undefined)
  assert.deepEqual(asked, [pod.uid, namespace.name, pod.name, tenant])
})
