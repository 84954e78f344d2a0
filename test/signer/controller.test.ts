import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { CountersignError } from '../../src/errors.ts'
import { silentLog } from '../../src/log.ts'
import { staticAuthoritySource } from '../../src/pki/authority.ts'
import type { ApiAnswer, ApiRequest } from '../../src/kubernetes/api-client.ts'
import { openSecretAuthorities } from '../../src/signer/anchors/secret-authorities.ts'
import { parseX509Svid } from '../../src/pki/x509-svid.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { readsOf, statusWrites } from '../support/fake-cluster.ts'
import { memoryLedger } from '../support/memory-ledger.ts'
import {
  newAuthority,
  populatedCluster,
  profile,
  putPod,
  putRequest,
  startSigner,
} from './signer-world.ts'
import type { SignerWorld } from './signer-world.ts'

function leafOf(chainPem: string | undefined): Buffer {
  const [, base64 = ''] = /BEGIN CERTIFICATE-----([^-]*)-----END/.exec(chainPem ?? '') ?? []
  return Buffer.from(base64, 'base64')
}

test('a request of a pod becomes a certificate, a record and an event', async () => {
  await using world = await startSigner(populatedCluster())
  putRequest(world.cluster)
  const status = await world.terminal()
  assert.equal(status.conditions[0].type, 'Issued')
  const svid = parseX509Svid(leafOf(status.certificateChain), {
    identityExtensionOid: profile.identityExtensionOid,
  })
  assert.equal(svid.spiffeId.uri, 'spiffe://example.org/ns/team-a/sa/worker')
  assert.deepEqual(svid.identity?.pod, { name: 'worker-0', uid: 'pod-uid' })
  await eventually('the result', () => world.ledger.records.length === 2)
  assert.deepEqual(
    world.ledger.records.map(({ kind }) => kind),
    ['issuance-intent', 'issuance-result'],
  )
  await eventually('the event', () => world.cluster.list('events').length === 1)
  assert.equal(world.cluster.list('events')[0]?.['reason'], 'CertificateIssued')
})

test('by a clock that is not the API server’s nothing is signed or denied, and the replica takes no share', async () => {
  requirement('signer.by-the-clock-of-the-cluster')
  const problem = 'the clock here is not that of the API server, want=within 60 s got=360 s ahead'
  let said: string | undefined
  await using world = await startSigner(populatedCluster(), {
    serverClock: { problem: () => said },
    propagationSeconds: 0,
  })
  await eventually('ready', () => world.signer.ready)
  said = problem
  putRequest(world.cluster)
  await eventually('that its pod is told', () =>
    world.cluster.list('events').some((event) => String(event['message']).includes(problem)),
  )
  assert.equal(world.signer.ready, false)
  assert.equal(reasonOf(world, 'clock'), problem)
  assert.equal(world.statusOf(), undefined)
  assert.deepEqual(world.ledger.records, [])
  said = undefined
  assert.equal((await world.terminal()).conditions[0].type, 'Issued')
})

test('a signer with a schedule prepares the next CA when that is due, and says what comes then', async (t) => {
  requirement('signer.rotates-by-schedule')
  const cluster = populatedCluster()
  const place = { namespace: 'countersign-system', name: 'countersign-authority' }
  // Older than a CA may sign: the next one is due.
  cluster.put('secrets', { metadata: { ...place, creationTimestamp: '2026-01-01T00:00:00Z' } })
  const day = 86_400
  const { trustDomain } = profile
  const made = { trustDomain, lifetimeSeconds: 400 * day, dnsSuffixes: ['svc'], now: Date.now }
  const secret = { client: cluster, ...place, ...made }
  const authorities = await openSecretAuthorities({ ...secret, log: silentLog })
  t.after(() => authorities[Symbol.asyncDispose]())
  const ask = (): Promise<ApiAnswer> =>
    Promise.resolve({ status: 200, headers: { date: new Date().toUTCString() }, text: '' })
  await using world = await startSigner(cluster, {
    authorities,
    propagationSeconds: 0,
    delay: (milliseconds, signal) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, Math.min(milliseconds, 50))
        signal?.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
      }),
    rotation: {
      schedule: { everySeconds: 30 * day, prepareBeforeSeconds: 7 * day },
      secret,
      probe: { ask },
      propagationSeconds: 0,
    },
  })
  await eventually('the next CA', () =>
    cluster.list('events').some((event) => event['reason'] === 'CaPrepared'),
  )
  await eventually('what comes next', () =>
    /^next: activate [0-9a-f]{12}, at 20/.test(reasonOf(world, 'rotation')),
  )
  await eventually('ready', () => world.signer.ready)
})

