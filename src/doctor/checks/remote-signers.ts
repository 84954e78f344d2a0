import { ok, plural, problem, unknown, type Check } from '../check.ts'
import type { Facts } from '../facts.ts'
import { podsOf } from '../own-pods.ts'
import { judgePods } from './programs.ts'

export const remoteSigners: Check = {
  name: 'remote-signers',
  judge: (facts) => {
    const { pods, templates, namespace, remotes } = facts
    if (!pods.known) return unknown(pods)
    const running = podsOf(pods.value, namespace, 'remotes')
    // Each has one pod. By the whole name: that of edge-1 begins with that of edge.
    const absent = installed(facts).filter(
      (name) => !running.some((pod) => pod.name === `${name}-0`),
    )
    if (absent.length > 0) {
      return problem(`${plural(absent.length, 'signer')} of other clusters without a pod`, {
        evidence: absent,
        hint: 'nothing is renewed in those clusters; kubectl describe statefulset says what is refused',
      })
    }
    if (running.length === 0) {
      return templates.known ? ok('no signer of another cluster runs here') : unknown(templates)
    }
    if (!remotes.known) return unknown(remotes)
    return judgePods(remotes.value, 'signer of another cluster')
  },
}

/** StatefulSets of the chart's `remotes`. */
function installed({ templates, namespace }: Facts): readonly string[] {
  if (!templates.known) return []
  return templates.value
    .filter((each) => each.kind === 'StatefulSet' && each.namespace === namespace)
    .map(({ name }) => name)
    .filter((name) => name.startsWith('countersign-signer-of-'))
}
