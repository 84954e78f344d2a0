import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { stringify } from 'yaml'
import type { Cluster } from '../../dev/cluster.ts'
import { startEmbeddedCluster } from '../../dev/embedded-cluster.ts'
import { createApiClient, type ApiClient } from '../../src/kubernetes/api-client.ts'
import { toolPath } from '../tools/build.ts'

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

let folder: string
let cluster: Cluster
let admin: ApiClient

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-'))
  cluster = await startEmbeddedCluster({ folder, namespaceGraceMilliseconds: 3000 })
  admin = createApiClient({ kubeconfig: cluster.adminKubeconfig })
})

after(async () => {
  admin?.close()
  await cluster?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

function program(): string {
  const path = toolPath('kubectl')
  assert.ok(path !== undefined, 'kubectl is not built: run node test/tools/build.ts kubectl')
  return path
}

/** A home of its own: kubectl keeps what discovery said. */
function environment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], HOME: folder, KUBECONFIG: cluster.adminKubeconfig }
}

function kubectl(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(program(), args, { env: environment() }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
      resolve({ code, stdout, stderr })
    })
  })
}

async function succeeds(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await kubectl(...args)
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' }, args.join(' '))
  return stdout
}

async function manifestFile(name: string, ...manifests: readonly object[]): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, manifests.map((manifest) => stringify(manifest)).join('---\n'))
  return path
}

const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'blue' } }
const service = (ports: readonly object[]): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'blue', labels: { app: 'web' } },
  spec: { selector: { app: 'web' }, ports },
})
const http = { name: 'http', port: 80 }
const https = { name: 'https', port: 443 }

function settings(data: object): object {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'settings', namespace: 'blue' },
    data,
  }
}

test('apply creates, leaves alone what is the same, and changes what differs', async () => {
  const all = (data: object, ...ports: readonly object[]): Promise<string> =>
    manifestFile('all.yaml', namespace, settings(data), service(ports))
  const first = await succeeds('apply', '-f', await all({ a: '1', b: '2' }, http, https))
  assert.match(first, /namespace\/blue created\nconfigmap\/settings created\nservice\/web created/)
  const again = await succeeds('apply', '-f', await all({ a: '1', b: '2' }, http, https))
  assert.equal(again.match(/unchanged/g)?.length, 3)

  // Somebody else's port and key stay: a three-way merge takes away only what an earlier apply gave.
  const body = { spec: { ports: [{ name: 'other', port: 8080 }] } }
  const mediaType = 'application/strategic-merge-patch+json'
  const path = '/api/v1/namespaces/blue/services/web'
  await admin.request({ method: 'PATCH', path, body, contentType: mediaType })
  const changed = await succeeds('apply', '-f', await all({ a: '3' }, https))
  assert.match(changed, /configmap\/settings configured\nservice\/web configured/)
  const { spec } = await admin.request<{ spec: { ports: { name: string }[] } }>({
    method: 'GET',
    path,
  })
  assert.deepEqual(spec.ports.map(({ name }) => name).toSorted(), ['https', 'other'])
  assert.equal(
    await succeeds('get', 'cm', 'settings', '-n', 'blue', '-o', 'jsonpath={.data}'),
    '{"a":"3"}',
  )
})

test('diff shows what apply would change, and exits 1', async () => {
  const file = await manifestFile('diff.yaml', settings({ a: '4' }))
  const { code, stdout } = await kubectl('diff', '-f', file)
  assert.equal(code, 1)
  assert.match(stdout, /^-\s+a: "3"$/m)
  assert.match(stdout, /^\+\s+a: "4"$/m)
})

test('a misspelt field is refused by name before anything is stored', async () => {
  const wrong = { ...service([http]), spec: { selectr: { app: 'web' }, ports: [http] } }
  const file = await manifestFile('wrong.yaml', wrong)
  const { code, stderr } = await kubectl('apply', '-f', file)
  assert.equal(code, 1)
  assert.match(stderr, /strict decoding error: unknown field "spec.selectr"/)
  const forced = await kubectl('apply', '--validate=ignore', '--dry-run=server', '-f', file)
  assert.equal(forced.code, 0, forced.stderr)
})