test('the trust bundle is published before anything is signed, and again only on difference', async () => {
  const cluster = populatedCluster()
  putRequest(cluster)
  await using world = await startSigner(cluster)
  await world.terminal()
  const writes = cluster.requests.filter(
    ({ method, path }) => method !== 'GET' && !path.endsWith('-members'),
  )
  assert.match(writes[0]?.path ?? '', /\/leases$/)
  assert.match(writes[1]?.path ?? '', /\/clustertrustbundles$/)
  const [lease] = cluster.list('leases')
  assert.deepEqual(
    [lease?.metadata.namespace, lease?.metadata.name],
    ['countersign-system', 'countersign-trust-bundle'],
  )
  assert.match(JSON.stringify(lease?.['spec']), /"holderIdentity":"signer-0_[0-9a-f]{16}"/)
  const [bundle] = cluster.list('clustertrustbundles')
  assert.equal(bundle?.metadata.name, 'countersign.dev:identity:example.org')
  assert.match(JSON.stringify(bundle?.['spec']), /BEGIN CERTIFICATE/)
})

test('a pod that the cache does not know yet is asked for, and issued', async () => {
  const cluster = populatedCluster()
  cluster.remove('pods', 'worker-0', 'team-a')
  await using world = await startSigner(cluster)
  await eventually('ready', () => world.signer.ready)
  cluster.pause('pods')
  putPod(cluster)
  putRequest(cluster)
  assert.equal((await world.terminal()).conditions[0].type, 'Issued')
})

test('a proven violation is denied with the message that its reader needs', async () => {
  const cluster = populatedCluster()
  putPod(cluster, { nodeName: 'node2' })
  await using world = await startSigner(cluster)
  putRequest(cluster)
  const [condition] = (await world.terminal()).conditions
  assert.equal(condition.type, 'Denied')
  assert.equal(condition.reason, 'NodeMismatch')
  assert.match(condition.message, /^nodeName: asked "node1"; proved pod is bound to "node2";/)
})

test('what only the cache says against a pod is no reason to deny it', async () => {
  requirement('signer.absence-is-asked-live')
  const cluster = populatedCluster()
  putPod(cluster, { nodeName: 'node2' })
  await using world = await startSigner(cluster)
  await eventually('ready', () => world.signer.ready)
  cluster.pause('pods')
  putPod(cluster)
  putRequest(cluster)
  assert.equal((await world.terminal()).conditions[0].type, 'Issued')
})

for (const fault of [
  { kind: 'refuse', status: 503 },
  { kind: 'refuse', status: 403, reason: 'Forbidden' },
  { kind: 'refuse', status: 404 },
  { kind: 'drop' },
] as const) {
  test(`a live read that meets ${JSON.stringify(fault)} proves nothing, and waits`, async () => {
    const cluster = populatedCluster()
    cluster.put('nodes', { metadata: { name: 'node1', uid: 'second-uid' } })
    // The cache holds a doubt, so each look at the cluster asks for the node: once, and once more before a refusal.
    cluster.fail(readsOf('nodes'), fault, 2)
    await using world = await startSigner(cluster)
    putRequest(cluster)
    const [condition] = (await world.terminal()).conditions
    assert.equal(condition.reason, 'NodeMismatch')
    const verdict = cluster.requests.findIndex(statusWrites)
    assert.equal(cluster.requests.slice(0, verdict).filter(readsOf('nodes')).length, 4)
  })
}

