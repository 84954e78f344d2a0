import {
  named,
  ok,
  plural,
  problem,
  unknown,
  warning,
  withPartial,
  type Check,
  type Judgement,
} from '../check.ts'
import type { Facts } from '../facts.ts'
import type { PodFact, TemplateFact, VolumesFact } from '../workload-facts.ts'

/**
 * Pods that run without the certificate they were meant to have. With a gate off the API server takes the source out of the volume and
 * says nothing, and likewise out of the templates that pods are made from: what is left is an empty source, or what somebody applied.
 */
export const droppedVolumes: Check = {
  name: 'dropped-volumes',
  judge: (facts) => {
    const { pods, templates } = facts
    if (!pods.known) return unknown(pods)
    const alive = pods.value.filter(({ phase }) => !['Succeeded', 'Failed'].includes(phase))
    const owners = new Map(
      (templates.known ? templates.value : []).map((template) => [template.uid, template]),
    )
    const dropped = alive.flatMap((pod) => {
      const why = whyDropped(pod, owners)
      return why === undefined ? [] : [`${nameOf(pod)}: ${why}`]
    })
    if (dropped.length > 0) {
      const what = plural(dropped.length, 'pod')
      return problem(`${what} started without the certificate that it should ask for`, {
        evidence: dropped,
        hint: 'see pod-certificate-volumes; when that is well, apply the workloads again so that their pods are made anew',
      })
    }
    return withPartial(asking(facts, alive), [pods, templates])
  },
}

function asking({ templates, signerName }: Facts, alive: readonly PodFact[]): Judgement {
  const mute = alive.filter((pod) => asksByAnnotation(pod) && !hasCertificate(pod))
  const ours = alive.filter((pod) =>
    pod.volumes.some(({ signerNames }) => signerNames.includes(signerName)),
  )
  const evidence = [
    `${ours.length} of ${plural(alive.length, 'pod')} ask for a certificate of ${signerName}`,
    ...(templates.known ? [] : [`not compared with their templates: ${templates.why}`]),
  ]
  if (mute.length > 0) {
    return warning(`${plural(mute.length, 'pod')} with our annotations and without our volume`, {
      evidence: [...evidence, named(mute.map(nameOf), 10)],
      hint: 'a certificate is asked for by a podCertificate volume, with its userAnnotations: annotations of a pod ask for nothing',
    })
  }
  return ok('no pod lost its certificate volume', evidence)
}

function nameOf({ namespace, name }: PodFact): string {
  return `${namespace}/${name}`
}

const claims = ['role', 'tenant', 'models', 'tool-scopes'].map((name) => `countersign.dev/${name}`)

function asksByAnnotation({ annotations }: PodFact): boolean {
  return claims.some((key) => Object.hasOwn(annotations, key))
}

function hasCertificate({ volumes }: VolumesFact): boolean {
  return volumes.some(({ signerNames }) => signerNames.length > 0)
}

/** ReplicaSet, then Deployment; Job, then CronJob. */
const ownersMax = 3

function whyDropped(pod: PodFact, owners: ReadonlyMap<string, TemplateFact>): string | undefined {
  const emptied = pod.volumes.find(({ emptySources }) => emptySources > 0)
  if (emptied !== undefined) return `volume ${emptied.name} has a source that says nothing`
  if (hasCertificate(pod)) return undefined
  const applied = lost(pod, pod.applied)
  if (applied !== undefined) return `volume ${applied} was applied with a certificate`
  let owner = pod.owner === undefined ? undefined : owners.get(pod.owner.uid)
  for (let depth = 0; owner !== undefined && depth < ownersMax; depth++) {
    const why = whyOwnerAsks(pod, owner)
    if (why !== undefined) return why
    owner = owner.owner === undefined ? undefined : owners.get(owner.owner.uid)
  }
  return undefined
}

/** A template may have changed since: only a volume that the pod has, too, tells of a source that was dropped. */
function whyOwnerAsks(pod: PodFact, owner: TemplateFact): string | undefined {
  const what = `${owner.kind} ${owner.name}`
  const asking = owner.volumes.filter(({ signerNames }) => signerNames.length > 0)
  const volume = lost(
    pod,
    asking.map(({ name }) => name),
  )
  if (volume !== undefined) return `${what} asks for one in volume ${volume}`
  const applied = lost(pod, owner.applied)
  return applied === undefined ? undefined : `${what} was applied with one in volume ${applied}`
}

function lost(pod: PodFact, asked: readonly string[] | undefined): string | undefined {
  return asked?.find((name) => pod.volumes.some((volume) => volume.name === name))
}
