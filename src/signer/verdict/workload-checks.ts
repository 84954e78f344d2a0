import { quoted } from '../../errors.ts'
import { signingRequestsKey } from '../../identity/governance-key.ts'
import type { Named } from '../../identity/workload-identity.ts'
import type { Check, CheckResult } from './check.ts'
import { ifFound, noted, proved, refused, withFound } from './check.ts'
import type { Claims } from './claims.ts'
import type { DeclaredCertificate, PodEvidence } from './evidence.ts'
import type { Finding } from './verdict.ts'

/*
 * Who asks. A request can be made by anyone with the right to create one, and NodeRestriction looks at node users only and
 * not at phase or deletion, so every statement of the request is held against the live objects (KEP-4317, the signer's part).
 */

const forgedChange = 'let kubelet make the request: it names the objects as they are'

/** The pod exists under this very UID: a pod of the same name may be another one. */
export const podExists: Check = {
  name: 'pod-exists',
  run: ({ claims, evidence }) =>
    withFound(
      evidence.pod,
      {
        reason: 'PodNotFound',
        field: 'podName',
        asked: described('pod', claims.asked.spec.pod),
        proved: 'no such pod',
        change: 'nothing: the pod is gone, its successor asks for itself',
      },
      (pod) =>
        sameUid('PodMismatch', 'podUID', { asked: claims.asked.spec.pod, live: pod, kind: 'pod' }),
    ),
}

export const podRuns: Check = {
  name: 'pod-runs',
  run: ({ claims, evidence }) =>
    ifFound(evidence.pod, 'pod', (pod) => ({
      findings: [...livenessFindings(claims, pod), ...ownerFindings(claims)],
    })),
}

function livenessFindings(claims: Claims, pod: PodEvidence): Finding[] {
  const asked = described('pod', claims.asked.spec.pod)
  const findings: Finding[] = []
  if (pod.mirror) {
    findings.push(
      refused('PodMismatch', {
        field: 'pod',
        asked,
        proved: 'a mirror pod of a static pod, which has no service account of its own',
        change: 'run the workload as an ordinary pod',
      }),
    )
  }
  if (pod.phase === 'Succeeded' || pod.phase === 'Failed') {
    findings.push(
      refused('PodEnded', {
        field: 'pod',
        asked,
        proved: `pod has ended, phase ${pod.phase}`,
        change: 'nothing: an ended pod needs no certificate',
      }),
    )
  } else if (pod.terminating && pod.phase !== 'Running') {
    // Containers start once every volume is there, so a pod that runs has had its certificate and drains with it.
    findings.push(
      refused('PodTerminating', {
        field: 'pod',
        asked,
        proved: 'pod is being deleted before it runs',
        change: 'nothing: its successor asks for itself',
      }),
    )
  }
  return findings.length > 0
    ? findings
    : [proved('pod', pod.terminating ? `${pod.phase}, being deleted` : pod.phase, 'pod status')]
}

/** Recorded and not refused: kubelets 1.34 and 1.35 wrote owner references with a malformed apiVersion. */
function ownerFindings(claims: Claims): Finding[] {
  const { metadata, spec } = claims.asked
  const namesPod = metadata.ownerReferences.some(
    ({ kind, name, uid }) => kind === 'Pod' && name === spec.pod.name && uid === spec.pod.uid,
  )
  if (namesPod) return [proved('owner', spec.pod.name, 'request ownerReferences')]
  return [noted('owner', 'request has no owner reference to its pod')]
}

export const podBoundToNode: Check = {
  name: 'pod-bound-to-node',
  run: ({ claims, evidence }) =>
    ifFound(evidence.pod, 'nodeName', (pod) =>
      pod.nodeName === claims.asked.spec.node.name
        ? { findings: [proved('nodeName', pod.nodeName, 'pod spec.nodeName')] }
        : {
            findings: [
              refused('NodeMismatch', {
                field: 'nodeName',
                asked: quoted(claims.asked.spec.node.name, 253),
                proved:
                  pod.nodeName === undefined
                    ? 'pod is not bound to a node'
                    : `pod is bound to ${quoted(pod.nodeName, 253)}`,
                change: forgedChange,
              }),
            ],
          },
    ),
}