test('a request that is deleted while it waits is let go', async () => {
  const cluster = populatedCluster()
  cluster.maySign = false
  await using world = await startSigner(cluster)
  putRequest(cluster)
  await eventually('the result', () => world.ledger.records.length === 2)
  cluster.remove('podcertificaterequests', 'req-1', 'team-a')
  cluster.maySign = true
  putRequest(cluster, 'req-2')
  assert.equal((await world.terminal('req-2')).conditions[0].type, 'Issued')
  assert.equal(cluster.requests.filter(statusWrites).length, 2)
})

test('what time does not mend is told to the people of the pod at the first look', async () => {
  const cluster = populatedCluster()
  const policy = {
    decide: () => {
      throw new CountersignError('policy/undefined', 'told to')
    },
  }
  await using world = await startSigner(cluster, { issuancePolicy: policy })
  putRequest(cluster)
  await eventually('the event', () => cluster.list('events').length === 1)
  const [event] = cluster.list('events')
  assert.equal(event?.['reason'], 'CertificatePending')
  assert.equal(event?.['message'], 'issuance policy: gives no answer: policy/undefined')
  assert.equal(world.statusOf(), undefined)
  assert.deepEqual(world.ledger.records, [])
})

test('an answer that was lost is read back, and nothing is published twice', async () => {
  const cluster = populatedCluster()
  await using world = await startSigner(cluster)
  cluster.fail(statusWrites, { kind: 'lose' })
  putRequest(cluster)
  await world.terminal()
  await eventually('the result', () => world.ledger.records.length === 2)
  const result = world.ledger.records[1]
  assert.ok(result?.kind === 'issuance-result')
  assert.equal(result.outcome, 'published')
  assert.equal(cluster.requests.filter(statusWrites).length, 1)
})

test('of two replicas that take the same requests one publishes each, and both records say so', async () => {
  requirement('signer.terminal-is-final')
  const cluster = populatedCluster()
  const authorities = staticAuthoritySource(newAuthority())
  await using one = await startSigner(cluster, { authorities })
  await using other = await startSigner(cluster, { authorities, replica: 'signer-1' })
  await eventually('ready', () => one.signer.ready && other.signer.ready)
  const names = Array.from({ length: 20 }, (_, index) => `req-${index}`)
  for (const name of names) putRequest(cluster, name)
  for (const name of names) assert.equal((await one.terminal(name)).conditions[0].type, 'Issued')
  const settled = ({ ledger }: SignerWorld): boolean => {
    const intents = ledger.records.filter(({ kind }) => kind === 'issuance-intent')
    return ledger.records.length === 2 * intents.length
  }
  await eventually('the results', () => settled(one) && settled(other))
  const published = [...one.ledger.records, ...other.ledger.records].filter(
    (record) => record.kind === 'issuance-result' && record.outcome === 'published',
  )
  assert.deepEqual(new Set(published.map(({ request }) => request.name)), new Set(names))
  assert.equal(published.length, names.length)
})

test('without the right to sign a request stays pending', async () => {
  const cluster = populatedCluster()
  cluster.maySign = false
  await using world = await startSigner(cluster)
  putRequest(cluster)
  await eventually('the result', () => world.ledger.records.length === 2)
  const result = world.ledger.records[1]
  assert.ok(result?.kind === 'issuance-result')
  assert.equal(result.outcome, 'unpublished')
  assert.equal(world.statusOf(), undefined)
})

test('a request of another signer is left alone', async () => {
  const cluster = populatedCluster()
  await using world = await startSigner(cluster, { signerName: 'example.com/other' })
  await eventually('ready', () => world.signer.ready)
  putRequest(cluster)
  // As many turns as a request of ours takes, and more.
  for (let turn = 0; turn < 200; turn += 1) await new Promise(setImmediate)
  assert.equal(world.statusOf(), undefined)
  assert.deepEqual(world.ledger.records, [])
})

