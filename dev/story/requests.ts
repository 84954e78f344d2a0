import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { KubernetesObject } from '../../src/kubernetes/resource.ts'
import {
  podCertificateRequests,
  type PodCertificateRequest,
} from '../../src/kubernetes/pod-certificate-request.ts'
import { parseCredentialBundle } from '../../src/pki/credential.ts'
import type { X509Svid } from '../../src/pki/x509-svid.ts'
import { stage } from './cast.ts'
import { collectionOf, eventually, Surprise, type World } from './world.ts'

/** How a request for a certificate ended. */
export interface Ending {
  readonly type: string
  readonly reason: string
  readonly message: string
}

const requests = podCertificateRequests('v1')

function endingOf(request: PodCertificateRequest | undefined): Ending | undefined {
  return request?.status.conditions.find(({ type }) =>
    ['Issued', 'Denied', 'Failed'].includes(type),
  )
}

/** Waits until the request that kubelet made for this pod has ended. */
export function endingForPod(world: World, namespace: string, pod: string): Promise<Ending> {
  const path = collectionOf('PodCertificateRequest', namespace)
  const query = { fieldSelector: `spec.podName=${pod}` }
  return eventually(`a verdict for ${namespace}/${pod}`, async () => {
    const list = await world.admin.request<{ items: unknown[] }>({ method: 'GET', path, query })
    return list.items.map((item) => endingOf(requests.parse(item))).find((ending) => ending)
  })
}

/** Waits until this very request has ended. */
export function endingOfRequest(world: World, namespace: string, name: string): Promise<Ending> {
  const path = `${collectionOf('PodCertificateRequest', namespace)}/${name}`
  return eventually(`a verdict on request ${namespace}/${name}`, async () =>
    endingOf(requests.parse(await world.admin.request({ method: 'GET', path }))),
  )
}

/** The metadata of an object that is there. */
export async function metadataOf(
  world: World,
  kind: string,
  name: string,
  namespace = '',
): Promise<KubernetesObject['metadata']> {
  const path = `${collectionOf(kind, namespace)}/${name}`
  const object = await world.admin.request<{ metadata: KubernetesObject['metadata'] }>({
    method: 'GET',
    path,
  })
  return object.metadata
}

/** The path of the file that kubelet wrote for this pod, once it is there. */
export async function credentialBundleOf(
  world: World,
  namespace: string,
  pod: string,
): Promise<string> {
  const { uid } = await metadataOf(world, 'Pod', pod, namespace)
  return eventually(`the volume of ${namespace}/${pod}`, async () => {
    const folder = await world.cluster.volumeFolder(uid, stage.volume)
    if (folder === undefined) return undefined
    const file = join(folder, stage.credentialBundle)
    await readFile(file)
    return file
  })
}

/** Waits for the certificate in the pod's volume and reads it as the pod would. */
export async function svidOf(world: World, namespace: string, pod: string): Promise<X509Svid> {
  const file = await credentialBundleOf(world, namespace, pod)
  return parseCredentialBundle(await readFile(file, 'utf8')).svid
}

/** Checks that a request ended as it should. */
export function expectEnding(ending: Ending, type: string, reason?: string): void {
  const right = ending.type === type && (reason === undefined || ending.reason === reason)
  if (right) return
  throw new Surprise(
    `want=${type}${reason === undefined ? '' : ` ${reason}`} got=${ending.type} ${ending.reason}: ${ending.message}`,
  )
}
