import type { Tokens } from './authentication.ts'
import { invalid } from './field-error.ts'
import { isJsonObject, objectAt, textAt } from './json-object.ts'
import { formatTime, type KubeObject } from './kube-object.ts'
import type { ObjectStore } from './object-store.ts'
import { nodes, serviceAccounts } from './resources/plain.ts'
import { pods } from './resources/pod.ts'
import { badRequest, conflict, forbiddenAccess, notFound, unprocessable } from './status.ts'
import { nodeNameOf, type User } from './user.ts'

const lifetimeSecondsDefault = 3600
const lifetimeSecondsMin = 600

/** POST …/serviceaccounts/<name>/token: the answer is the TokenRequest with its status. */
export function requestToken(options: {
  readonly store: ObjectStore
  readonly tokens: Tokens
  readonly user: User
  readonly namespace: string
  readonly name: string
  readonly body: unknown
}): object {
  const { store, tokens, namespace, name } = options
  const account = store.get(serviceAccounts, namespace, name)
  if (account === undefined) throw notFound({ group: '', resource: 'serviceaccounts', name })
  if (!isJsonObject(options.body)) throw badRequest('want=TokenRequest')
  const spec = objectAt(options.body, 'spec')
  const lifetimeSeconds = Number(spec['expirationSeconds'] ?? lifetimeSecondsDefault)
  if (!(lifetimeSeconds >= lifetimeSecondsMin)) {
    const rule = 'may not specify a duration less than 10 minutes'
    const error = invalid('spec.expirationSeconds', spec['expirationSeconds'], rule)
    throw unprocessable({ group: 'authentication.k8s.io', kind: 'TokenRequest', name: '' }, [error])
  }
  const pod = boundPod(options, objectAt(spec, 'boundObjectRef'))
  const nodeName = textAt(pod?.spec, 'nodeName')
  const node = nodeName === '' ? undefined : store.get(nodes, undefined, nodeName)
  const { token, expiresAt } = tokens.issue({
    namespace,
    serviceAccount: { name, uid: account.metadata.uid },
    lifetimeSeconds,
    ...(pod === undefined
      ? {}
      : {
          pod: {
            name: pod.metadata.name,
            uid: pod.metadata.uid,
            node: node === undefined ? undefined : { name: nodeName, uid: node.metadata.uid },
          },
        }),
  })
  return {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { name, namespace, creationTimestamp: null },
    spec: {
      audiences: ['https://kubernetes.default.svc'],
      ...spec,
      expirationSeconds: lifetimeSeconds,
    },
    status: { token, expirationTimestamp: formatTime(expiresAt) },
  }
}

/** The pod that the token dies with. A node must name one of its own (NodeRestriction). */
function boundPod(
  options: {
    readonly store: ObjectStore
    readonly user: User
    readonly namespace: string
    readonly name: string
  },
  reference: Parameters<typeof textAt>[0],
): KubeObject | undefined {
  const { store, user, namespace, name } = options
  const podName = textAt(reference, 'name')
  const nodeName = nodeNameOf(user)
  const refuse = (why: string): Error =>
    forbiddenAccess({ group: '', resource: 'serviceaccounts', name }, why)
  if (textAt(reference, 'kind') !== 'Pod' || podName === '') {
    if (nodeName !== undefined) throw refuse('node requested token not bound to a pod')
    if (textAt(reference, 'kind') === '') return undefined
    throw badRequest('boundObjectRef: want=Pod')
  }
  const pod = store.get(pods, namespace, podName)
  const subject = { group: '', resource: 'pods', name: podName }
  if (pod === undefined) throw notFound(subject)
  const uid = textAt(reference, 'uid')
  if (uid !== '' && uid !== pod.metadata.uid) {
    throw conflict(
      subject,
      `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    )
  }
  if (nodeName !== undefined && (uid === '' || textAt(pod.spec, 'nodeName') !== nodeName)) {
    throw refuse('node requested token bound to a pod scheduled on a different node')
  }
  if (textAt(pod.spec, 'serviceAccountName') !== name) {
    throw refuse(
      `cannot bind token for serviceaccount ${JSON.stringify(name)} to pod running with different serviceaccount name.`,
    )
  }
  return pod
}