export const nodeIsLive: Check = {
  name: 'node-is-live',
  run: ({ claims, evidence }) =>
    withFound(
      evidence.node,
      {
        reason: 'NodeMismatch',
        field: 'nodeName',
        asked: described('node', claims.asked.spec.node),
        proved: 'no such node',
        change: forgedChange,
      },
      (node) =>
        sameUid('NodeMismatch', 'nodeUID', {
          asked: claims.asked.spec.node,
          live: node,
          kind: 'node',
        }),
    ),
}

export const podRunsServiceAccount: Check = {
  name: 'pod-runs-service-account',
  run: ({ claims, evidence }) => {
    const { stated, spec } = claims.asked
    const account = stated?.issued?.agent.serviceAccount ?? spec.serviceAccount.name
    return ifFound(evidence.pod, 'serviceAccountName', (pod) =>
      pod.serviceAccountName === account
        ? {
            findings: [
              proved('serviceAccountName', pod.serviceAccountName, 'pod spec.serviceAccountName'),
            ],
          }
        : {
            findings: [
              refused('ServiceAccountMismatch', {
                field: 'serviceAccountName',
                asked: quoted(account, 253),
                proved: `pod runs as ${quoted(pod.serviceAccountName, 253)}`,
                change: forgedChange,
              }),
            ],
          },
    )
  },
}

/** The pod carries no UID of its service account, so the live object has to. */
export const serviceAccountIsLive: Check = {
  name: 'service-account-is-live',
  run: ({ claims, evidence }) =>
    withFound(
      evidence.serviceAccount,
      {
        reason: 'ServiceAccountMismatch',
        field: 'serviceAccountName',
        asked: described('service account', claims.asked.spec.serviceAccount),
        proved: 'no such service account',
        change: 'create the service account again and replace the pod',
      },
      (live) =>
        sameUid('ServiceAccountMismatch', 'serviceAccountUID', {
          asked: claims.asked.spec.serviceAccount,
          live,
          kind: 'service account',
        }),
    ),
}

export const namespaceIsLive: Check = {
  name: 'namespace-is-live',
  run: ({ claims, evidence }) =>
    withFound(
      evidence.namespace,
      {
        reason: 'PodNotFound',
        field: 'namespace',
        asked: quoted(claims.asked.metadata.namespace),
        proved: 'no such namespace',
        change: 'nothing: the namespace is gone',
      },
      (namespace) => ({
        findings: [proved('namespace', namespace.name, `namespace UID ${namespace.uid}`)],
      }),
    ),
}

/** The pod's author asked for this certificate, by this signer, key type, life and annotations, in the pod's spec. */
export const volumeDeclared: Check = {
  name: 'volume-declared',
  run: ({ claims, evidence }) =>
    ifFound(evidence.pod, 'volume', (pod) => {
      if (claims.asked.stated !== undefined) return { findings: [] }
      const matching = pod.certificates.filter(
        (declared) => differences(claims, declared).length === 0,
      )
      if (matching.length > 0) {
        const volumes = [...new Set(matching.map((declared) => declared.volume))].join(', ')
        const projectedPaths = [
          ...new Set(matching.flatMap((declared) => declared.paths)),
        ].toSorted()
        const octets = Buffer.byteLength(JSON.stringify(projectedPaths))
        if (octets > pathOctetsMax) return { findings: [pathsTooLong(projectedPaths, octets)] }
        return {
          findings: [proved('volume', volumes, 'pod spec.volumes, podCertificate source')],
          granted: { projectedPaths },
        }
      }
      return {
        findings: [
          refused('VolumeNotDeclared', {
            field: 'volume',
            asked: `podCertificate of ${quoted(claims.asked.spec.signerName)} with key type ${claims.key.keyType}`,
            proved: nearest(claims, pod),
            change:
              'declare the podCertificate source in the pod, and let kubelet make the request',
          }),
        ],
      }
    }),
}

