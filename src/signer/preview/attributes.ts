import { parseModels, parseToolScopes } from '../../identity/ceiling.ts'
import { annotationKeys } from '../../identity/governance-key.ts'
import type { Namespace, ServiceAccount } from '../../kubernetes/workloads.ts'
import { attributeChecks } from '../verdict/attribute-checks.ts'
import type { Granted } from '../verdict/check.ts'
import { parseAttributes, type AskedAttributes } from '../verdict/claims.ts'
import { readProof } from '../verdict/proof.ts'
import type { FieldRefusal } from '../verdict/verdict.ts'
import { namespaceEvidence, serviceAccountEvidence } from '../watch/facts.ts'

/** The objects that prove what a certificate says beside names. */
export interface Provers {
  readonly namespace: Namespace
  readonly serviceAccount: ServiceAccount
}

export type ProvedAttributes = Pick<Granted, 'role' | 'tenant' | 'models' | 'toolScopes'>

/** What a pod gets that asks with these annotations, or what of it the signer refuses. */
export function provedFor(
  provers: Provers,
  annotations: Readonly<Record<string, string>>,
): { readonly granted: ProvedAttributes } | { readonly refused: FieldRefusal } {
  const asked = parseAttributes(annotations)
  if ('refused' in asked) return { refused: asked.refused.fields[0] as FieldRefusal }
  const { granted, refused } = prove(provers, asked.ok)
  const [first] = refused
  return first === undefined ? { granted } : { refused: first }
}

/** The most that any pod of the service account may ask for. */
export function provableBy(provers: Provers): ProvedAttributes {
  const { annotations } = provers.serviceAccount.metadata
  return prove(provers, {
    role: undefined,
    tenant: undefined,
    models: readProof(annotations[annotationKeys.models], parseModels).value ?? [],
    toolScopes: readProof(annotations[annotationKeys.toolScopes], parseToolScopes).value ?? [],
  }).granted
}

function prove(
  { namespace, serviceAccount }: Provers,
  attributes: AskedAttributes,
): { readonly granted: ProvedAttributes; readonly refused: readonly FieldRefusal[] } {
  const evidence = {
    namespace: { state: 'found', object: namespaceEvidence(namespace) },
    serviceAccount: { state: 'found', object: serviceAccountEvidence(serviceAccount) },
  } as const
  const results = attributeChecks.map(({ run }) => run({ claims: { attributes }, evidence }))
  const findings = results.flatMap((result) => result.findings)
  return {
    granted: Object.assign({}, ...results.map(({ granted }) => granted)) as ProvedAttributes,
    refused: findings.filter((finding) => finding.kind === 'refused'),
  }
}
