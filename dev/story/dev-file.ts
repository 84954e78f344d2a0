import { rename, writeFile } from 'node:fs/promises'
import { actors, impostors, spiffeIdOf, stage } from './cast.ts'
import { ownName } from './own-server.ts'
import { credentialBundleOf, endingForPod, svidOf } from './requests.ts'
import type { World } from './world.ts'

/** What `<folder>/dev.json` says, for whoever wants to try something on the running story. */
export interface DevFile {
  readonly kubernetes: { readonly server: string; readonly kubeconfig: string }
  readonly gateway: {
    readonly url: string
    readonly adminUrl: string
    /** The name in its certificate, for the Host header and SNI wherever it is reached. */
    readonly serverName: string
    readonly spiffeId: string
  }
  /** Path of the PEM file of anchors. */
  readonly trustBundle: string
  readonly pods: readonly {
    readonly namespace: string
    readonly name: string
    readonly role: string | null
    readonly tenant: string | null
    readonly spiffeId: string | null
    readonly outcome: 'issued' | 'denied'
    readonly reason: string
    /** Path of the PKCS#8 key and chain in the pod's volume; null where nothing was issued. */
    readonly credentialBundle: string | null
  }[]
  readonly tools: readonly { readonly server: string; readonly name: string }[]
  readonly ledger: string
  readonly decisionLog: string
  readonly signerConfig: string
  /** The grants: `policy.data` of the gateway and the signer. */
  readonly policyData: string
}

const tools = {
  github: ['issues_list', 'issues_create', 'issues_delete', 'repository_delete'],
  notes: ['search', 'write'],
}

/** Writes dev.json whole: a reader sees the old one or the new one. */
export async function writeDevFile(
  world: World,
  gateway: { readonly url: string; readonly adminUrl: string },
): Promise<DevFile> {
  const file: DevFile = {
    kubernetes: { server: world.cluster.server, kubeconfig: world.cluster.adminKubeconfig },
    gateway: {
      ...gateway,
      serverName: `countersign-gateway.${stage.system}.svc`,
      spiffeId: spiffeIdOf(stage.system, 'countersign-gateway'),
    },
    trustBundle: world.paths.trustBundle,
    pods: await Promise.all([
      ...actors(world.ports, world.own).map((pod) => issuedPod(world, pod.namespace, pod.name)),
      ...impostors.map((pod) => deniedPod(world, pod.namespace, pod.name)),
    ]),
    tools: [
      ...Object.entries(tools).flatMap(([server, names]) =>
        names.map((name) => ({ server, name })),
      ),
      ...(world.own?.tools ?? []).map(({ name }) => ({ server: ownName, name })),
    ],
    ledger: world.paths.ledger,
    decisionLog: world.paths.decisionLog,
    signerConfig: world.paths.signerConfig,
    policyData: world.paths.policyData,
  }
  const temporary = `${world.paths.devFile}.new`
  await writeFile(temporary, `${JSON.stringify(file, undefined, 2)}\n`, { mode: 0o600 })
  await rename(temporary, world.paths.devFile)
  return file
}

async function issuedPod(
  world: World,
  namespace: string,
  name: string,
): Promise<DevFile['pods'][number]> {
  const svid = await svidOf(world, namespace, name)
  return {
    namespace,
    name,
    role: svid.identity?.role ?? null,
    tenant: svid.identity?.tenant ?? null,
    spiffeId: svid.spiffeId.uri,
    outcome: 'issued',
    reason: 'Issued',
    credentialBundle: await credentialBundleOf(world, namespace, name),
  }
}

async function deniedPod(
  world: World,
  namespace: string,
  name: string,
): Promise<DevFile['pods'][number]> {
  const { reason } = await endingForPod(world, namespace, name)
  const blank = { role: null, tenant: null, spiffeId: null, credentialBundle: null }
  return { namespace, name, ...blank, outcome: 'denied', reason }
}
