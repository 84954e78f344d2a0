import {
  named,
  ok,
  plural,
  problem,
  unknown,
  warning,
  type Check,
  type Judgement,
} from '../check.ts'
import type { NodeFact } from '../facts.ts'

/** The first kubelet that writes a request which every version of the API shows whole (v1 has no pkixPublicKey). */
const wholeKeyMinor = 36

/** The first kubelet whose requests are of a version that is served today. */
const requestsMinor = 35

export const kubelets: Check = {
  name: 'kubelets',
  judge: ({ nodes, served, server }) => {
    if (!nodes.known) return unknown(nodes)
    const all = nodes.value
    const versions = served.known ? served.value.podCertificates : []
    const serverMinor = server.known ? server.value.minor : undefined
    const evidence = countVersions(all)
    return (
      tooOld(all, evidence) ??
      unreadable(all, versions, evidence) ??
      virtual(all, evidence) ??
      newer(all, serverMinor, evidence) ??
      agreeing(all, evidence)
    )
  },
}

type Nodes = readonly NodeFact[]
type Evidence = readonly string[]

function countVersions(all: Nodes): Evidence {
  const counted = new Map<string, number>()
  for (const { kubeletVersion } of all) {
    counted.set(kubeletVersion, (counted.get(kubeletVersion) ?? 0) + 1)
  }
  return [...counted].map(
    ([version, count]) => `${plural(count, 'node')} with kubelet ${version || 'of no version yet'}`,
  )
}

function namesOf(all: Nodes, passes: (node: NodeFact) => boolean): readonly string[] {
  return all.filter(passes).map(({ name }) => name)
}

function olderThan(minor: number): (node: NodeFact) => boolean {
  return (node) => !node.virtual && node.minor !== undefined && node.minor < minor
}

function tooOld(all: Nodes, evidence: Evidence): Judgement | undefined {
  const names = namesOf(all, olderThan(requestsMinor))
  if (names.length === 0) return undefined
  return problem(`${plural(names.length, 'node')} too old for pod certificates`, {
    evidence: [...evidence, `older than 1.35: ${named(names)}`],
    hint: 'upgrade these kubelets, or keep pods that need a certificate off these nodes',
  })
}

/** A v1 reader of what a 1.35 kubelet wrote sees no key. */
function unreadable(all: Nodes, versions: Evidence, evidence: Evidence): Judgement | undefined {
  const names = namesOf(all, olderThan(wholeKeyMinor))
  if (names.length === 0 || versions.includes('v1beta1') || !versions.includes('v1')) {
    return undefined
  }
  return problem(`${plural(names.length, 'node')} whose requests show no key in v1`, {
    evidence: [...evidence, `kubelet 1.35: ${named(names)}`],
    hint: 'upgrade these kubelets to 1.36 or newer, or serve v1beta1 too (--runtime-config=certificates.k8s.io/v1beta1=true)',
  })
}

function virtual(all: Nodes, evidence: Evidence): Judgement | undefined {
  const names = namesOf(all, (node) => node.virtual)
  if (names.length === 0) return undefined
  return warning(`${plural(names.length, 'virtual node')} cannot serve pod certificates`, {
    evidence: [...evidence, `virtual kubelets: ${named(names)}`],
    hint: 'pods start there without a certificate: keep those that need one off by affinity or taints',
  })
}

function newer(
  all: Nodes,
  serverMinor: number | undefined,
  evidence: Evidence,
): Judgement | undefined {
  const names = namesOf(all, ({ minor }) => (minor ?? 0) > (serverMinor ?? Infinity))
  if (names.length === 0) return undefined
  return warning(`${plural(names.length, 'kubelet')} newer than the API server`, {
    evidence: [...evidence, `newer: ${named(names)}`],
    hint: 'Kubernetes does not support that: upgrade the control plane first',
  })
}

/** The first kubelet that needs no gate. */
const ungatedMinor = 37

function agreeing(all: Nodes, evidence: Evidence): Judgement {
  const keyOnly = namesOf(all, olderThan(wholeKeyMinor))
  const gated = namesOf(all, olderThan(ungatedMinor))
  const notes = [
    ...(keyOnly.length === 0
      ? []
      : [`kubelet 1.35 on ${named(keyOnly)}: the signer reads v1beta1 for their sake`]),
    ...(gated.length === 0
      ? []
      : [
          `kubelets before 1.37 need the gate PodCertificateRequest, which cannot be seen from here`,
        ]),
  ]
  return ok('every kubelet can ask for certificates', [...evidence, ...notes])
}
