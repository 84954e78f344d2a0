import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Cluster } from '../../dev/cluster.ts'
import { encodeCertificateRequest } from '../../dev/kubelet/certificate-request.ts'
import { createApiClient } from '../../src/kubernetes/api-client.ts'
import type { LedgerRecord } from '../../src/ledger/record.ts'
import { signerName } from '../signer/asked.ts'
import { startSigner, type SignerWorld } from '../signer/signer-world.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { FakeCluster } from '../support/fake-cluster.ts'
import {
  startFaultProxy,
  type Asked,
  type FaultProxy,
  type ProxyFault,
} from '../support/fault-proxy.ts'
import { createPlainClient, type PlainClient } from '../support/plain-client.ts'
import { startRealCluster } from '../support/real-cluster.ts'
import { createTestAuthority } from '../support/test-authority.ts'
import { specOfAskingPod } from '../support/asking-pod.ts'

const namespace = 'team-a'
const system = 'countersign-system'
const node = 'node-b'
const requestsPath = `/apis/certificates.k8s.io/v1/namespaces/${namespace}/podcertificaterequests`

let cluster: Cluster
let admin: PlainClient
let signerKubeconfig: string
const uids = { account: '', node: '' }
const programs: ChildProcess[] = []

before(async () => {
  cluster = await startRealCluster({})
  admin = await createPlainClient(cluster.adminKubeconfig)
  for (const name of [namespace, system]) await create('/api/v1/namespaces', { metadata: { name } })
  const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`
  uids.account = (await create(accounts, { metadata: { name: 'worker' } })).metadata.uid
  uids.node = (await admin({ path: `/api/v1/nodes/${node}` })).body.metadata.uid
  const leases = `/apis/coordination.k8s.io/v1/namespaces/${system}/leases`
  for (const name of ['countersign-trust-bundle', 'countersign-trust-bundle-members']) {
    await create(leases, { metadata: { name } })
  }
  signerKubeconfig = await cluster.kubeconfigFor({ name: 'signer', groups: ['system:masters'] })
})

after(async () => {
  for (const child of programs) child.kill('SIGKILL')
  // Undefined when the start itself was the failure.
  await (cluster as Cluster | undefined)?.[Symbol.asyncDispose]()
})

async function create(path: string, body: object): Promise<{ metadata: { uid: string } }> {
  const answer = await admin({ method: 'POST', path, body })
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  return answer.body
}

async function createPod(name: string): Promise<string> {
  const pod = await create(`/api/v1/namespaces/${namespace}/pods`, {
    metadata: { name },
    spec: specOfAskingPod(node, { signerName }),
  })
  return pod.metadata.uid
}

function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

async function createRequest(name: string, podUid: string, privateKey = newKey()): Promise<void> {
  await create(requestsPath, {
    metadata: { name },
    spec: {
      signerName,
      podName: name,
      podUID: podUid,
      serviceAccountName: 'worker',
      serviceAccountUID: uids.account,
      nodeName: node,
      nodeUID: uids.node,
      maxExpirationSeconds: 3600,
      stubPKCS10Request: encodeCertificateRequest({ privateKey }).toString('base64'),
    },
  })
}

async function conditionOf(
  name: string,
  member: 'type' | 'reason' = 'type',
): Promise<string | undefined> {
  const { body } = await admin({ path: `${requestsPath}/${name}` })
  return body.status.conditions?.[0]?.[member]
}

/** Asks for another pod with each of the keys, and gives the reasons of the answers. */
async function reasonsForCopies(
  keys: ReadonlyMap<string, KeyObject>,
  suffix: string,
): Promise<ReadonlySet<string | undefined>> {
  const names = [...keys.keys()].map((name) => `${name}-${suffix}`)
  for (const [name, key] of keys) {
    const copy = `${name}-${suffix}`
    await createRequest(copy, await createPod(copy), key)
  }
  const reasons = (): Promise<(string | undefined)[]> =>
    Promise.all(names.map((name) => conditionOf(name, 'reason')))
  await eventually('all answered', async () => !(await reasons()).includes(undefined), 60)
  return new Set(await reasons())
}

/** A signer in this process, whose every octet to the API server goes through the proxy. */
async function startBehind(proxy: FaultProxy): Promise<SignerWorld> {
  const client = createApiClient({ kubeconfig: proxy.kubeconfig })
  const world = await startSigner(new FakeCluster(), { client, propagationSeconds: 0 })
  return {
    ...world,
    async [Symbol.asyncDispose]() {
      await world.stop().catch(() => {})
      client.close()
    },
  }
}

const isWatch = ({ query }: Asked): boolean => query.has('watch')
const isList =
  (plural: string) =>
  ({ method, path, query }: Asked): boolean =>
    method === 'GET' && path.endsWith(`/${plural}`) && !query.has('watch')
const isStatusWrite = ({ method, path }: Asked): boolean =>
  method === 'PATCH' && path.endsWith('/status')

const errorEvent = (code: number, reason: string): ProxyFault => ({
  kind: 'stream',
  lines: [{ type: 'ERROR', object: { kind: 'Status', status: 'Failure', code, reason } }],
})
const text = (status: number, headers: Record<string, string> = {}): ProxyFault => ({
  kind: 'answer',
  status,
  headers,
  body: 'default backend - 404',
})

/** What happens so often to the first requests of a kind; the certificate comes all the same, once. */
const faults: readonly {
  readonly what: string
  readonly picks: (asked: Asked) => boolean
  readonly fault: ProxyFault
  readonly times: number
}[] = [
  { what: 'watches end with ERROR 500', picks: isWatch, fault: errorEvent(500, ''), times: 8 },
  {
    what: 'watches end with ERROR 410',
    picks: isWatch,
    fault: errorEvent(410, 'Expired'),
    times: 8,
  },
  { what: 'watches end at once', picks: isWatch, fault: { kind: 'stream', lines: [] }, times: 8 },
  { what: 'watches are answered 404 as text', picks: isWatch, fault: text(404), times: 8 },
  {
    what: 'lists are answered 429 with Retry-After',
    picks: isList('podcertificaterequests'),
    fault: text(429, { 'retry-after': '1' }),
    times: 2,
  },
  { what: 'lists are answered 404 as text', picks: isList('pods'), fault: text(404), times: 2 },
  {
    what: 'the status is answered 429 with Retry-After',
    picks: isStatusWrite,
    fault: text(429, { 'retry-after': '1' }),
    times: 2,
  },
  { what: 'the status is answered 404 as text', picks: isStatusWrite, fault: text(404), times: 2 },
  { what: 'the status is answered 500', picks: isStatusWrite, fault: text(500), times: 2 },
  { what: 'the status finds no answer', picks: isStatusWrite, fault: { kind: 'cut' }, times: 2 },
  {
    what: 'the status is written, unheard',
    picks: isStatusWrite,
    fault: { kind: 'lose' },
    times: 1,
  },
]

function assertSettled(records: readonly LedgerRecord[]): void {
  const intents = records.filter(({ kind }) => kind === 'issuance-intent')
  const results = records.filter((record) => record.kind === 'issuance-result')
  assert.equal(results.length, intents.length)
  assert.equal(results.filter(({ outcome }) => outcome === 'published').length, 1)
  assert.ok(records.every(({ kind }) => kind !== 'issuance-refusal'))
}

for (const { what, picks, fault, times } of faults) {
  test(`a certificate comes all the same, and one, where ${what}`, async () => {
    requirement('kubernetes.forgiving-client')
    await using proxy = await startFaultProxy(signerKubeconfig)
    let left = times
    proxy.faultOf = (asked) => {
      if (left === 0 || !picks(asked)) return undefined
      left -= 1
      return fault
    }
    const name = `pod-${faults.findIndex((each) => each.what === what)}`
    const podUid = await createPod(name)
    await using world = await startBehind(proxy)
    await createRequest(name, podUid)
    await eventually('a condition', async () => (await conditionOf(name)) !== undefined)
    assert.equal(await conditionOf(name), 'Issued')
    await eventually('the result', () =>
      world.ledger.records.some((record) => {
        return record.kind === 'issuance-result' && record.outcome === 'published'
      }),
    )
    assert.ok(left < times, 'nothing met the fault')
    assertSettled(world.ledger.records)
  })
}

for (const [what, fault] of [
  ['end with ERROR 500', errorEvent(500, '')],
  ['end with ERROR 410', errorEvent(410, 'Expired')],
  ['end at once', { kind: 'stream', lines: [] }],
  ['are answered 404 as text', text(404)],
] as const) {
  test(`watches that always ${what} make no busy loop`, async () => {
    requirement('kubernetes.forgiving-client')
    await using proxy = await startFaultProxy(signerKubeconfig)
    proxy.faultOf = (asked) => (isWatch(asked) ? fault : undefined)
    await using world = await startBehind(proxy)
    await eventually('a watch', () => proxy.asked.some(isWatch))
    await delay(5000)
    assert.deepEqual(world.ledger.records, [])
    const ofPods = proxy.asked.filter(({ path }) => path === '/api/v1/pods')
    assert.ok(ofPods.length >= 2 && ofPods.length <= 16, String(ofPods.length))
  })
}

test('a pod that only a load balancer calls absent is not denied', async () => {
  requirement('kubernetes.absence-is-proved')
  await using proxy = await startFaultProxy(signerKubeconfig)
  proxy.faultOf = ({ method, path }) =>
    method === 'GET' && path.endsWith('/pods/ghost') ? text(404) : undefined
  await using world = await startBehind(proxy)
  await createRequest('ghost', 'no-such-uid')
  const looked = (): number => proxy.asked.filter(({ path }) => path.endsWith('/pods/ghost')).length
  await eventually('three looks', () => looked() >= 3)
  assert.equal(await conditionOf('ghost'), undefined)
  assert.deepEqual(world.ledger.records, [])
  proxy.faultOf = () => undefined
  await eventually('a condition', async () => (await conditionOf('ghost')) !== undefined)
  assert.equal(await conditionOf('ghost'), 'Denied')
})

interface Replica {
  readonly child: ChildProcess
  records(): Promise<readonly LedgerRecord[]>
  living(): Promise<number>
}

async function startReplica(folder: string, name: string): Promise<Replica> {
  const ledger = join(folder, `${name}.ledger`)
  const file = join(folder, `${name}.json`)
  await writeFile(
    file,
    JSON.stringify({
      trustDomain: 'test.example',
      cluster: 'test',
      signerName,
      kubeconfig: signerKubeconfig,
      replica: name,
      authority: {
        files: { certificate: join(folder, 'ca.pem'), privateKey: join(folder, 'ca-key.pem') },
      },
      production: false,
      trustBundle: { propagationSeconds: 0 },
      ledger: { file: ledger },
      admin: { port: 0 },
    }),
  )
  const main = join(import.meta.dirname, '../../src/cli/main.ts')
  const child = spawn(process.execPath, [main, 'signer', '--config', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  programs.push(child)
  let said = ''
  const hear = (chunk: Buffer): void => void (said += chunk.toString('utf8'))
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  // A port of our own choice may be that of somebody else's connection.
  const admin = (): string | undefined => /"admin":"([^"]+)"/.exec(said)?.[1]
  const page = async (path: string): Promise<Response | undefined> =>
    fetch(new URL(path, admin())).catch(() => undefined)
  const isReady = async (): Promise<boolean> =>
    admin() !== undefined && (await page('/readyz'))?.ok === true
  child.once('exit', (code) => (said += `\nended with ${code}`))
  await eventually('a ready replica', isReady, 40).catch(() => assert.fail(said.slice(-4000)))
  return {
    child,
    async records() {
      const lines = (await readFile(ledger, 'utf8')).trimEnd().split('\n')
      return lines
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line.slice(line.indexOf(' ') + 1)) as LedgerRecord)
    },
    async living() {
      const body = (await (await page('/metrics'))?.text()) ?? ''
      return Number(/^countersign_signer_replicas (\d+)$/m.exec(body)?.[1] ?? 0)
    },
  }
}

function intentsOf(records: readonly LedgerRecord[]): readonly string[] {
  return records.flatMap((record) =>
    record.kind === 'issuance-intent' ? [record.request.name] : [],
  )
}

test('two replicas share the requests and refuse copied keys, and one takes the share of the other that is killed', async () => {
  requirement('signer.one-replica-a-request')
  requirement('signer.key-of-one-pod')
  const folder = await mkdtemp(join(tmpdir(), 'countersign-replicas-'))
  try {
    const { certificatePem, privateKeyPem } = createTestAuthority()
    await writeFile(join(folder, 'ca.pem'), certificatePem)
    await writeFile(join(folder, 'ca-key.pem'), privateKeyPem, { mode: 0o600 })
    const one = await startReplica(folder, 'one')
    const two = await startReplica(folder, 'two')
    const bothSee = async (): Promise<boolean> =>
      (await one.living()) === 2 && (await two.living()) === 2
    await eventually('that they see each other', bothSee)
    const names = Array.from({ length: 24 }, (_, index) => `shared-${index}`)
    const issued = async (some: readonly string[]): Promise<boolean> => {
      const conditions = await Promise.all(some.map((name) => conditionOf(name)))
      return conditions.every((condition) => condition === 'Issued')
    }
    const keys = new Map(names.map((name) => [name, newKey()]))
    for (const [name, key] of keys) await createRequest(name, await createPod(name), key)
    await eventually('all issued', () => issued(names))
    const shares = [intentsOf(await one.records()), intentsOf(await two.records())] as const
    assert.deepEqual([...shares[0], ...shares[1]].toSorted(), names.toSorted())
    assert.ok(shares.every((share) => share.length > 3))
    assert.deepEqual(await reasonsForCopies(keys, 'copied'), new Set(['KeyAlreadyIssued']))

    for (const name of names) await admin({ method: 'DELETE', path: `${requestsPath}/${name}` })
    one.child.kill('SIGKILL')
    await once(one.child, 'exit')
    const later = Array.from({ length: 12 }, (_, index) => `later-${index}`)
    for (const name of later) await createRequest(name, await createPod(name))
    await eventually('all issued by the other', () => issued(later), 60)
    assert.deepEqual(
      intentsOf(await two.records())
        .filter((name) => name.startsWith('later'))
        .toSorted(),
      later.toSorted(),
    )
    assert.deepEqual(await reasonsForCopies(keys, 'later'), new Set(['KeyAlreadyIssued']))
  } finally {
    for (const child of programs) child.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  }
})
