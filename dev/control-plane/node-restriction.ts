import { objectAt, objectsAt, semanticallyEqual, textAt } from './json-object.ts'
import type { KubeObject } from './kube-object.ts'
import type { ObjectStore } from './object-store.ts'
import { resourceKey } from './resource-type.ts'
import { nodes, serviceAccounts } from './resources/plain.ts'
import { pods } from './resources/pod.ts'
import { forbiddenAccess, unknownError, type StatusError } from './status.ts'
import type { Write } from './write.ts'

interface Restriction {
  readonly nodeName: string
  readonly store: ObjectStore
}

const mirrorAnnotation = 'kubernetes.io/config.mirror'

function refuse({ type, object }: Write, why: string): StatusError {
  const { name } = object.metadata
  return forbiddenAccess({ group: type.group, resource: type.plural, name }, why)
}

type Rule = (write: Write, restriction: Restriction) => void

const rules: Readonly<Record<string, Rule>> = {
  nodes: restrictNodes,
  pods: restrictPods,
  'leases.coordination.k8s.io': restrictLeases,
  'podcertificaterequests.certificates.k8s.io': restrictRequests,
}

/** Plugin NodeRestriction: what a node may write of what the Node authorizer let through. */
export function restrictNode(write: Write, restriction: Restriction): void {
  const key = resourceKey(write.type)
  const rule = Object.hasOwn(rules, key) ? rules[key] : undefined
  rule?.(write, restriction)
}

function restrictNodes(write: Write, { nodeName }: Restriction): void {
  const { object, previous } = write
  const { name } = object.metadata
  const node = JSON.stringify(nodeName)
  if (name !== nodeName) {
    throw refuse(write, `node ${node} is not allowed to modify node ${JSON.stringify(name)}`)
  }
  if (previous === undefined || write.operation !== 'UPDATE') return
  if (!semanticallyEqual(object.spec?.['taints'], previous.spec?.['taints'])) {
    throw refuse(write, `node ${node} is not allowed to modify taints`)
  }
  const owners = [object, previous].map(({ metadata }) => metadata.ownerReferences)
  if (!semanticallyEqual(owners[0], owners[1])) {
    throw refuse(write, `node ${node} is not allowed to modify ownerReferences`)
  }
}

function restrictPods(write: Write, { nodeName }: Restriction): void {
  const { operation, object, subresource } = write
  const node = JSON.stringify(nodeName)
  const isOwn = textAt(object.spec, 'nodeName') === nodeName
  if (subresource === 'status') {
    if (textAt(write.previous?.spec, 'nodeName') === nodeName) return
    throw refuse(
      write,
      `node ${node} can only update pod status for pods with spec.nodeName set to itself`,
    )
  }
  if (operation === 'DELETE') {
    if (isOwn) return
    throw refuse(write, `node ${node} can only delete pods with spec.nodeName set to itself`)
  }
  if (operation === 'UPDATE') {
    throw refuse(
      write,
      `unexpected operation "UPDATE", node ${node} can only create and delete mirror pods`,
    )
  }
  if (object.metadata.annotations?.[mirrorAnnotation] === undefined) {
    throw refuse(
      write,
      `pod does not have "${mirrorAnnotation}" annotation, node ${node} can only create mirror pods`,
    )
  }
  if (!isOwn)
    throw refuse(write, `node ${node} can only create pods with spec.nodeName set to itself`)
  if (refersToApiObjects(object)) {
    throw refuse(write, `node ${node} can not create pods that reference API objects`)
  }
}

function refersToApiObjects(pod: KubeObject): boolean {
  return (
    !['', 'default'].includes(textAt(pod.spec, 'serviceAccountName')) ||
    objectsAt(pod.spec, 'volumes').some(
      (volume) => !semanticallyEqual(Object.keys(volume).toSorted(), ['hostPath', 'name']),
    )
  )
}

function restrictLeases(write: Write, { nodeName }: Restriction): void {
  if (write.object.metadata.name === nodeName) return
  throw refuse(write, 'can only access node lease with the same name as the requesting node')
}

/**
 * A request must be about a pod that runs here and has such a volume. What may be lag of an informer
 * is no refusal but a 500, so that kubelet tries again (tested against the real one).
 */
function restrictRequests(write: Write, { nodeName, store }: Restriction): void {
  if (write.operation !== 'CREATE') throw refuse(write, `unexpected operation ${write.operation}`)
  const { spec, metadata } = write.object
  const podName = `${metadata.namespace}/${textAt(spec, 'podName')}`
  const about = `PodCertificateRequest for pod ${JSON.stringify(podName)}`
  if (textAt(spec, 'nodeName') !== nodeName) {
    const asked = JSON.stringify(textAt(spec, 'nodeName'))
    throw refuse(
      write,
      `PodCertificateRequest.Spec.NodeName=${asked}, which is not the requesting node ${JSON.stringify(nodeName)}`,
    )
  }
  const node = store.get(nodes, undefined, nodeName)
  requireUid(node, textAt(spec, 'nodeUID'), `${about}: node ${JSON.stringify(nodeName)}`)
  const pod = store.get(pods, metadata.namespace, textAt(spec, 'podName'))
  requireUid(pod, textAt(spec, 'podUID'), `${about}: the pod`)
  if (textAt(pod?.spec, 'nodeName') !== nodeName) {
    throw refuse(
      write,
      `pod ${JSON.stringify(podName)} is not running on node ${JSON.stringify(nodeName)} named in the PodCertificateRequest`,
    )
  }
  if (pod?.metadata.annotations?.[mirrorAnnotation] !== undefined) {
    throw refuse(write, `pod ${JSON.stringify(podName)} is a mirror pod`)
  }
  const account = textAt(spec, 'serviceAccountName')
  const running = textAt(pod?.spec, 'serviceAccountName')
  if (account !== running) {
    const names = `(${JSON.stringify(account)}) that differs from running pod (${JSON.stringify(running)})`
    throw refuse(write, `${about} contains serviceAccountName ${names}`)
  }
  const serviceAccount = store.get(serviceAccounts, metadata.namespace, account)
  requireUid(serviceAccount, textAt(spec, 'serviceAccountUID'), `${about}: the service account`)
  const signerName = textAt(spec, 'signerName')
  if (pod === undefined || !declares(pod, signerName)) {
    throw refuse(
      write,
      `pod ${JSON.stringify(podName)} does not mount a podCertificate projected volume for signer ${JSON.stringify(signerName)}`,
    )
  }
}

function requireUid(object: KubeObject | undefined, uid: string, what: string): void {
  if (object === undefined) throw unknownError(`${what} was not found`)
  if (object.metadata.uid === uid) return
  throw unknownError(
    `${what} has another UID: want=${JSON.stringify(object.metadata.uid)} got=${JSON.stringify(uid)}`,
  )
}

function declares(pod: KubeObject, signerName: string): boolean {
  return objectsAt(pod.spec, 'volumes')
    .flatMap((volume) => objectsAt(objectAt(volume, 'projected'), 'sources'))
    .some((source) => textAt(objectAt(source, 'podCertificate'), 'signerName') === signerName)
}