test('intents of an earlier run are settled at the start', async () => {
  const cluster = populatedCluster()
  const first = await startSigner(cluster)
  cluster.fail(statusWrites, { kind: 'lose' })
  cluster.fail(readsOf('podcertificaterequests'), { kind: 'drop' }, 1000)
  putRequest(cluster)
  await first.terminal()
  await using _ = first
  const records = first.ledger.records.map((record, index) => ({ index, record }))
  assert.equal(records.length, 1, 'the first run could not tell what became of its write')
  await first.stop()
  const healed = populatedCluster()
  await using second = await startSigner(healed, {
    records: async function* () {
      yield* records
    },
  })
  await eventually('the result', () => second.ledger.records.length === 1)
  const [result] = second.ledger.records
  assert.ok(result?.kind === 'issuance-result')
  assert.equal(result.outcome, 'unknown', 'the request is gone, so nobody can tell')
})

const memberWrites = ({ method, path }: ApiRequest): boolean =>
  method === 'PATCH' && path.endsWith('-members')

test('a signer that is told to end leaves its share to the others before it finishes what it began', async () => {
  requirement('signer.one-replica-a-request')
  const cluster = populatedCluster()
  const begun = Promise.withResolvers<void>()
  const recording = Promise.withResolvers<void>()
  const memory = memoryLedger()
  const ledger: typeof memory = {
    ...memory,
    async append(record) {
      begun.resolve()
      await recording.promise
      return memory.append(record)
    },
  }
  await using world = await startSigner(cluster, { ledger })
  await eventually('ready', () => world.signer.ready)
  putRequest(cluster)
  await begun.promise
  const stopped = world.stop()
  await eventually('it has left', () =>
    cluster.requests.some((each) => memberWrites(each) && /":null/.test(JSON.stringify(each.body))),
  )
  assert.equal(world.statusOf(), undefined)
  recording.resolve()
  await stopped
  assert.equal(world.statusOf()?.conditions[0].type, 'Issued')
})

test('a signer that is told to end finishes what it began', async () => {
  const cluster = populatedCluster()
  await using world = await startSigner(cluster)
  await eventually('ready', () => world.signer.ready)
  putRequest(cluster)
  await eventually('the intent', () => world.ledger.records.length > 0)
  await world.stop()
  assert.equal(world.signer.ready, false)
  assert.equal(world.ledger.records.length, 2)
  assert.equal(world.statusOf()?.conditions[0].type, 'Issued')
})

test('a signer that is told to end before its anchors are published ends without a failure', async () => {
  const cluster = populatedCluster()
  const bundles = ({ path }: ApiRequest): boolean => path.includes('/clustertrustbundles')
  cluster.fail(bundles, { kind: 'drop' }, 1000)
  const world = await startSigner(cluster)
  await eventually('asked', () => cluster.requests.some(bundles))
  await eventually('the watches', () =>
    cluster.requests.some(({ path }) => path.endsWith('/nodes')),
  )
  assert.deepEqual(cluster.requests.filter(memberWrites), [], 'no share of what it cannot sign')
  await world.stop()
  await world.ended
  // What it waited for is closed by now; its failure must have found somebody to tell, or nobody to mind.
  await new Promise((resolve) => setImmediate(resolve))
})

/** A wait that is over as soon as everybody else has had a turn. */
const hurried = (_milliseconds: number, signal: AbortSignal): Promise<void> =>
  nextTurn(undefined, { signal })

function reasonOf({ signer }: SignerWorld, name: string): string {
  return signer.conditions().find((condition) => condition.name === name)?.reason ?? ''
}

test('a cluster without certificate requests is said with what to do, and served once it has them', async () => {
  const cluster = populatedCluster()
  const served = new Map(cluster.served)
  cluster.served.clear()
  await using world = await startSigner(cluster, { delay: hurried })
  await eventually('the reason', () =>
    /want=certificates.k8s.io\/v1 or v1beta1 got=neither\. Kubernetes 1\.37 serves it/.test(
      reasonOf(world, 'watch podcertificaterequests'),
    ),
  )
  assert.equal(world.signer.ready, false)
  for (const [version, plurals] of served) cluster.served.set(version, plurals)
  putRequest(cluster)
  assert.equal((await world.terminal()).conditions[0].type, 'Issued')
  await eventually('ready', () => world.signer.ready)
})

test('a control plane that is upgraded under a running signer is followed in the version that it serves then', async () => {
  const cluster = populatedCluster()
  const plurals = cluster.served.get('certificates.k8s.io/v1') ?? []
  cluster.served.clear()
  cluster.served.set('certificates.k8s.io/v1beta1', plurals)
  await using world = await startSigner(cluster, { delay: hurried })
  await eventually('ready', () => world.signer.ready)
  const followsV1 = (): boolean =>
    cluster.requests.some(
      ({ path }) => path === '/apis/certificates.k8s.io/v1/podcertificaterequests',
    )
  assert.equal(followsV1(), false)
  cluster.served.clear()
  cluster.served.set('certificates.k8s.io/v1', plurals)
  await eventually('it is followed anew', followsV1)
  await eventually('ready again', () => world.signer.ready)
  putRequest(cluster)
  assert.equal((await world.terminal()).conditions[0].type, 'Issued')
})

test('without the right to sign nothing is begun, the pod is told at once, and a right that is given is found', async () => {
  const cluster = populatedCluster()
  cluster.denied.add('sign signers')
  cluster.maySign = false
  await using world = await startSigner(cluster)
  await eventually('an answer', () => reasonOf(world, 'rights').startsWith('missing: '))
  putRequest(cluster)
  await eventually('the event', () => cluster.list('events').length === 1)
  assert.equal(
    cluster.list('events')[0]?.['message'],
    'the signer lacks a right: sign signers.certificates.k8s.io with the name countersign.dev/identity',
  )
  assert.equal(world.signer.ready, false)
  assert.match(
    reasonOf(world, 'rights'),
    /^missing: sign signers\.certificates\.k8s\.io with the name/,
  )
  assert.deepEqual(world.ledger.records, [])
  cluster.denied.clear()
  cluster.maySign = true
  assert.equal((await world.terminal()).conditions[0].type, 'Issued')
  assert.equal(world.signer.ready, true)
})

test('while the signer cannot start, the pods that wait are told why, each once', async () => {
  const cluster = populatedCluster()
  const bundles = ({ path }: ApiRequest): boolean => path.includes('/clustertrustbundles')
  cluster.fail(bundles, { kind: 'refuse', status: 403, reason: 'Forbidden' }, 1_000_000)
  putRequest(cluster)
  await using world = await startSigner(cluster, { delay: hurried })
  await eventually('the event', () => cluster.list('events').length > 0)
  const message = String(cluster.list('events')[0]?.['message'])
  assert.match(
    message,
    /^the signer is not ready: .*trust-bundle: .* is not published: .*status 403/,
  )
  await eventually('more looks', () => cluster.requests.filter(bundles).length > 3)
  assert.equal(cluster.list('events').length, 1)
  assert.equal(world.signer.ready, false)
})

test('without ClusterTrustBundles it issues and warns, and publishes once they are served', async () => {
  const cluster = populatedCluster()
  const all = cluster.served.get('certificates.k8s.io/v1') ?? []
  cluster.served.set('certificates.k8s.io/v1', ['podcertificaterequests'])
  const waits: (() => void)[] = []
  const delay = (_: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      waits.push(resolve)
      signal.addEventListener('abort', () => resolve())
    })
  await using world = await startSigner(cluster, { delay })
  await eventually('ready', () => world.signer.ready)
  const warning = world.signer.conditions().find(({ name }) => name === 'trust-bundle')
  assert.deepEqual([warning?.ok, warning?.optional], [false, true])
  assert.match(warning?.reason ?? '', /clustertrustbundles\.certificates\.k8s\.io are not served/)
  putRequest(cluster)
  assert.equal((await world.terminal()).conditions[0].type, 'Issued')
  cluster.served.set('certificates.k8s.io/v1', all)
  for (const over of waits) over()
  await eventually('the bundle', () => cluster.list('clustertrustbundles').length === 1)
  await eventually('said', () => reasonOf(world, 'trust-bundle').endsWith(' is published'))
})

