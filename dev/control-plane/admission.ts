import { enforcePolicies } from './admission-policies.ts'
import { mayActForSigner, type Authorize } from './attributes.ts'
import { textAt } from './json-object.ts'
import { sameObject } from './metadata.ts'
import { restrictNode } from './node-restriction.ts'
import type { ObjectStore } from './object-store.ts'
import { resourceKey } from './resource-type.ts'
import { namespaces } from './resources/plain.ts'
import { forbiddenAccess, notFound } from './status.ts'
import { nodeNameOf } from './user.ts'
import type { Write } from './write.ts'

export interface Admission {
  /** Before validation: the namespace must be there and living; nodes stay within their own. Throws a StatusError. */
  admit(write: Write): void
  /** After validation: bundles of a signer need its consent, and admission policies are heard. Throws a StatusError. */
  validate(write: Write): void
}

export function createAdmission(options: {
  readonly store: ObjectStore
  readonly authorize: Authorize
  /** Whether plugin NodeRestriction is in force; it is unless told. */
  readonly nodeRestriction?: boolean
}): Admission {
  const { store, authorize, nodeRestriction = true } = options
  return {
    admit(write) {
      const nodeName = nodeNameOf(write.user)
      if (nodeRestriction && nodeName !== undefined) restrictNode(write, { nodeName, store })
      if (write.operation === 'CREATE') requireLivingNamespace(write, store)
    },
    validate(write) {
      if (write.operation !== 'DELETE') requireRightToAttest(write, authorize)
      enforcePolicies(write, store)
    },
  }
}

function requireLivingNamespace({ type, object }: Write, store: ObjectStore): void {
  if (!type.namespaced) return
  const { namespace = '', name } = object.metadata
  const found = store.get(namespaces, undefined, namespace)
  if (found === undefined) throw notFound({ group: '', resource: 'namespaces', name: namespace })
  if (found.metadata.deletionTimestamp === undefined) return
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`
  throw forbiddenAccess({ group: type.group, resource: type.plural, name }, why)
}

/** Plugin ClusterTrustBundleAttest: a 403, where a missing `sign` right is a 422. */
function requireRightToAttest(write: Write, authorize: Authorize): void {
  const { type, object, previous, user } = write
  if (resourceKey(type) !== 'clustertrustbundles.certificates.k8s.io') return
  const signerName = textAt(object.spec, 'signerName')
  if (signerName === '') return
  if (previous !== undefined && sameObject(object, previous)) return
  if (mayActForSigner({ authorize, user, verb: 'attest', signerName })) return
  const why = `user not permitted to attest for signerName ${JSON.stringify(signerName)}`
  const { name } = object.metadata
  throw forbiddenAccess({ group: type.group, resource: type.plural, name }, why)
}
