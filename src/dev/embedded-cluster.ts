import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../log.ts'
import { createCertificateAuthority } from './certificate-authority.ts'
import type { Cluster } from './cluster.ts'
import { startApiServer } from './control-plane/api-server.ts'
import { writeKubeconfig } from './kubeconfig.ts'

export interface EmbeddedClusterConfig {
  /** Made if it is not there, 0700; everything that the cluster writes is in it. */
  readonly folder: string
  readonly log: Log
  readonly now?: () => number
  readonly nodeNames?: readonly string[]
  readonly podCertificateVersions?: readonly ('v1' | 'v1beta1')[]
  readonly onProgress?: (line: string) => void
}

/** Starts a control plane and a kubelet per node, all in this process, on a port of 127.0.0.1. */
export async function startEmbeddedCluster(config: EmbeddedClusterConfig): Promise<Cluster> {
  const { folder, log, now = Date.now, nodeNames = ['node-a', 'node-b'] } = config
  await mkdir(folder, { recursive: true, mode: 0o700 })
  // TLS is judged by the clock of the machine, whatever clock the cluster is given.
  const serving = createCertificateAuthority({ commonName: 'countersign dev serving CA', now: Date.now })
  const clients = createCertificateAuthority({ commonName: 'countersign dev client CA', now: Date.now })
  const { certificatePem: cert, privateKeyPem: key } = serving.issueServer()
  const api = await startApiServer({
    tls: { key, cert, clientCa: clients.certificatePem },
    now,
    log,
    ...(config.podCertificateVersions === undefined
      ? {}
      : { podCertificateVersions: config.podCertificateVersions }),
  })
  const server = `https://127.0.0.1:${api.port}`
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
  return {
    kind: 'embedded',
    server,
    caFile,
    adminKubeconfig: await kubeconfigFor({ name: 'admin', groups: ['system:masters'] }),
    nodeNames,
    kubeconfigFor,
    volumeFolder: async () => undefined,
    async [Symbol.asyncDispose]() {
      await api[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
