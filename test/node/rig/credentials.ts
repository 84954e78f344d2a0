import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  createAuthority,
  writeKubeconfig,
  type Credential,
} from '../../support/cluster-credentials.ts'
import {
  apiServerServiceAddress,
  apiServerUrl,
  clusterDomain,
  nodeAddress,
  nodeName,
  type Layout,
} from './layout.ts'

const users: Readonly<Record<string, { name: string; groups: readonly string[] }>> = {
  admin: { name: 'admin', groups: ['system:masters'] },
  'kube-controller-manager': { name: 'system:kube-controller-manager', groups: [] },
  'kube-scheduler': { name: 'system:kube-scheduler', groups: [] },
  'kube-proxy': { name: 'system:kube-proxy', groups: [] },
  kubelet: { name: `system:node:${nodeName}`, groups: ['system:nodes'] },
  // Without any right until a test gives it some.
  approver: { name: 'approver', groups: [] },
}

/** Keys, certificates and kubeconfigs of the control plane; they stay the same over a reboot. */
export async function writeCredentials({ keys }: Layout): Promise<void> {
  const authority = await createAuthority('countersign test node CA')
  const server = await authority.issueServer([
    { type: 'ip', value: nodeAddress },
    { type: 'ip', value: apiServerServiceAddress },
    ...['kubernetes.default.svc', `kubernetes.default.svc.${clusterDomain}`].map((value) => ({
      type: 'dns' as const,
      value,
    })),
  ])
  const towardsKubelet = await authority.issueClient({
    name: 'kube-apiserver-kubelet',
    groups: ['system:masters'],
  })
  const accounts = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const write = (name: string, text: string): Promise<void> =>
    writeFile(join(keys, name), text, { mode: 0o600 })
  const writePair = async (name: string, pair: Credential): Promise<void> => {
    await write(`${name}.pem`, pair.certificatePem)
    await write(`${name}-key.pem`, pair.privateKeyPem)
  }
  await write('ca.pem', authority.certificatePem)
  await write('ca-key.pem', authority.privateKeyPem)
  await write('service-account.pem', accounts.publicKey)
  await write('service-account-key.pem', accounts.privateKey)
  await writePair('apiserver', server)
  await writePair('apiserver-kubelet', towardsKubelet)
  for (const [name, user] of Object.entries(users)) {
    await writeKubeconfig({
      path: join(keys, `${name}.kubeconfig`),
      server: apiServerUrl,
      caPem: authority.certificatePem,
      credential: await authority.issueClient(user),
    })
  }
}
