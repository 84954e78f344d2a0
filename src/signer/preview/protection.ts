import {
  admissionPolicies,
  admissionPolicyBindings,
  type AdmissionObject,
} from '../../kubernetes/admission-policy.ts'
import type { ApiClient } from '../../kubernetes/api-client.ts'
import { ApiError } from '../../kubernetes/api-error.ts'
import { listObjects } from '../../kubernetes/objects.ts'
import type { Requester } from '../verdict/check.ts'
import { protectionGap } from '../watch/requester.ts'

/** The admission policies and bindings that there are. */
export interface Protection {
  readonly policies: readonly AdmissionObject[]
  readonly bindings: readonly AdmissionObject[]
}

/** Undefined where it may not be read. */
export async function readProtection(
  client: ApiClient,
  name: string,
  signal: AbortSignal,
): Promise<Protection | undefined> {
  const options = { fieldSelector: `metadata.name=${name}`, signal }
  try {
    return {
      policies: await listObjects(client, admissionPolicies, options),
      bindings: await listObjects(client, admissionPolicyBindings, options),
    }
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) return undefined
    throw error
  }
}

/** What a signer would say of the next request; of one that is there already nobody knows here whether the policy is older. */
export function requesterIn(
  protection: Protection | undefined,
  of: { readonly name: string; readonly signerName: string },
): Requester {
  if (protection === undefined) return 'unknown'
  const named = (objects: readonly AdmissionObject[]): AdmissionObject | undefined =>
    objects.find(({ metadata }) => metadata.name === of.name)
  const { policies, bindings } = protection
  const gap = protectionGap({ policy: named(policies), binding: named(bindings) }, of)
  return gap === undefined ? 'shown' : 'not-shown'
}