test('get prints the columns of the server, more of them when wide, and objects as YAML', async () => {
  const [heading, row] = (await succeeds('get', 'svc', '-n', 'blue')).split('\n')
  assert.match(heading ?? '', /^NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE$/)
  assert.match(row ?? '', /^web +ClusterIP +<none> +<none> +443\/TCP,8080\/TCP +\d+s$/)
  assert.match(await succeeds('get', 'svc', '-n', 'blue', '-o', 'wide'), /SELECTOR\n.*app=web\n/)
  assert.match(await succeeds('get', 'nodes'), /NAME +STATUS +ROLES +AGE +VERSION\nnode-a +Ready/)
  assert.match(
    await succeeds('get', 'cm', 'settings', '-n', 'blue', '-o', 'yaml'),
    /\n {2}a: "3"\n/,
  )
  assert.match(await succeeds('get', 'all', '-A'), /service\/web/)
  assert.match(await succeeds('get', 'ns', '--sort-by=.metadata.name', '--show-labels'), /blue/)
  const nothing = await kubectl('get', 'pods', '-n', 'blue')
  assert.match(nothing.stderr, /No resources found in blue namespace/)
})

test('get -w prints a line for every change', { timeout: 60_000 }, async (t) => {
  const watching = spawn(program(), ['get', 'cm', '-n', 'blue', '-w'], {
    env: environment(),
    signal: t.signal,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: watching.stdout })[Symbol.asyncIterator]()
  const until = async (start: string): Promise<void> => {
    for (let line = ''; !line.startsWith(start); line = String((await lines.next()).value)) continue
  }
  await until('settings')
  const path = '/api/v1/namespaces/blue/configmaps'
  const body = { metadata: { name: 'watched' }, data: { a: '1' } }
  await admin.request({ method: 'POST', path, body })
  await until('watched')
  await admin.request({ method: 'DELETE', path: `${path}/watched` })
  await until('watched')
  const ended = once(watching, 'exit')
  watching.kill()
  await ended
})

test('a custom resource has its own columns, explanation and short name', async () => {
  const definitions = join(
    import.meta.dirname,
    '../../charts/countersign/files/crds/revocations.yaml',
  )
  await succeeds('apply', '-f', definitions)
  const revocation = {
    apiVersion: 'countersign.dev/v1alpha1',
    kind: 'Revocation',
    metadata: { name: 'lost-key' },
    spec: { reason: 'key found in a log', tenant: 'blue' },
  }
  const file = await manifestFile('revocation.yaml', revocation)
  assert.match(await succeeds('apply', '-f', file), /lost-key created/)
  const changed = { ...revocation, spec: { ...revocation.spec, reason: 'key found in two logs' } }
  const again = await kubectl('apply', '-f', await manifestFile('revocation.yaml', changed))
  assert.match(again.stdout + again.stderr, /configured|is immutable|cannot be changed/)
  assert.match(await succeeds('get', 'revocations'), /^NAME .*\nlost-key /)
  assert.match(await succeeds('explain', 'revocations.spec.tenant'), /FIELD: tenant <string>/)
  const wrong = { ...revocation, metadata: { name: 'wrong' }, spec: { reason: 'x', tenat: 'blue' } }
  const refused = await kubectl('apply', '-f', await manifestFile('wrong-revocation.yaml', wrong))
  assert.match(refused.stderr, /unknown field "spec.tenat"/)
  assert.match(await succeeds('delete', 'revocation', 'lost-key'), /deleted/)
})

test('describe shows an object with its events', async () => {
  const body = {
    metadata: { name: 'web.1' },
    involvedObject: { kind: 'Service', name: 'web', namespace: 'blue' },
    type: 'Warning',
    reason: 'Watched',
    message: 'somebody looked',
    count: 1,
    firstTimestamp: '2026-01-02T03:04:05Z',
    lastTimestamp: '2026-01-02T03:04:05Z',
  }
  await admin.request({ method: 'POST', path: '/api/v1/namespaces/blue/events', body })
  const shown = await succeeds('describe', 'svc', 'web', '-n', 'blue')
  assert.match(shown, /Selector: +app=web/)
  assert.match(shown, /TargetPort: +443\/TCP/)
  assert.match(await succeeds('describe', 'node', 'node-a'), /Ready +True/)
  assert.match(await succeeds('describe', 'ns', 'blue'), /Status: +Active/)
  assert.match(await succeeds('events', '-n', 'blue'), /Watched +Service\/web +somebody looked/)
})

test('explain and api-resources know the built-in kinds', async () => {
  assert.match(await succeeds('explain', 'pod.spec.containers.ports'), /containerPort/)
  assert.match(await succeeds('api-resources'), /podcertificaterequests +certificates.k8s.io\/v1/)
})

test('delete takes away what a file names, and waits until it is gone', async () => {
  const file = join(folder, 'all.yaml')
  const deleted = await succeeds('delete', '-f', file)
  assert.equal(deleted.match(/ deleted/g)?.length, 3)
  const { stderr } = await kubectl('get', 'ns', 'blue')
  assert.match(stderr, /namespaces "blue" not found/)
})
