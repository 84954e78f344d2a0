import { createServer, connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { actors, impostors, workloadProgram, type CastPod, type Ports } from './cast.ts'
import {
  bystander,
  namespaceManifests,
  permissions,
  podManifest,
  serviceAccountManifests,
  serviceManifests,
  type Manifest,
} from './manifests.ts'
import { create, eventually, type World } from './world.ts'

/** Ports that were free a moment ago. */
export async function findPorts(): Promise<Ports> {
  const [gateway, github, notes, worker] = await Promise.all([
    freePort(),
    freePort(),
    freePort(),
    freePort(),
  ])
  return { gateway, github, notes, worker }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** Namespaces, the custom resource, permissions, service accounts and services: what an administrator sets up. */
export async function setStage(
  world: Pick<World, 'admin'>,
  customResources: readonly Manifest[],
): Promise<void> {
  const manifests = [
    ...customResources,
    ...namespaceManifests(),
    ...permissions,
    ...serviceAccountManifests(),
    ...serviceManifests(),
  ]
  for (const manifest of manifests) await create(world.admin, manifest)
  await eventually('the Revocation resource', () =>
    world.admin.request({ method: 'GET', path: '/apis/countersign.dev/v1alpha1/revocations' }),
  )
}

/** Puts everybody on stage. Their kubelet does the rest. */
export async function enterPods(world: World): Promise<void> {
  await create(world.admin, bystander)
  for (const pod of [...actors(world.ports), ...impostors]) {
    await create(world.admin, podManifest(pod, commandOf(pod)))
  }
}

function commandOf(pod: CastPod): readonly string[] {
  if (pod.workload === undefined) return []
  return pod.workload === 'gateway' ? ['gateway'] : ['node', workloadProgram(pod.workload)]
}

/** Waits until the story's servers accept connections. */
export async function awaitServers(ports: Ports): Promise<void> {
  for (const [name, port] of Object.entries(ports)) {
    await eventually(`${name} on port ${port}`, () => accepts(port), { secondsMax: 60 })
  }
}

function accepts(port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(undefined))
  })
}
