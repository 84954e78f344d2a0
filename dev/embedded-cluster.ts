import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { silentLog, type Log } from '../src/log.ts'
import { createCertificateAuthority } from './certificate-authority.ts'
import type { Cluster } from './cluster.ts'
import { startApiServer, type ApiServerConfig } from './control-plane/api-server.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import type { RunContainer } from './kubelet/container-runner.ts'
import { startKubelet, type Kubelet } from './kubelet/kubelet.ts'
import { createProcessRunner } from './kubelet/process.ts'

export interface EmbeddedClusterConfig {
  /** The cluster's own files are below, in a folder `cluster` that begins empty and ends with it; the logs of pods stay. */
  readonly folder: string
  /** Leaves that folder as it was at the end, keys included, for whoever wants to look. */
  readonly keepFolder?: boolean
  readonly log?: Log
  readonly now?: () => number
  /** Nodes that get a kubelet; node-a and node-b unless told. */
  readonly nodeNames?: readonly string[]
  /** v1 unless told; both share the storage, as on a real 1.37. */
  readonly podCertificateVersions?: readonly ('v1' | 'v1beta1')[]
  /** How long a namespace that is being deleted keeps its content; none unless told. */
  readonly namespaceGraceMilliseconds?: number
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
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true, mode: 0o700 })
  if (config.keepFolder !== true) opened.defer(() => rm(folder, { recursive: true, force: true }))
  const versions = config.podCertificateVersions
  const grace = config.namespaceGraceMilliseconds
  const plane = await startControlPlane({
    folder,
    now,
    log,
    ...(versions === undefined ? {} : { podCertificateVersions: versions }),
    ...(grace === undefined ? {} : { namespaceGraceMilliseconds: grace }),
  })
  opened.use(plane)
  report(`control plane at ${plane.server}`)
  const { kubeconfigFor } = plane
  const runContainer =
    config.runContainer ?? createProcessRunner({ folder: join(config.folder, 'pods') })
  const kubelets: Kubelet[] = []
  // One after the other, so that what has started is known when one cannot.
  for (const nodeName of nodeNames) {
    const user = { name: `system:node:${nodeName}`, groups: ['system:nodes'] }
    const kubelet = await startKubelet({
      nodeName,
      kubeconfig: await kubeconfigFor(user),
      folder: join(folder, 'kubelets', nodeName),
      runContainer,
      log,
      now,
      podCertificateVersion: versions?.includes('v1') === false ? 'v1beta1' : 'v1',
    })
    kubelets.push(opened.use(kubelet))
  }
  report(`kubelets on ${nodeNames.join(', ')}`)
  const adminKubeconfig = await kubeconfigFor({ name: 'admin', groups: ['system:masters'] })
  const parts = opened.move()
  return {
    kind: 'embedded',
    server: plane.server,
    caFile: plane.caFile,
    adminKubeconfig,
    nodeNames,
    kubeconfigFor,
    async volumeFolder(podUid, volumeName) {
      const paths = await Promise.all(
        kubelets.map((kubelet) => kubelet.volumeFolder(podUid, volumeName)),
      )
      return paths.find((path) => path !== undefined)
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

interface ControlPlane extends AsyncDisposable {
  readonly server: string
  readonly caFile: string
  readonly kubeconfigFor: Cluster['kubeconfigFor']
}

/** The API server with authorities of its own, and the credentials that they give. */
async function startControlPlane(
  options: Omit<ApiServerConfig, 'tls'> & { readonly folder: string },
): Promise<ControlPlane> {
  const { folder, ...config } = options
  // TLS is judged by the clock of the machine, whatever clock the cluster is given.
  const now = Date.now
  const serving = createCertificateAuthority({ commonName: 'countersign dev serving CA', now })
  const clients = createCertificateAuthority({ commonName: 'countersign dev client CA', now })
  const { certificatePem: cert, privateKeyPem: key } = serving.issueServer()
  const tls = { key, cert, clientCa: clients.certificatePem }
  const caFile = join(folder, 'serving-ca.pem')
  await writeFile(caFile, serving.certificatePem, { mode: 0o600 })
  const api = await startApiServer({ ...config, tls })
  const server = `https://127.0.0.1:${api.port}`
  let kubeconfigs = 0
  return {
    server,
    caFile,
    kubeconfigFor(user) {
      kubeconfigs += 1
      return writeKubeconfig({
        path: join(folder, `kubeconfig-${kubeconfigs}.json`),
        server,
        caPem: serving.certificatePem,
        credential: clients.issueClient(user),
      })
    },
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  }
}
