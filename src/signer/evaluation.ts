import type { Condition, ConditionBoard } from '../readiness.ts'
import type { SignerOptions } from './controller.ts'
import type { EvaluationProfile } from './verdict/check.ts'
import type { Gatherer } from './watch/gather.ts'

/** What a signer, and whoever approves for it, hold requests against. */
export function evaluationProfile({
  profile,
  clusterDomain,
  claims,
}: Pick<SignerOptions, 'profile' | 'clusterDomain' | 'claims'>): EvaluationProfile & {
  readonly cluster: string
} {
  return {
    ...profile,
    ...(clusterDomain === undefined ? {} : { clusterDomain }),
    ...(claims && { unclaimed: claims.unclaimed }),
  }
}

/** The conditions of what is followed as evidence. */
export function evidenceNames({ claims }: Pick<SignerOptions, 'claims'>): readonly string[] {
  const owners = (claims?.owners ?? []).map(({ resource }) => resource)
  const all = ['pods', 'namespaces', 'serviceaccounts', 'nodes', 'services', ...owners]
  return all.map((name) => `watch ${name}`)
}

export function tellEvidence(gatherer: Gatherer, board: ConditionBoard): void {
  for (const { name } of gatherer.conditions()) {
    board.set(`watch ${name}`, () => evidenceCondition(gatherer, name))
  }
}

/** Once it was read, the API server is asked instead of a copy that is not fresh: slower, and no less safe. */
function evidenceCondition(gatherer: Gatherer, name: string): Omit<Condition, 'name'> {
  const found = gatherer.conditions().find((each) => each.name === name)
  const { ok = false, reason = '' } = found ?? {}
  return { ok, reason, optional: gatherer.hasSynced }
}
