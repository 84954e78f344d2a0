import assert from 'node:assert/strict'
import { test } from 'node:test'
import { certificateSigningRequests } from '../../../src/kubernetes/certificate-signing-request.ts'
import type { PodCertificateRequest } from '../../../src/kubernetes/pod-certificate-request.ts'
import type { IssuancePorts, PodEvent } from '../../../src/signer/issue/ports.ts'
import { deniedStatus, issuedStatus } from '../../../src/signer/verdict/condition.ts'
import { denied } from '../../../src/signer/verdict/evaluate.ts'
import { askedByPod } from '../../../src/signer/watch/asked-by-pod.ts'
import { signingRequestPorts } from '../../../src/signer/watch/signing-request-ports.ts'
import { requirement } from '../../requirements.ts'
import { FakeCluster } from '../../support/fake-cluster.ts'
import { signingRequest } from '../signing-request.ts'

const { signal } = new AbortController()
const now = Date.parse('2026-11-20T10:00:00Z')
const field = { field: 'role', asked: 'a', proved: 'b', change: 'c' }
const refusal = deniedStatus(denied({ reason: 'RoleNotProved', fields: [field] }), new Date(now))
const issued = issuedStatus(
  {
    chainPem: 'a chain',
    serialNumber: '01',
    notBefore: new Date(now),
    notAfter: new Date(now),
    beginRefreshAt: new Date(now),
  },
  new Date(now),
)
const byHand = { type: 'Approved', status: 'True', reason: 'ByHand', lastUpdateTime: 'then' }

interface Told {
  readonly cluster: FakeCluster
  readonly ports: IssuancePorts
  readonly events: PodEvent[]
  readonly target: () => PodCertificateRequest
}

function open(options: { readonly approve?: boolean; readonly status?: object } = {}): Told {
  const { approve = true, status = {} } = options
  const cluster = new FakeCluster()
  cluster.put('certificatesigningrequests', signingRequest('csr-1', { status }))
  const events: PodEvent[] = []
  const ports = signingRequestPorts({
    client: cluster,
    ports: {
      gather: () => Promise.reject(new Error('not asked for')),
      changed: () => undefined,
      emitEvent: (event) => events.push(event),
    },
    approve,
    now: () => now,
  })
  const raw = (): unknown => cluster.get('certificatesigningrequests', 'csr-1')
  return {
    cluster,
    ports,
    events,
    target: () => askedByPod(certificateSigningRequests.parse(raw())),
  }
}

test('a certificate is written where an approval stands, and nowhere else', async () => {
  requirement('signer.approved-before-signed')
  const { cluster, ports, target } = open()
  const answer = await ports.publish(target(), issued, signal)
  assert.deepEqual(answer, { kind: 'rejected', status: 0, detail: 'it is not approved' })
  assert.deepEqual(cluster.requests, [])
  const approved = open({ status: { conditions: [byHand] } })
  assert.deepEqual(await approved.ports.publish(approved.target(), issued, signal), {
    kind: 'written',
  })
  assert.equal(approved.target().status.terminal?.certificateChain, 'a chain')
  const [{ path, body } = { path: '', body: {} }] = approved.cluster.requests
  assert.match(path, /certificatesigningrequests\/csr-1\/status$/)
  assert.deepEqual((body as { status: object }).status, {
    certificate: Buffer.from('a chain').toString('base64'),
  })
})

test('a denial keeps the conditions of others, and is written by who approves, where nobody has', async () => {
  const other = { type: 'Seen', status: 'True', reason: 'ByAnother' }
  const { cluster, ports, target } = open({ status: { conditions: [other] } })
  assert.deepEqual(await ports.publish(target(), refusal, signal), { kind: 'written' })
  const [{ path, body } = { path: '', body: {} }] = cluster.requests
  assert.match(path, /certificatesigningrequests\/csr-1\/approval$/)
  const { conditions } = (body as { status: { conditions: { type: string }[] } }).status
  assert.deepEqual(conditions[0], other)
  assert.equal(conditions[1]?.type, 'Denied')
  const approved = open({ status: { conditions: [byHand] } })
  const taken = await approved.ports.publish(approved.target(), refusal, signal)
  assert.match(JSON.stringify(taken), /left.*it is approved/)
  const signing = open({ approve: false })
  const left = await signing.ports.publish(signing.target(), refusal, signal)
  assert.match(JSON.stringify(left), /left.*its approver has to deny it/)
  assert.deepEqual([...approved.cluster.requests, ...signing.cluster.requests], [])
})

test('a request is read under its own UID only, and who is no pod is told nothing', async () => {
  const { ports, target, events } = open()
  const { metadata } = target()
  assert.equal((await ports.read(metadata, signal))?.metadata.uid, metadata.uid)
  assert.equal(await ports.read({ ...metadata, uid: 'earlier' }, signal), undefined)
  assert.equal(await ports.read({ ...metadata, name: 'none' }, signal), undefined)
  const event = { type: 'Warning', reason: 'CertificateDenied', message: 'no' } as const
  ports.emitEvent({ ...event, pod: { namespace: '', name: '', uid: '' } })
  assert.equal(events.length, 0)
  ports.emitEvent({ ...event, pod: { namespace: 'team-a', name: 'worker-0', uid: 'pod-uid' } })
  assert.equal(events.length, 1)
})