test('every condition has its name and its reason, and all hold when it is ready', async () => {
  await using world = await startSigner(populatedCluster())
  await eventually('ready', () => world.signer.ready)
  const conditions = world.signer.conditions()
  assert.deepEqual(
    conditions.map(({ name }) => name),
    [
      'kubernetes',
      'rights',
      'authority',
      'ledger',
      'watch podcertificaterequests',
      'watch pods',
      'watch namespaces',
      'watch serviceaccounts',
      'watch nodes',
      'watch services',
      'trust-bundle',
    ],
  )
  assert.ok(conditions.every(({ ok, reason }) => ok && reason.length > 5))
  await world.stop()
  assert.equal(world.signer.ready, false)
})

test('an authority that ends is said by readiness, with its end', async () => {
  const ended = { ...newAuthority(), notAfter: new Date(Date.now() - 1000) }
  await using world = await startSigner(populatedCluster(), {
    authorities: staticAuthoritySource(ended),
  })
  await eventually('said', () => reasonOf(world, 'authority').startsWith('has ended at '))
  assert.equal(world.signer.ready, false)
})

test('an API server that does not answer yet is waited for', async () => {
  const cluster = populatedCluster()
  const discovery = ({ path }: ApiRequest): boolean => path === '/apis/certificates.k8s.io/v1'
  cluster.fail(discovery, { kind: 'drop' })
  // The second question is about trust bundles.
  cluster.fail((request) => discovery(request) && cluster.requests.filter(discovery).length > 2, {
    kind: 'refuse',
    status: 503,
  })
  await using world = await startSigner(cluster)
  await eventually('ready', () => world.signer.ready)
})

