import type { ApiClient } from './api-client.ts'
import { readFields } from './read-field.ts'

/** Something that the API server has to allow its user, as RBAC counts it. */
export interface Right {
  readonly verb: string
  /** Empty for the core group. */
  readonly group: string
  readonly resource: string
  readonly subresource?: string
  /** Of the object with this name only; for signers, the name of the signer. */
  readonly name?: string
  /** Undefined: in the whole cluster. */
  readonly namespace?: string
  /** What does not work without it. */
  readonly without: string
  /** Work goes on without it. */
  readonly optional?: boolean
}

const root = '/apis/authorization.k8s.io/v1'

/** Somebody else, as the API server knows them. */
export interface ReviewedUser {
  readonly user: string
  readonly groups: readonly string[]
}

/** Those of the rights that the API server does not give us. Every user may ask (`system:basic-user`). */
export function missingRights(
  client: ApiClient,
  rights: readonly Right[],
  signal: AbortSignal,
): Promise<readonly Right[]> {
  return missing(client, rights, { signal })
}

/** Those that it does not give somebody else, which takes the right to create subjectaccessreviews. */
export function missingRightsOf(
  client: ApiClient,
  rights: readonly Right[],
  question: { readonly of: ReviewedUser; readonly signal: AbortSignal },
): Promise<readonly Right[]> {
  return missing(client, rights, question)
}

interface Question {
  /** Undefined: ourselves. */
  readonly of?: ReviewedUser
  readonly signal: AbortSignal
}

async function missing(
  client: ApiClient,
  rights: readonly Right[],
  question: Question,
): Promise<readonly Right[]> {
  const held = await Promise.all(rights.map((right) => isHeld(client, right, question)))
  return rights.filter((_right, at) => held[at] !== true)
}

/** `patch podcertificaterequests/status.certificates.k8s.io`, as an administrator would look for it in a role. */
export function formatRight(right: Right): string {
  const { verb, group, resource, subresource, name, namespace } = right
  const what = [resource, subresource].filter((part) => part !== undefined).join('/')
  const where = namespace === undefined ? '' : ` in namespace ${namespace}`
  const which = name === undefined ? '' : ` with the name ${name}`
  return `${verb} ${what}${group === '' ? '' : `.${group}`}${which}${where}`
}

async function isHeld(client: ApiClient, right: Right, question: Question): Promise<boolean> {
  if (await ask(client, right, question)) return true
  // A role may name all signers of a domain: the API server takes that for its own checks, and answers a review of one of them with no.
  if (right.resource !== 'signers' || right.name === undefined) return false
  return ask(client, { ...right, name: right.name.replace(/\/.*$/, '/*') }, question)
}

async function ask(client: ApiClient, right: Right, { of, signal }: Question): Promise<boolean> {
  const { without: _without, optional: _optional, ...resourceAttributes } = right
  const kind = of === undefined ? 'SelfSubjectAccessReview' : 'SubjectAccessReview'
  const answer = await client.request({
    method: 'POST',
    path: `${root}/${kind.toLowerCase()}s`,
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind,
      spec: { ...of, resourceAttributes },
    },
    signal,
  })
  const status = readFields(readFields(answer, 'access review')['status'], 'status')
  return status['allowed'] === true
}
