import type { Facts, Program } from './facts.ts'
import type { PodFact } from './workload-facts.ts'

/** `remotes` has the signers of other clusters, which the chart runs under one service account. */
export type Account = Program | 'remotes'

/** Our own pods: those of a program's service account in its namespace that have not ended. */
export function podsOf(
  pods: readonly PodFact[],
  namespace: string,
  account: Account,
): readonly PodFact[] {
  return pods.filter(
    (pod) =>
      pod.namespace === namespace &&
      pod.serviceAccount === `countersign-${account}` &&
      !['Succeeded', 'Failed'].includes(pod.phase),
  )
}

/** Whether a program belongs to this installation: it runs, or somebody has configured it. The chart can leave the gateway out. */
export function isInstalled(facts: Facts, program: Program): boolean {
  const { pods, namespace, configured } = facts
  if (configured[program] !== false) return true
  return pods.known && podsOf(pods.value, namespace, program).length > 0
}
