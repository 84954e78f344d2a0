import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { writeImageArchive } from '../../image/archive.ts'
import { file } from '../../image/layer.ts'
import { nodePath, readRuntime } from '../../image/runtime.ts'
import { eventually } from '../support/eventually.ts'
import { tellCertificates } from './chapters/certificates.ts'
import { controlGroupsNamed } from './rig/cgroups.ts'
import { storageClass } from './rig/layout.ts'
import { pauseImage, startNode, type ImageArchive, type Node } from './rig/node.ts'

const root = join(import.meta.dirname, '../..')
const nodeImage = 'countersign.test/node:1'

async function makeImages(folder: string): Promise<readonly ImageArchive[]> {
  const path = join(folder, 'node.tar')
  await writeImageArchive({
    file: path,
    reference: nodeImage,
    config: { Entrypoint: [`/${nodePath}`] },
    layers: [[...readRuntime(root).entries, file('etc/nsswitch.conf', 'hosts: files dns\n')]],
  })
  return [{ name: nodeImage, path }]
}

function pod(name: string, container: object, more: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: {
      automountServiceAccountToken: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 65532,
        fsGroup: 65532,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [
        {
          name: 'main',
          imagePullPolicy: 'Never',
          securityContext: {
            readOnlyRootFilesystem: true,
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
          },
          ...container,
        },
      ],
      ...more,
    },
  }
}

async function untilReady(node: Node, name: string): Promise<void> {
  await node.kubectl(`wait --for=condition=Ready pod/${name} --timeout=60s`)
}

async function restartsOf(node: Node, name: string): Promise<string> {
  const path = 'jsonpath={.metadata.uid} {.status.containerStatuses[0].restartCount}'
  return node.kubectl(`get pod ${name} --output`, path)
}

/** The processes of this machine, inside of namespaces or not, whose command line names a folder. */
function processesNaming(folder: string): readonly string[] {
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return false
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(folder)
    } catch {
      return false
    }
  })
}

const mountsOfThisMachine = (): string => readFileSync('/proc/self/mountinfo', 'utf8')
const networkOfThisMachine = (): string => readdirSync('/sys/class/net').toSorted().join()

test('a whole node on this machine', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-node-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const images = await makeImages(folder)
  const before = { mounts: mountsOfThisMachine(), network: networkOfThisMachine() }
  const node = await startNode({ images, onProgress: (line) => t.diagnostic(line) })
  t.after(() => node[Symbol.asyncDispose]())

  await t.test('it is the pinned release', async () => {
    const { gitVersion } = await node.get<{ gitVersion: string }>('/version')
    assert.equal(gitVersion, 'v1.37.0')
    const { items } = await node.get<{
      items: readonly { status: { nodeInfo: { kubeletVersion: string } } }[]
    }>('/api/v1/nodes')
    assert.deepEqual(
      items.map(({ status }) => status.nodeInfo.kubeletVersion),
      ['v1.37.0'],
    )
  })

  await t.test('a pod runs as a user without rights, and keeps a volume', async () => {
    const claim = {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'kept', namespace: 'default' },
      spec: {
        accessModes: ['ReadWriteOnce'],
        storageClassName: storageClass,
        resources: { requests: { storage: '64Mi' } },
      },
    }
    const script = `require('node:fs').appendFileSync('/kept/starts', 'x'); setInterval(() => {}, 1e9)`
    const kept = pod(
      'kept',
      {
        image: nodeImage,
        args: ['-e', script],
        volumeMounts: [{ name: 'kept', mountPath: '/kept' }],
      },
      { volumes: [{ name: 'kept', persistentVolumeClaim: { claimName: 'kept' } }] },
    )
    await node.apply(claim, kept, pod('pause', { image: pauseImage }))
    await untilReady(node, 'pause')
    await untilReady(node, 'kept')
  })

  await t.test('a pod resolves a Service by its name, and the node reaches it', async () => {
    const script = `require('node:dns').lookup('kubernetes.default.svc', (error, address) => console.log(error?.code ?? address))`
    const found = await node.kubectl('exec kept -- /usr/bin/node -e', script)
    assert.equal(found, '10.96.0.1\n')
    const { stdout } = await node.run(process.execPath, ['-e', script])
    assert.equal(stdout, '10.96.0.1\n')
  })

  await t.test('kubelet is restarted, and no pod is', async () => {
    const before = await restartsOf(node, 'kept')
    await node.restart('kubelet')
    await node.apply(pod('later', { image: pauseImage }))
    await untilReady(node, 'later')
    assert.equal(await restartsOf(node, 'kept'), before)
  })

  await tellCertificates(t, node)

  await t.test('after a power cut the same pods run on the same disk', async () => {
    const [uid] = (await restartsOf(node, 'kept')).split(' ')
    await node.powerCut()
    await node.boot()
    await untilReady(node, 'kept')
    await eventually(
      'the pod was started again',
      async () => (await restartsOf(node, 'kept')) === `${uid} 1`,
      30,
    )
    const script = `console.log(require('node:fs').readFileSync('/kept/starts', 'utf8'))`
    const starts = await node.kubectl('exec kept -- /usr/bin/node -e', script)
    assert.equal(starts, 'xx\n')
  })

  await t.test('nothing inside can write outside of its folder', async () => {
    for (const path of ['/etc/countersign', '/usr/countersign', join(folder, 'countersign')]) {
      const { stderr } = await node.run('touch', [path])
      assert.match(stderr, /Read-only file system/, path)
    }
  })

  await t.test(
    'a node ends with its test process, however that ends, and no other does',
    async () => {
      const script = join(import.meta.dirname, 'rig', 'hold.ts')
      const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
      const [started] = (await once(createInterface(child.stdout), 'line')) as [string]
      const other = JSON.parse(started) as { folder: string; controlGroup: string }
      assert.notDeepEqual(processesNaming(other.folder), [])
      child.kill('SIGKILL')
      await eventually('its processes end', () => processesNaming(other.folder).length === 0, 20)
      await eventually(
        'its control groups go',
        () => controlGroupsNamed(other.controlGroup).length === 0,
        20,
      )
      await eventually('its folder goes', () => !existsSync(other.folder), 20)
      await untilReady(node, 'kept')
    },
  )

  await t.test('stopped, it leaves nothing behind', async () => {
    await node[Symbol.asyncDispose]()
    assert.deepEqual(processesNaming(node.folder), [])
    assert.deepEqual(controlGroupsNamed(node.controlGroup), [])
    assert.equal(existsSync(node.folder), false)
    assert.equal(mountsOfThisMachine(), before.mounts)
    assert.equal(networkOfThisMachine(), before.network)
  })
})