test('a cluster without trust bundles is served all the same', async () => {
  const cluster = populatedCluster()
  cluster.served.set('certificates.k8s.io/v1', ['podcertificaterequests'])
  await using world = await startSigner(cluster)
  putRequest(cluster)
  assert.equal((await world.terminal()).conditions[0].type, 'Issued')
  assert.deepEqual(cluster.list('clustertrustbundles'), [])
})

test('a ledger that takes no records ends the signer, because only opening it again can help', async () => {
  const ledger = memoryLedger()
  ledger.breakNext()
  await using world = await startSigner(populatedCluster(), { ledger })
  putRequest(world.cluster)
  await assert.rejects(world.ended, (error: unknown) => {
    return error instanceof CountersignError && error.code === 'ledger/unavailable'
  })
  assert.equal(world.statusOf(), undefined)
  assert.equal(world.cluster.requests.filter(statusWrites).length, 0)
})

test('every verdict and every certificate is a line in the log, with the pod that it is about', async () => {
  const said: { readonly message: string; readonly namespace?: string; readonly pod?: string }[] =
    []
  const info = (fields: object, message: string): void => void said.push({ ...fields, message })
  const cluster = populatedCluster()
  await using world = await startSigner(cluster, { log: { ...silentLog, info } })
  putRequest(cluster)
  await world.terminal()
  putPod(cluster, { nodeName: 'node2' })
  putRequest(cluster, 'req-2')
  await world.terminal('req-2')
  const lines = said.filter(({ message }) =>
    /^(certificate is issued|request is denied)$/.test(message),
  )
  assert.deepEqual(
    lines.map(({ message, namespace, pod }) => [message, namespace, pod]),
    [
      ['certificate is issued', 'team-a', 'worker-0'],
      ['request is denied', 'team-a', 'worker-0'],
    ],
  )
})
