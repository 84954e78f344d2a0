import type { Facts, Program } from './facts.ts'
import type { PodFact } from './workload-facts.ts'

/** Our own pods: those of a program's service account in its namespace that have not ended. */
export function podsOf(
  pods: readonly PodFact[],
  namespace: string,
  program: Program,
): readonly PodFact[] {
  return pods.filter(
    (pod) =>
      pod.namespace === namespace &&
      pod.serviceAccount === `countersign-${program}` &&
      !['Succeeded', 'Failed'].includes(pod.phase),
  )
}

/** Whether a program belongs to this installation: it runs, or somebody has configured it. The chart can leave the gateway out. */
export function isInstalled(facts: Facts, program: Program): boolean {
  const { pods, namespace, configured } = facts
  if (configured[program] !== false) return true
  return pods.known && podsOf(pods.value, namespace, program).length > 0
}
