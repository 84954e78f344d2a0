import { forbiddenBy, type Authorizer } from './authorizer.ts'
import { isJsonObject, objectAt, textAt, textsAt, type JsonObject } from './json-object.ts'
import { badRequest } from './status.ts'
import type { User } from './user.ts'

const group = 'authorization.k8s.io'

/** Answers a review that a user posts. Throws a StatusError. */
type Reviewer = (authorizer: Authorizer, user: User, body: unknown) => object

const reviewers: Readonly<Record<string, Reviewer>> = {
  [`/apis/${group}/v1/selfsubjectaccessreviews`]: (authorizer, user, body) =>
    review(authorizer, { kind: 'SelfSubjectAccessReview', of: user, spec: specOf(body) }),
  [`/apis/${group}/v1/subjectaccessreviews`]: reviewOther,
}

/** The review of that path; undefined for every other path. */
export function reviewerOf(path: string): Reviewer | undefined {
  return Object.hasOwn(reviewers, path) ? reviewers[path] : undefined
}

/** SubjectAccessReview: may somebody else do this. Only who has the right to ask is told. */
function reviewOther(authorizer: Authorizer, user: User, body: unknown): object {
  const resource = 'subjectaccessreviews'
  const attributes = { user, verb: 'create', group, resource, namespace: '', name: '' }
  const decision = authorizer.authorize(attributes)
  if (!decision.allowed) throw forbiddenBy(attributes, decision)
  const spec = specOf(body)
  const of = { name: textAt(spec, 'user'), groups: textsAt(spec, 'groups') }
  if (of.name === '' && of.groups.length === 0) {
    throw badRequest('spec.user: want=a user or groups got=neither')
  }
  return review(authorizer, { kind: 'SubjectAccessReview', of, spec })
}

function specOf(body: unknown): JsonObject {
  if (!isJsonObject(body)) throw badRequest('want=an access review')
  return objectAt(body, 'spec')
}

/** A name is compared as it is, so that a right on `example.com/*` says nothing here about `example.com/signer` (tested against the real one). */
function review(
  authorizer: Authorizer,
  asked: { readonly kind: string; readonly of: User; readonly spec: JsonObject },
): object {
  const { kind, of, spec } = asked
  return {
    kind,
    apiVersion: `${group}/v1`,
    metadata: { creationTimestamp: null },
    spec,
    status: { allowed: isAllowed(authorizer, of, spec) },
  }
}

function isAllowed(authorizer: Authorizer, user: User, spec: JsonObject): boolean {
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
