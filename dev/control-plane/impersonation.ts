import type { IncomingMessage } from 'node:http'
import type { Attributes } from './attributes.ts'
import { forbiddenBy, type Authorizer } from './authorizer.ts'
import { badRequest } from './status.ts'
import type { User } from './user.ts'

const accountPattern = /^system:serviceaccount:([^:]+):([^:]+)$/

/**
 * Whom a request acts as: the user of its impersonation headers, if the user that it came with may impersonate that one and each of the
 * groups. Throws a 403 otherwise, as it would without the headers.
 */
export function impersonated(request: IncomingMessage, user: User, authorizer: Authorizer): User {
  const [name, ...more] = request.headersDistinct['impersonate-user'] ?? []
  const groups = request.headersDistinct['impersonate-group'] ?? []
  if (name === undefined || name === '') {
    if (groups.length === 0) return user
    throw badRequest('impersonation: want=a user with the groups got=none')
  }
  if (more.length > 0) throw badRequest('impersonation: want=one user got=several')
  requireRight(authorizer, { user, ...resourceOf(name) })
  for (const group of groups) {
    requireRight(authorizer, { user, resource: 'groups', namespace: '', name: group })
  }
  const own = groups.length === 0 ? groupsOf(name) : groups
  // Whoever is known at all is in this group, whatever else was asked for.
  return { name, groups: [...new Set([...own, 'system:authenticated'])] }
}

type Impersonated = Pick<Attributes, 'resource' | 'namespace' | 'name'>

function resourceOf(user: string): Impersonated {
  const [, namespace, name] = accountPattern.exec(user) ?? []
  if (namespace === undefined || name === undefined) {
    return { resource: 'users', namespace: '', name: user }
  }
  return { resource: 'serviceaccounts', namespace, name }
}

function requireRight(authorizer: Authorizer, asked: Impersonated & { readonly user: User }): void {
  const attributes = { ...asked, verb: 'impersonate', group: '' }
  const decision = authorizer.authorize(attributes)
  if (!decision.allowed) throw forbiddenBy(attributes, decision)
}

/** A service account brings the groups that its token would. */
function groupsOf(user: string): readonly string[] {
  const [, namespace] = accountPattern.exec(user) ?? []
  if (namespace === undefined) return []
  return ['system:serviceaccounts', `system:serviceaccounts:${namespace}`]
}
