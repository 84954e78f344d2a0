import { CountersignError, quoted } from '../../errors.ts'
import { parseModels, parseToolScopes } from '../../identity/ceiling.ts'
import { annotationKeys, grantLabelPrefixes } from '../../identity/governance-key.ts'
import type { Model } from '../../identity/model.ts'
import type { Role } from '../../identity/role.ts'
import { parseTenant, type Tenant } from '../../identity/tenant.ts'
import { containsToolScope, type ToolScope } from '../../identity/tool-scope.ts'
import { allowanceGap, readProof } from '../../signer/verdict/proof.ts'
import { proveRole } from '../../signer/verdict/role-proof.ts'
import type { Workload } from './cluster-workload.ts'

interface ProvedAttributes {
  readonly role: Role | undefined
  readonly tenant: Tenant | undefined
  readonly models: readonly Model[]
  readonly toolScopes: readonly ToolScope[]
  readonly pod?: { readonly name: string; readonly uid: string }
}

/**
 * What a certificate of a workload would say if it were issued now. Of a pod it is what its volume asks for; of a service account, all that
 * one of its pods may ask for. Throws `cli/usage` where the signer would refuse.
 */
export function attributesOf({ namespace, serviceAccount, pod }: Workload): ProvedAttributes {
  const account = { ...serviceAccount.metadata }
  const space = { ...namespace.metadata }
  const provable = {
    models: (readProof(account.annotations[annotationKeys.models], parseModels).value ?? []).filter(
      (model) => allowanceGap(space, `${grantLabelPrefixes.models}${model}`) === undefined,
    ),
    toolScopes: (
      readProof(account.annotations[annotationKeys.toolScopes], parseToolScopes).value ?? []
    ).filter(
      ({ server }) => allowanceGap(space, `${grantLabelPrefixes.tools}${server}`) === undefined,
    ),
  }
  const proved = {
    role: proveRole({ serviceAccount: account, namespace: space }).role,
    tenant: readProof(space.labels[annotationKeys.tenant], parseTenant).value,
  }
  if (pod === undefined) return { ...proved, ...provable }
  const asked = askedBy(pod)
  const { uid, name } = pod.metadata
  for (const [what, text, value] of [
    ['role', asked[annotationKeys.role], proved.role],
    ['tenant', asked[annotationKeys.tenant], proved.tenant],
  ] as const) {
    if (text !== undefined && text !== value) throw notProved(name, `${what} ${quoted(text)}`)
  }
  const models = listed(asked[annotationKeys.models], parseModels)
  const toolScopes = listed(asked[annotationKeys.toolScopes], parseToolScopes)
  const model = models.find((each) => !provable.models.includes(each))
  if (model !== undefined) throw notProved(name, `model ${quoted(model)}`)
  const scope = toolScopes.find(
    (each) => !provable.toolScopes.some((wider) => containsToolScope(wider, each)),
  )
  if (scope !== undefined) throw notProved(name, `tool scope ${quoted(scope.text)}`)
  return { ...proved, models, toolScopes, pod: { name, uid } }
}

/** The annotations of the one volume source with which the pod asks for its certificate. */
function askedBy({
  metadata,
  podCertificates,
}: NonNullable<Workload['pod']>): Readonly<Record<string, string>> {
  const asked = podCertificates.map(({ userAnnotations }) => userAnnotations)
  const [first, ...others] = asked
  if (first === undefined) throw unfit(`pod ${quoted(metadata.name, 253)} asks for no certificate`)
  const differs = others.some((each) => JSON.stringify(each) !== JSON.stringify(first))
  if (differs) throw unfit(`pod ${quoted(metadata.name, 253)} asks for several certificates`)
  return first
}

function listed<T>(text: string | undefined, parse: (text: string) => readonly T[]): readonly T[] {
  return text === undefined ? [] : parse(text)
}

function notProved(pod: string, what: string): CountersignError {
  const message = `pod ${quoted(pod, 253)} gets no certificate: its ${what} is not proved by its namespace and service account`
  return new CountersignError('cli/usage', message, { hint: 'docs/ISSUANCE.md, Claims and proofs' })
}

function unfit(message: string): CountersignError {
  const hint =
    'give its certificate (--certificate), or its SPIFFE ID with --tool-scopes, --role and --tenant'
  return new CountersignError('cli/usage', message, { hint })
}
