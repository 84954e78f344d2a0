import assert from 'node:assert/strict'
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { mkdtemp, readFile, readlink, realpath, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { realDelay } from '../../../src/kubernetes/backoff.ts'
import { startKubelet, type Kubelet } from '../../../dev/kubelet/kubelet.ts'
import { silentLog } from '../../../src/log.ts'
import { eventually } from '../../support/eventually.ts'
import { startApiWorld, type Answer, type ApiWorld } from '../control-plane/api-world.ts'
import { createHandSigner, type HandSigner, type Request } from './hand-signer.ts'

const minute = 60_000
const pods = '/api/v1/namespaces/default/pods'
const requestsPath = '/apis/certificates.k8s.io/v1/namespaces/default/podcertificaterequests'
const bundles = '/apis/certificates.k8s.io/v1/clustertrustbundles'

let world: ApiWorld
let kubelet: Kubelet
let signer: HandSigner
let folder: string
/** Lets the kubelet's periodic pass happen: its own pace is a minute or two. */
let pass: () => void
const started: string[] = []
const stopped: string[] = []
const failOnce = new Set<string>()

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-kubelet-'))
  world = await startApiWorld()
  const now = (): number => Date.now() + world.clockOffset
  signer = await createHandSigner({ admin: world.admin, now })
  const user = { name: 'system:node:n1', groups: ['system:nodes'] }
  let nextPass = Promise.withResolvers<void>()
  pass = () => {
    nextPass.resolve()
    nextPass = Promise.withResolvers()
  }
  kubelet = await startKubelet({
    nodeName: 'n1',
    kubeconfig: await world.kubeconfig(join(folder, 'node.json'), user),
    folder: join(folder, 'n1'),
    log: silentLog,
    now,
    random: () => 0,
    delay: (milliseconds, signal) => {
      if (milliseconds < minute) return realDelay(milliseconds, signal)
      const aborted = new Promise<void>((resolve) =>
        signal.addEventListener('abort', () => resolve()),
      )
      return Promise.race([nextPass.promise, aborted])
    },
    runContainer: (pod, volumes) => {
      const { name } = pod.metadata
      if (failOnce.delete(name)) return Promise.reject(new Error('not this time'))
      started.push(`${name} ${Object.keys(volumes).join(' ')}`)
      return Promise.resolve({
        stop: () => {
          stopped.push(name)
          return Promise.resolve()
        },
      })
    },
  })
})
after(async () => {
  await kubelet[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

function podWith(name: string, ...sources: readonly object[]): object {
  const podCertificate = {
    signerName: 'example.com/s',
    keyType: 'ECDSAP256',
    maxExpirationSeconds: 3600,
    credentialBundlePath: 'c.pem',
    userAnnotations: { 'Example.com/Role': 'agent' },
  }
  const all = sources.length === 0 ? [{ podCertificate }] : sources
  return {
    metadata: { name },
    spec: {
      nodeName: 'n1',
      containers: [{ name: 'main', image: 'i', command: ['run'] }],
      volumes: [{ name: 'identity', projected: { sources: all } }],
    },
  }
}

async function requestsOf(pod: string): Promise<readonly Request[]> {
  const { body } = await world.admin.get(`${requestsPath}?fieldSelector=spec.podName%3D${pod}`)
  return body.items
}

/** The request of the pod that has no answer yet. */
async function pendingRequest(pod: string): Promise<Request> {
  let found: Request
  await eventually(`a request for ${pod}`, async () => {
    found = (await requestsOf(pod)).find(({ status }) => status.conditions === undefined)
    return found !== undefined
  })
  return found
}

async function waitFor(pod: string, holds: (body: Answer['body']) => boolean): Promise<void> {
  await eventually(`the state of ${pod}`, async () =>
    holds((await world.admin.get(`${pods}/${pod}`)).body),
  )
}

const isRunning = ({ status }: Answer['body']): boolean => status.phase === 'Running'

async function fileOf(uid: string, name: string): Promise<string> {
  const path = await kubelet.volumeFolder(uid, 'identity')
  assert.ok(path)
  return join(path, name)
}

async function runningPod(name: string): Promise<{ uid: string; bundle: string }> {
  const { metadata } = await world.create(pods, podWith(name))
  await signer.issue(await pendingRequest(name))
  await waitFor(name, isRunning)
  return { uid: metadata.uid, bundle: await readFile(await fileOf(metadata.uid, 'c.pem'), 'utf8') }
}

test('the node registers itself as ready', async () => {
  const { status } = (await world.admin.get('/api/v1/nodes/n1')).body
  assert.equal(status.nodeInfo.kubeletVersion, 'v1.37.0')
  assert.equal(status.conditions[0].type, 'Ready')
})

test('a request is made as kubelet makes it', async () => {
  const pod = await world.create(pods, podWith('asking'))
  const request = await pendingRequest('asking')
  const { metadata, spec } = request
  assert.match(metadata.name, /^req-/)
  assert.deepEqual(metadata.ownerReferences, [
    { apiVersion: 'v1', kind: 'Pod', name: 'asking', uid: pod.metadata.uid },
  ])
  const account = (await world.admin.get('/api/v1/namespaces/default/serviceaccounts/default')).body
  const node = (await world.admin.get('/api/v1/nodes/n1')).body
  const { stubPKCS10Request, ...rest } = spec
  assert.ok(stubPKCS10Request.length > 0)
  assert.deepEqual(rest, {
    signerName: 'example.com/s',
    podName: 'asking',
    podUID: pod.metadata.uid,
    serviceAccountName: 'default',
    serviceAccountUID: account.metadata.uid,
    nodeName: 'n1',
    nodeUID: node.metadata.uid,
    maxExpirationSeconds: 3600,
    unverifiedUserAnnotations: { 'Example.com/Role': 'agent' },
  })
  await waitFor('asking', ({ status }) =>
    status.containerStatuses?.[0].state.waiting.message.includes('not issued yet'),
  )
})

test('an issued certificate goes into the volume with its key, and then the container starts', async () => {
  const { uid, bundle } = await runningPod('happy')
  const leaf = new X509Certificate(bundle.slice(bundle.indexOf('-----BEGIN CERTIFICATE')))
  assert.equal(leaf.subjectAltName, 'URI:spiffe://test.example/a')
  assert.ok(leaf.checkPrivateKey(createPrivateKey(bundle)))
  assert.equal(bundle.includes('issued by hand'), false)
  assert.ok(bundle.startsWith('-----BEGIN PRIVATE KEY-----'))
  assert.equal((await stat(await fileOf(uid, 'c.pem'))).mode & 0o777, 0o600)
  assert.deepEqual(
    started.filter((line) => line.startsWith('happy')),
    ['happy identity'],
  )
  const { status } = (await world.admin.get(`${pods}/happy`)).body
  const ready = status.conditions.find(({ type }: { type: string }) => type === 'Ready')
  assert.equal(ready.status, 'True')
})

test('a denial is final: an event, the reason in the status, no second request and no start', async () => {
  await world.create(pods, podWith('denied'))
  await signer.deny(await pendingRequest('denied'), 'tenant not proved')
  await waitFor('denied', ({ status }) =>
    status.containerStatuses?.[0].state.waiting.message.includes('tenant not proved'),
  )
  const events = '/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Ddenied'
  await eventually('the event', async () => (await world.admin.get(events)).body.items.length > 0)
  const [event] = (await world.admin.get(events)).body.items
  assert.deepEqual([event.type, event.reason], ['Warning', 'Denied'])
  assert.match(event.message, /reason="ByHand", message="tenant not proved"/)
  pass()
  // The next pod's request comes after whatever the pass would have asked for.
  await runningPod('after-denied')
  assert.equal((await requestsOf('denied')).length, 1)
  assert.equal((await world.admin.get(`${pods}/denied`)).body.status.phase, 'Pending')
  assert.equal(
    started.some((line) => line.startsWith('denied')),
    false,
  )
})

test('a refresh is asked for when it is due and swaps the volume under the running container', async () => {
  const { uid, bundle } = await runningPod('refreshed')
  const link = await readlink(await fileOf(uid, '..data'))
  world.clockOffset += 28 * minute
  pass()
  await runningPod('not-yet')
  assert.equal((await requestsOf('refreshed')).length, 1)
  world.clockOffset += 2 * minute
  pass()
  const request = await pendingRequest('refreshed')
  const file = await fileOf(uid, 'c.pem')
  assert.equal(await readFile(file, 'utf8'), bundle)
  await signer.issue(request)
  await eventually('the new bundle', async () => (await readFile(file, 'utf8')) !== bundle)
  assert.notEqual(await readlink(await fileOf(uid, '..data')), link)
  const keyOf = (text: string): string => text.slice(0, text.indexOf('-----BEGIN CERTIFICATE'))
  assert.notEqual(keyOf(await readFile(file, 'utf8')), keyOf(bundle))
  assert.deepEqual(
    started.filter((line) => line.startsWith('refreshed')),
    ['refreshed identity'],
  )
})

test('a denial on the refresh leaves the pod running on its old files, for good', async () => {
  const { uid, bundle } = await runningPod('worn')
  world.clockOffset += 30 * minute
  pass()
  await signer.deny(await pendingRequest('worn'), 'no more')
  const events = '/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dworn'
  await eventually('the event', async () => (await world.admin.get(events)).body.items.length > 0)
  world.clockOffset += 60 * minute
  pass()
  await runningPod('after-worn')
  assert.equal((await requestsOf('worn')).length, 2)
  assert.ok(isRunning((await world.admin.get(`${pods}/worn`)).body))
  assert.equal(await readFile(await fileOf(uid, 'c.pem'), 'utf8'), bundle)
})

test('a file that somebody took out of a volume is back after the next pass', async () => {
  const { uid, bundle } = await runningPod('robbed')
  const file = await fileOf(uid, 'c.pem')
  await rm(await realpath(file))
  await assert.rejects(readFile(file), { code: 'ENOENT' })
  pass()
  await eventually('the file is back', async () => {
    return (await readFile(file, 'utf8').catch(() => undefined)) === bundle
  })
})

test('a certificate that is overdue, and one that has run out, are warned of once', async () => {
  await runningPod('overdue')
  const reasons = async (): Promise<string> => {
    const path = '/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Doverdue'
    const { items } = (await world.admin.get(path)).body
    const all = items.map(({ reason }: { reason: string }) => reason)
    return all.toSorted().toReversed().join()
  }
  world.clockOffset += 30 * minute
  pass()
  await pendingRequest('overdue')
  world.clockOffset += 11 * minute
  pass()
  await eventually(
    'the first warning',
    async () => (await reasons()) === 'CertificateOverdueForRefresh',
  )
  world.clockOffset += 20 * minute
  pass()
  await eventually('the second warning', async () =>
    (await reasons()).includes('CertificateExpired'),
  )
  pass()
  await runningPod('after-overdue')
  assert.equal(await reasons(), 'CertificateOverdueForRefresh,CertificateExpired')
})

test('a request that vanishes is made anew, ten minutes later', async () => {
  await world.create(pods, podWith('lost'))
  const { metadata } = await pendingRequest('lost')
  await world.admin.send('DELETE', `${requestsPath}/${metadata.name}`)
  world.clockOffset += 9 * minute
  pass()
  await runningPod('after-lost')
  assert.deepEqual(await requestsOf('lost'), [])
  world.clockOffset += 2 * minute
  pass()
  await signer.issue(await pendingRequest('lost'))
  await waitFor('lost', isRunning)
})

test('a pod waits for its trust bundle, and sees the next one without a restart', async () => {
  const bundle = (name: string, trustBundle: string): object => ({
    metadata: { name },
    spec: { trustBundle },
  })
  const source = { clusterTrustBundle: { name: 'late', path: 'anchors.pem' } }
  const { metadata } = await world.create(pods, podWith('trusting', source))
  await waitFor('trusting', ({ status }) =>
    status.containerStatuses?.[0].state.waiting.message.includes('nothing matches late'),
  )
  await world.create(bundles, bundle('late', signer.anchorPem))
  await waitFor('trusting', isRunning)
  const file = await fileOf(metadata.uid, 'anchors.pem')
  assert.equal((await readFile(file, 'utf8')).trim(), signer.anchorPem.trim())
  const another = await createHandSigner({ admin: world.admin, now: Date.now })
  const patch = { spec: { trustBundle: signer.anchorPem + another.anchorPem } }
  await world.admin.send('PATCH', `${bundles}/late`, patch)
  await eventually(
    'both anchors',
    async () => (await readFile(file, 'utf8')).split('BEGIN').length === 3,
  )
  assert.deepEqual(
    started.filter((line) => line.startsWith('trusting')),
    ['trusting identity'],
  )
})

test('a container that cannot start is tried again', async () => {
  failOnce.add('clumsy')
  await runningPod('clumsy')
  assert.deepEqual(
    started.filter((line) => line.startsWith('clumsy')),
    ['clumsy identity'],
  )
})

test('a source of another kind keeps the pod from starting, and says so', async () => {
  await world.create(pods, podWith('exotic', { secret: { name: 'x' } }))
  await waitFor('exotic', ({ status }) =>
    status.containerStatuses?.[0].state.waiting.message.includes('secret sources are not served'),
  )
})

test('a deleted pod is stopped, its volume removed, its object and its requests gone', async () => {
  const { uid } = await runningPod('leaving')
  const file = await fileOf(uid, 'c.pem')
  await world.admin.send('DELETE', `${pods}/leaving`)
  await eventually(
    'the pod is gone',
    async () => (await world.admin.get(`${pods}/leaving`)).status === 404,
  )
  assert.ok(stopped.includes('leaving'))
  await assert.rejects(stat(file), { code: 'ENOENT' })
  assert.equal(await kubelet.volumeFolder(uid, 'identity'), undefined)
  await eventually('its requests are gone', async () => (await requestsOf('leaving')).length === 0)
})

test('a pod that is deleted without grace is stopped too', async () => {
  const { uid } = await runningPod('snatched')
  await world.admin.send('DELETE', `${pods}/snatched?gracePeriodSeconds=0`)
  await eventually('it is stopped', () => stopped.includes('snatched'))
  await eventually(
    'its volume is gone',
    async () => (await kubelet.volumeFolder(uid, 'identity')) === undefined,
  )
})
