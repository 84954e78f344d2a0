import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { silentLog, type Log } from '../log.ts'
import { createCertificateAuthority } from './certificate-authority.ts'
import type { Cluster } from './cluster.ts'
import { startApiServer } from './control-plane/api-server.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import type { RunContainer } from './kubelet/container-runner.ts'
import { startKubelet } from './kubelet/kubelet.ts'
import { createProcessRunner } from './kubelet/process.ts'

export interface EmbeddedClusterConfig {
  /** The cluster's own files are below, in a folder that ends with it; the logs of pods stay. */
  readonly folder: string
  readonly log?: Log
  readonly now?: () => number
  /** Nodes that get a kubelet; node-a and node-b unless told. */
  readonly nodeNames?: readonly string[]
  /** v1 unless told; both share the storage, as on a real 1.37. */
  readonly podCertificateVersions?: readonly ('v1' | 'v1beta1')[]
  /** How pods run: as local processes unless told. */
  readonly runContainer?: RunContainer
  readonly onProgress?: (line: string) => void
}

/** Starts a control plane on a port of 127.0.0.1, and a kubelet for each node, all in this process. */
export async function startEmbeddedCluster(config: EmbeddedClusterConfig): Promise<Cluster> {
  const { log = silentLog, now = Date.now, nodeNames = ['node-a', 'node-b'] } = config
  const report = config.onProgress ?? ((): void => {})
  const folder = join(config.folder, 'cluster')
  await using opened = new AsyncDisposableStack()
  await mkdir(folder, { recursive: true, mode: 0o700 })
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  // TLS is judged by the clock of the machine, whatever clock the cluster is given.
  const serving = createCertificateAuthority({
    commonName: 'countersign dev serving CA',
    now: Date.now,
  })
  const clients = createCertificateAuthority({
    commonName: 'countersign dev client CA',
    now: Date.now,
  })
  const { certificatePem: cert, privateKeyPem: key } = serving.issueServer()
  const versions = config.podCertificateVersions
  const api = await startApiServer({
    tls: { key, cert, clientCa: clients.certificatePem },
    now,
    log,
    ...(versions === undefined ? {} : { podCertificateVersions: versions }),
  })
  opened.use(api)
  const server = `https://127.0.0.1:${api.port}`
  report(`control plane at ${server}`)
  const caFile = join(folder, 'serving-ca.pem')
  await writeFile(caFile, serving.certificatePem, { mode: 0o600 })

  let kubeconfigs = 0
  const kubeconfigFor: Cluster['kubeconfigFor'] = (user) => {
    kubeconfigs += 1
    return writeKubeconfig({
      path: join(folder, `kubeconfig-${kubeconfigs}.json`),
      server,
      caPem: serving.certificatePem,
      credential: clients.issueClient(user),
    })
  }

  const runContainer =
    config.runContainer ?? createProcessRunner({ folder: join(config.folder, 'pods') })
  const kubelets = await Promise.all(
    nodeNames.map(async (nodeName) => {
      const user = { name: `system:node:${nodeName}`, groups: ['system:nodes'] }
      const kubeconfig = await kubeconfigFor(user)
      const own = join(folder, 'kubelets', nodeName)
      return startKubelet({ nodeName, kubeconfig, folder: own, runContainer, log, now })
    }),
  )
  for (const kubelet of kubelets) opened.use(kubelet)
  report(`kubelets on ${nodeNames.join(', ')}`)
  const adminKubeconfig = await kubeconfigFor({ name: 'admin', groups: ['system:masters'] })
  const parts = opened.move()
  return {
    kind: 'embedded',
    server,
    caFile,
    adminKubeconfig,
    nodeNames,
    kubeconfigFor,
    async volumeFolder(podUid, volumeName) {
      for (const kubelet of kubelets) {
        const path = await kubelet.volumeFolder(podUid, volumeName)
        if (path !== undefined) return path
      }
      return undefined
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}
