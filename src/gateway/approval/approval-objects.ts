import type { ApiClient } from '../../kubernetes/api-client.ts'
import { isConflict, isNotFound } from '../../kubernetes/api-error.ts'
import { createObject, listObjects, mergeObject, readObject } from '../../kubernetes/objects.ts'
import { readFields, readText } from '../../kubernetes/read-field.ts'
import {
  readMetadata,
  resourcePath,
  type KubernetesObject,
  type Resource,
} from '../../kubernetes/resource.ts'
import type { ApprovalStore, KeptApproval } from './store.ts'

interface ApprovalObject extends KubernetesObject {
  readonly sealed: string
  readonly deadline: string
}

const approvals: Resource<ApprovalObject> = {
  group: 'countersign.dev',
  version: 'v1alpha1',
  plural: 'approvals',
  kind: 'Approval',
  namespaced: true,
  missing: 'kubectl apply --server-side -f charts/countersign/files/crds/approvals.yaml',
  parse(raw) {
    const spec = readFields(readFields(raw, 'approval')['spec'], 'spec')
    return {
      metadata: readMetadata(raw),
      sealed: readText(spec['sealed'], 'spec.sealed'),
      deadline: readText(spec['deadline'], 'spec.deadline'),
    }
  },
}

/**
 * Approvals as objects of one namespace. The API server does each change to the very object that was read, or not at all: of several who
 * delete one, one is told that it has (Kubernetes API conventions, preconditions and optimistic concurrency).
 */
export function openApprovalObjects({
  client,
  namespace,
}: {
  readonly client: ApiClient
  readonly namespace: string
}): ApprovalStore {
  return {
    async read(name) {
      const object = await readObject(client, approvals, { namespace, name })
      return object === undefined ? undefined : keptOf(object)
    },
    create({ name, sealed, deadline }) {
      const body = { metadata: { name, namespace }, spec: { sealed, deadline } }
      return unlessChanged(() => createObject(client, approvals, { namespace, body }))
    },
    replace({ name, version }, sealed) {
      const metadata = { name, namespace, ...version }
      return unlessChanged(() =>
        mergeObject(client, approvals, { metadata, patch: { spec: { sealed } } }),
      )
    },
    remove({ name, version }) {
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: version }
      const path = resourcePath(approvals, { namespace, name })
      return unlessChanged(() => client.request({ method: 'DELETE', path, body }))
    },
    async list() {
      return (await listObjects(client, approvals, { namespace })).map(keptOf)
    },
  }
}

function keptOf({ metadata, sealed, deadline }: ApprovalObject): KeptApproval {
  const { name, uid, resourceVersion } = metadata
  return { name, sealed, deadline, version: { uid, resourceVersion } }
}

async function unlessChanged(write: () => Promise<unknown>): Promise<boolean> {
  try {
    await write()
    return true
  } catch (error) {
    if (isConflict(error) || isNotFound(error)) return false
    throw error
  }
}
