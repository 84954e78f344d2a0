import type { Authorizer } from './authorizer.ts'
import { isJsonObject, objectAt, textAt } from './json-object.ts'
import { badRequest } from './status.ts'
import type { User } from './user.ts'

export const accessReviewPath = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'

/**
 * SelfSubjectAccessReview: may I do this. A name is compared as it is, so that a right on `example.com/*`
 * says nothing here about `example.com/signer` (tested against the real one).
 */
export function reviewAccess(authorizer: Authorizer, user: User, body: unknown): object {
  if (!isJsonObject(body)) throw badRequest('want=SelfSubjectAccessReview')
  const spec = objectAt(body, 'spec')
  return {
    kind: 'SelfSubjectAccessReview',
    apiVersion: 'authorization.k8s.io/v1',
    metadata: { creationTimestamp: null },
    spec,
    status: { allowed: isAllowed(authorizer, user, spec) },
  }
}

function isAllowed(authorizer: Authorizer, user: User, spec: ReturnType<typeof objectAt>): boolean {
  const path = objectAt(spec, 'nonResourceAttributes')
  if (isJsonObject(spec['nonResourceAttributes'])) {
    return authorizer.mayVisit({ user, verb: textAt(path, 'verb'), path: textAt(path, 'path') })
  }
  const asked = objectAt(spec, 'resourceAttributes')
  return authorizer.authorize({
    user,
    verb: textAt(asked, 'verb'),
    group: textAt(asked, 'group'),
    resource: textAt(asked, 'resource'),
    subresource: textAt(asked, 'subresource'),
    namespace: textAt(asked, 'namespace'),
    name: textAt(asked, 'name'),
  }).allowed
}
