import { connect, createServer } from 'node:net'
import { actors, impostors, workloadProgram, type CastPod, type Ports } from './cast.ts'
import {
  bystander,
  namespaceManifests,
  podManifest,
  serviceAccountManifests,
  serviceManifests,
  type Manifest,
} from './manifests.ts'
import { ownName } from './own-server.ts'
import { create, eventually, type World } from './world.ts'

/** Below the range that systems take for outgoing connections (32768 on Linux, 49152 elsewhere), so that none of these takes it. */
const portRange = { first: 20_000, count: 12_000 }

/** Ports that were free a moment ago, for pods that start a moment later. */
export async function findPorts(): Promise<Ports> {
  // Processes that look at the same time look at different places: nobody holds what it has found until its pods listen.
  let place = process.pid * 16
  const next = async (): Promise<number> => {
    for (;;) {
      const port = portRange.first + (place++ % portRange.count)
      if (await isFree(port)) return port
    }
  }
  return {
    gateway: await next(),
    github: await next(),
    notes: await next(),
    worker: await next(),
    own: await next(),
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/** Namespaces, what the chart installs, service accounts and services: what an administrator sets up. */
export async function setStage(
  world: Pick<World, 'admin' | 'own'>,
  installed: readonly Manifest[],
): Promise<void> {
  const { own } = world
  const manifests = [
    ...namespaceManifests(own),
    ...installed,
    ...serviceAccountManifests(own),
    ...serviceManifests(own),
  ]
  for (const manifest of manifests) await create(world.admin, manifest)
  await eventually('the Revocation resource', () =>
    world.admin.request({ method: 'GET', path: '/apis/countersign.dev/v1alpha1/revocations' }),
  )
}

/** Puts everybody on stage. Their kubelet does the rest. */
export async function enterPods(world: World): Promise<void> {
  await create(world.admin, bystander)
  for (const pod of [...actors(world.ports, world.own), ...impostors]) {
    await create(world.admin, podManifest(pod, commandOf(pod)))
  }
}

function commandOf(pod: CastPod): readonly string[] {
  if (pod.workload === undefined) return []
  return pod.workload === 'gateway'
    ? ['gateway']
    : [process.execPath, workloadProgram(pod.workload)]
}

/** Waits until the story's servers accept connections. */
export async function awaitServers({ ports, own }: Pick<World, 'ports' | 'own'>): Promise<void> {
  for (const [name, port] of Object.entries(ports)) {
    if (name === ownName && own === undefined) continue
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
