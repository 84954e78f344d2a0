import type { Attributes, Authorize, Decision } from './attributes.ts'
import { createNodeAuthorizer } from './node-authorizer.ts'
import type { ObjectStore } from './object-store.ts'
import { createRbac } from './rbac-authorizer.ts'
import type { ResourceTable } from './resource-table.ts'
import { forbiddenAccess, forbiddenPath, type StatusError } from './status.ts'
import { nodeNameOf, type User } from './user.ts'

export interface Authorizer {
  readonly authorize: Authorize
  mayVisit(request: { readonly user: User; readonly verb: string; readonly path: string }): boolean
}

/** The chain of a usual cluster: Node, then RBAC; `system:masters` passes everything. */
export function createAuthorizer(options: {
  readonly store: ObjectStore
  readonly table: ResourceTable
}): Authorizer {
  const { store, table } = options
  const rbac = createRbac(store)
  const { podCertificateRequests } = table
  const authorizeNode = createNodeAuthorizer({ store, podCertificateRequests })

  function authorize(attributes: Attributes): Decision {
    const { user } = attributes
    if (user.groups.includes('system:masters')) return { allowed: true, reason: '' }
    const nodeName = nodeNameOf(user)
    const byNode = nodeName === undefined ? undefined : authorizeNode(nodeName, attributes)
    if (byNode?.allowed === true) return byNode
    const allowed = rbac({ kind: 'resource', attributes })
    // The refusing authorizer signs its reason.
    const reason = byNode === undefined || byNode.reason === '' ? '' : `node: ${byNode.reason}`
    return { allowed, reason: allowed ? '' : reason }
  }

  return {
    authorize,
    mayVisit: (request) =>
      request.user.groups.includes('system:masters') || rbac({ kind: 'path', ...request }),
  }
}

export function forbiddenBy(attributes: Attributes, decision: Decision): StatusError {
  const { user, verb, group, resource, subresource, namespace, name } = attributes
  const what = JSON.stringify(subresource ? `${resource}/${subresource}` : resource)
  const where =
    namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`
  const who = `User ${JSON.stringify(user.name)}`
  const message = `${who} cannot ${verb} resource ${what} in API group ${JSON.stringify(group)} ${where}`
  const reason = decision.reason === '' ? '' : `: ${decision.reason}`
  return forbiddenAccess({ group, resource, name }, message + reason)
}

export function forbiddenVisit(user: User, verb: string, path: string): StatusError {
  const who = JSON.stringify(user.name)
  return forbiddenPath(`User ${who} cannot ${verb} path ${JSON.stringify(path)}`)
}