/** The pod's author lets the pod ask this signer for these annotations by itself: its token alone is no wish for an identity. */
export const signingRequestDeclared: Check = {
  name: 'signing-request-declared',
  run: ({ claims, evidence }) => {
    const { stated, spec } = claims.asked
    if (stated === undefined || stated.issued !== undefined) return { findings: [] }
    return ifFound(evidence.pod, 'annotations', ({ signingRequests: declared }) => {
      const asked = spec.unverifiedUserAnnotations
      if (declared?.signerName === spec.signerName && sameEntries(declared.annotations, asked)) {
        return { findings: [proved('annotations', declared.signerName, 'pod annotations')] }
      }
      const told = (entries: object): string => quoted(JSON.stringify(entries), 640)
      return {
        findings: [
          refused('RequestNotDeclared', {
            field: 'annotations',
            asked: `${quoted(spec.signerName)} with ${told(asked)}`,
            proved:
              declared === undefined
                ? 'pod declares no certificate signing requests'
                : `pod declares ${quoted(declared.signerName)} with ${told(declared.annotations)}`,
            change: `set ${signingRequestsKey} of the pod to the signer, and ask for the same annotations that the pod has`,
          }),
        ],
      }
    })
  },
}

/** Octets of JSON. Every path is in the record, which has no room for more; a pod may declare a thousand. */
const pathOctetsMax = 8192

function pathsTooLong(paths: readonly string[], octets: number): Finding {
  return refused('VolumePathsTooLong', {
    field: 'volume',
    asked: `${paths.length} paths of ${octets} octets`,
    proved: `a record has room for ${pathOctetsMax} octets of paths`,
    change: 'declare fewer or shorter paths for this certificate in the pod',
  })
}

function differences(claims: Claims, declared: DeclaredCertificate): string[] {
  const found: string[] = []
  if (declared.signerName !== claims.asked.spec.signerName) {
    found.push(`signerName ${quoted(declared.signerName)}`)
  }
  if (declared.keyType !== claims.key.keyType) found.push(`keyType ${quoted(declared.keyType)}`)
  if (
    declared.maxExpirationSeconds !== undefined &&
    declared.maxExpirationSeconds !== claims.asked.spec.maxExpirationSeconds
  ) {
    found.push(`maxExpirationSeconds ${declared.maxExpirationSeconds}`)
  }
  if (!sameEntries(declared.annotations, claims.asked.spec.unverifiedUserAnnotations))
    found.push('other userAnnotations')
  return found
}

/** The declared source that comes closest, for a message that can be acted on. */
function nearest(claims: Claims, pod: PodEvidence): string {
  const [closest] = pod.certificates
    .map((declared) => ({ declared, differing: differences(claims, declared) }))
    .toSorted((a, b) => a.differing.length - b.differing.length)
  if (closest === undefined) return 'pod declares no podCertificate source'
  return `volume ${quoted(closest.declared.volume)} of the pod declares ${closest.differing.join(', ')}`
}

export function sameEntries(
  left: Readonly<Record<string, string>>,
  right: Readonly<Record<string, string>>,
): boolean {
  const entries = Object.entries(left)
  return (
    entries.length === Object.keys(right).length &&
    entries.every(([key, value]) => Object.hasOwn(right, key) && right[key] === value)
  )
}

function sameUid(
  reason: 'PodMismatch' | 'NodeMismatch' | 'ServiceAccountMismatch',
  field: string,
  objects: { readonly asked: Named; readonly live: Named; readonly kind: string },
): CheckResult {
  const { asked, live, kind } = objects
  if (asked.uid === live.uid) return { findings: [proved(field, live.uid, `live ${kind}`)] }
  return {
    findings: [
      refused(reason, {
        field,
        asked: quoted(asked.uid, 128),
        proved: `${kind} ${quoted(live.name, 253)} has UID ${quoted(live.uid, 128)}`,
        change: forgedChange,
      }),
    ],
  }
}

function described(kind: string, object: Named): string {
  return `${kind} ${quoted(object.name, 253)} with UID ${quoted(object.uid, 128)}`
}
