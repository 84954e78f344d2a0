import { ok, plural, problem, unknown, warning, type Check } from '../check.ts'
import type { Facts } from '../facts.ts'

export const apiServer: Check = {
  name: 'api-server',
  judge: ({ server }) => {
    if (!server.known) {
      return problem('the API server does not answer', {
        evidence: [server.why],
        hint: 'check the kubeconfig, its context and its credentials, and that the server can be reached from here',
      })
    }
    const { url, gitVersion, minor } = server.value
    const version = gitVersion || 'of an unknown version'
    const evidence = [`${url} is ${version}`]
    if (minor !== undefined && minor < 35) {
      return problem(`Kubernetes 1.${minor} is too old`, {
        evidence,
        hint: 'Countersign needs 1.37, or 1.35 or 1.36 with feature gates (docs/OPERATING.md)',
      })
    }
    return ok(`Kubernetes ${version} answers`, evidence)
  },
}

/** A clock that is off by less does no harm that anybody sees. */
const skewSecondsMax = 10

export const clock: Check = {
  name: 'clock',
  judge: (facts) => {
    const { server } = facts
    if (!server.known) return unknown(server)
    const { skewSeconds, skewErrorSeconds } = server.value
    const nodes = nodeClocks(facts)
    const here =
      skewSeconds === undefined
        ? 'the API server says no time'
        : `the API server is ${seconds(skewSeconds)} ${skewSeconds < 0 ? 'behind' : 'ahead of'} this machine (± ${seconds(skewErrorSeconds)})`
    const evidence = [here, ...nodes.evidence]
    if (nodes.ahead.length > 0) {
      return problem(`${plural(nodes.ahead.length, 'node')} ahead of the API server's time`, {
        evidence,
        hint: 'run NTP on these nodes and on the control plane: certificates end too early there',
      })
    }
    if (Math.abs(skewSeconds ?? 0) - skewErrorSeconds > skewSecondsMax) {
      return warning('this machine has another time than the API server', {
        evidence,
        hint: 'run NTP here and on the control plane; the API server takes no certificate that begins 5 minutes or more from its own time',
      })
    }
    if (nodes.late.length > 0) {
      return warning(`${plural(nodes.late.length, 'node')} late with a lease`, {
        evidence,
        hint: 'the kubelet is down, or its clock is behind: look at the node, and run NTP on it',
      })
    }
    return ok('the clocks agree', evidence)
  },
}

interface NodeClocks {
  readonly ahead: readonly string[]
  readonly late: readonly string[]
  readonly evidence: readonly string[]
}

/** A lease from the future is a clock that is ahead; one from long ago is a dead kubelet, or a clock that is behind. */
function nodeClocks({ leases, nodes }: Facts): NodeClocks {
  if (!leases.known) return { ahead: [], late: [], evidence: [`nodes: not checked: ${leases.why}`] }
  const ready = new Set(
    nodes.known ? nodes.value.filter((node) => node.ready === true).map(({ name }) => name) : [],
  )
  const ahead: string[] = []
  const late: string[] = []
  const evidence: string[] = []
  for (const { node, renewedAt, durationSeconds, readAt } of leases.value) {
    if (renewedAt === undefined) continue
    const age = (readAt - renewedAt) / 1000
    if (age < -skewSecondsMax) {
      ahead.push(node)
      evidence.push(`node ${node} renews its lease ${seconds(age)} in the future`)
    } else if (age > durationSeconds + skewSecondsMax && ready.has(node)) {
      late.push(node)
      evidence.push(`node ${node} is ready, and renewed its lease ${seconds(age)} ago`)
    }
  }
  const counted = leases.value.length
  if (counted === 0) evidence.push('no node has a lease')
  else if (evidence.length === 0) evidence.push(`${plural(counted, 'node lease')} in time`)
  return { ahead, late, evidence }
}

function seconds(value: number): string {
  return `${Math.abs(value).toFixed(1)} s`
}

/** What switches it on, in words for this version. */
function gates(facts: Facts, gate: string): string {
  const minor = facts.server.known ? facts.server.value.minor : undefined
  if (minor !== undefined && minor >= 37) {
    return `1.37 serves v1 by itself: take --feature-gates=${gate}=false, or what --runtime-config switches off, away from kube-apiserver`
  }
  return `start kube-apiserver with --feature-gates=${gate}=true and --runtime-config=certificates.k8s.io/v1beta1=true, kube-controller-manager and kubelets with the same gate`
}

export const podCertificateApi: Check = {
  name: 'pod-certificate-api',
  judge: (facts) => {
    const { served } = facts
    if (!served.known) return unknown(served)
    const versions = served.value.podCertificates
    const usable = versions.filter((version) => version !== 'v1alpha1')
    const evidence = [`served: ${versions.join(', ') || 'no version'}`]
    if (usable.length > 0) {
      return ok(`PodCertificateRequest is served in ${usable.join(' and ')}`, evidence)
    }
    const only = versions.length > 0 ? 'served only in v1alpha1, which is too old' : 'not served'
    return problem(`PodCertificateRequest is ${only}`, {
      evidence,
      hint: gates(facts, 'PodCertificateRequest'),
    })
  },
}

export const podCertificateVolumes: Check = {
  name: 'pod-certificate-volumes',
  judge: (facts) => {
    const { kept } = facts
    if (!kept.known) return unknown(kept)
    const { podCertificate, trustBundle } = kept.value
    const said = (keeps: boolean): string => (keeps ? 'kept' : 'taken away without a word')
    const evidence = [
      `of a pod that was tried (dryRun=All) podCertificate was ${said(podCertificate)}`,
      `and clusterTrustBundle was ${said(trustBundle)}`,
    ]
    if (podCertificate && trustBundle) {
      return ok('pods keep their certificate and trust bundle volumes', evidence)
    }
    const lost = podCertificate ? 'clusterTrustBundle' : 'podCertificate'
    return problem(`the API server drops ${lost} sources from pods`, {
      evidence,
      hint: gates(facts, podCertificate ? 'ClusterTrustBundleProjection' : 'PodCertificateRequest'),
    })
  },
}

export const trustBundleApi: Check = {
  name: 'trust-bundle-api',
  judge: (facts) => {
    const { served } = facts
    if (!served.known) return unknown(served)
    const versions = served.value.trustBundles
    const usable = versions.filter((version) => version !== 'v1alpha1')
    const evidence = [`served: ${versions.join(', ') || 'no version'}`]
    if (usable.length > 0) {
      return ok(`ClusterTrustBundle is served in ${usable.join(' and ')}`, evidence)
    }
    return warning('ClusterTrustBundle is not served: pods get no anchors by volume', {
      evidence,
      hint: `${gates(facts, 'ClusterTrustBundle')}; until then hand pods the gateway's /trust-bundle.pem`,
    })
  },
}
