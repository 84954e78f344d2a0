import type { Program } from './facts.ts'
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
