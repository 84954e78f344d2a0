import type { Attributes, Decision } from './attributes.ts'
import { objectAt, objectsAt, textAt } from './json-object.ts'
import type { KubeObject } from './kube-object.ts'
import type { ObjectStore } from './object-store.ts'
import type { ResourceType } from './resource-type.ts'
import { pods } from './resources/pod.ts'

const allowed: Decision = { allowed: true, reason: '' }

function refused(reason = ''): Decision {
  return { allowed: false, reason }
}

type NodeRule = (nodeName: string, attributes: Attributes) => Decision

/**
 * What a kubelet may do: its own Node, the pods bound to it, what those pods refer to, and requests for
 * their certificates (KEP-279, KEP-4317). Secrets and config maps only by name and only if a pod uses them.
 */
export function createNodeAuthorizer(options: {
  readonly store: ObjectStore
  readonly podCertificateRequests: ResourceType
}): NodeRule {
  const { store } = options
  const podsOn = (nodeName: string, namespace: string): readonly KubeObject[] =>
    store.list(pods, namespace).filter((pod) => textAt(pod.spec, 'nodeName') === nodeName)
  const related = (nodeName: string, kept: boolean): Decision =>
    kept ? allowed : refused(`no relationship found between node '${nodeName}' and this object`)
  const readByName =
    (refersTo: (pod: KubeObject, name: string) => boolean): NodeRule =>
    (nodeName, { verb, subresource, namespace, name }) => {
      if (!['get', 'list', 'watch'].includes(verb)) {
        return refused('can only read resources of this type')
      }
      if (subresource) return refused('cannot read subresource')
      if (namespace === '') return refused('can only read namespaced object of this type')
      if (name === '') return refused('No Object name found')
      const found = podsOn(nodeName, namespace).some((pod) => refersTo(pod, name))
      return related(nodeName, found)
    }

  const rules: Readonly<Record<string, NodeRule>> = {
    secrets: readByName((pod, name) => refersToVolume(pod, 'secret', 'secretName', name)),
    configmaps: readByName((pod, name) => refersToVolume(pod, 'configMap', 'name', name)),
    serviceaccounts: (nodeName, attributes) =>
      authorizeServiceAccount(attributes, (namespace, name) =>
        related(
          nodeName,
          podsOn(nodeName, namespace).some(
            (pod) => textAt(pod.spec, 'serviceAccountName') === name,
          ),
        ),
      ),
    nodes: authorizeNode,
    pods: (nodeName, attributes) => {
      const pod = store.get(pods, attributes.namespace, attributes.name)
      const own = textAt(pod?.spec, 'nodeName') === nodeName
      return authorizePod(nodeName, attributes, related(nodeName, own))
    },
    'podcertificaterequests.certificates.k8s.io': (nodeName, attributes) => {
      const request = store.get(
        options.podCertificateRequests,
        attributes.namespace,
        attributes.name,
      )
      const own = textAt(request?.spec, 'nodeName') === nodeName
      return authorizeRequest(nodeName, attributes, related(nodeName, own))
    },
    'leases.coordination.k8s.io': authorizeLease,
    events: (_nodeName, { verb }) =>
      ['create', 'update', 'patch'].includes(verb) ? allowed : refused(),
    services: (_nodeName, { verb }) => (isRead(verb) ? allowed : refused()),
    'clustertrustbundles.certificates.k8s.io': (_nodeName, { verb }) =>
      isRead(verb) ? allowed : refused(),
  }

  return (nodeName, attributes) => {
    const { group, resource } = attributes
    const key = group === '' ? resource : `${resource}.${group}`
    const rule = Object.hasOwn(rules, key) ? rules[key] : undefined
    if (nodeName === '')
      return refused(`unknown node for user ${JSON.stringify(attributes.user.name)}`)
    return rule?.(nodeName, attributes) ?? refused()
  }
}

function isRead(verb: string): boolean {
  return ['get', 'list', 'watch'].includes(verb)
}

function refersToVolume(pod: KubeObject, kind: string, member: string, name: string): boolean {
  const volumes = objectsAt(pod.spec, 'volumes')
  const sources = volumes.flatMap((volume) => objectsAt(objectAt(volume, 'projected'), 'sources'))
  return [
    ...volumes.map((volume) => textAt(objectAt(volume, kind), member)),
    ...sources.map((source) => textAt(objectAt(source, kind), 'name')),
  ].includes(name)
}

function authorizeServiceAccount(
  { verb, subresource, namespace, name }: Attributes,
  isRelated: (namespace: string, name: string) => Decision,
): Decision {
  if (verb === 'get' && !subresource) return isRelated(namespace, name)
  if (verb !== 'create' || name === '') {
    return refused('can only create tokens for individual service accounts')
  }
  if (subresource !== 'token') {
    return refused('can only create token subresource of serviceaccount')
  }
  return isRelated(namespace, name)
}

function authorizeNode(nodeName: string, { verb, subresource, name }: Attributes): Decision {
  // NodeRestriction sees to it that the object is its own.
  if (['update', 'patch'].includes(verb) && ['', 'status'].includes(subresource ?? '')) {
    return allowed
  }
  if (subresource) return refused()
  if (verb === 'create') return allowed
  if (!isRead(verb)) return refused()
  if (name === nodeName) return allowed
  return name === ''
    ? refused(`node '${nodeName}' cannot read all nodes, only its own Node object`)
    : refused(`node '${nodeName}' cannot read '${name}', only its own Node object`)
}

function selectsOwn(nodeName: string, { fieldRequirements = [] }: Attributes): boolean {
  return fieldRequirements.some(
    ({ field, equal, value }) => field === 'spec.nodeName' && equal && value === nodeName,
  )
}

function authorizePod(nodeName: string, attributes: Attributes, related: Decision): Decision {
  const { verb, subresource, name } = attributes
  if (subresource === 'status') return ['update', 'patch'].includes(verb) ? allowed : refused()
  if (subresource) return refused()
  switch (verb) {
    case 'get':
      return name === '' ? refused('No Object name found') : related
    case 'list':
    case 'watch':
      if (selectsOwn(nodeName, attributes)) return allowed
      if (name !== '') return related
      return refused('can only list/watch pods with spec.nodeName field selector')
    // NodeRestriction lets it create mirror pods and delete its own.
    case 'create':
    case 'delete':
      return allowed
    default:
      return refused()
  }
}

function authorizeRequest(nodeName: string, attributes: Attributes, related: Decision): Decision {
  if (attributes.subresource) {
    return refused('nodes may not access the status subresource of PodCertificateRequests')
  }
  switch (attributes.verb) {
    // NodeRestriction compares it with the pod.
    case 'create':
      return allowed
    case 'get':
      return attributes.name === '' ? refused('No Object name found') : related
    case 'list':
    case 'watch':
      return selectsOwn(nodeName, attributes)
        ? allowed
        : refused('can only list/watch podcertificaterequests with nodeName field selector')
    default:
      return refused(`nodes may not ${attributes.verb} podcertificaterequests`)
  }
}

const leaseNamespace = 'kube-node-lease'

function authorizeLease(nodeName: string, { verb, namespace, name }: Attributes): Decision {
  if (!['get', 'create', 'update', 'patch', 'delete'].includes(verb)) {
    return refused('can only get, create, update, patch, or delete a node lease')
  }
  if (namespace !== leaseNamespace) {
    return refused(`can only access leases in the "${leaseNamespace}" system namespace`)
  }
  if (verb !== 'create' && name !== nodeName) {
    return refused('can only access node lease with the same name as the requesting node')
  }
  return allowed
}
