import { createHash } from 'node:crypto'
import type { ClusterTrustBundle } from '../../src/kubernetes/cluster-trust-bundle.ts'
import {
  readFields,
  readList,
  readTextList,
  readTextMap,
  type Fields,
} from '../../src/kubernetes/read-field.ts'
import { formatPem, parsePem } from '../pem.ts'
import type { TrustBundleSource } from './pod.ts'

/** The anchors of a source as one PEM text, or why the pod may not start. */
export function trustAnchors(
  source: TrustBundleSource,
  bundles: readonly ClusterTrustBundle[],
  salt: string,
): { readonly pem: string } | { readonly problem: string } {
  const chosen = bundles.filter((bundle) => isChosen(source, bundle))
  if (chosen.length === 0 && !source.optional) {
    const what = source.name ?? `signer ${source.signerName}`
    return { problem: `clusterTrustBundle projection: nothing matches ${what}` }
  }
  const anchors = new Map(
    chosen
      .flatMap(({ trustBundle }) => parsePem(trustBundle))
      .map(({ der }) => [shuffleKey(der, salt), formatPem('CERTIFICATE', der)]),
  )
  // In an order of its own until kubelet restarts, so that nobody leans on one.
  const ordered = [...anchors].toSorted(([left], [right]) => (left < right ? -1 : 1))
  return { pem: ordered.map(([, pem]) => pem).join('') }
}

function shuffleKey(der: Buffer, salt: string): string {
  return createHash('sha256').update(salt).update(der).digest('hex')
}

function isChosen(source: TrustBundleSource, bundle: ClusterTrustBundle): boolean {
  if (source.name !== undefined) return bundle.metadata.name === source.name
  if (bundle.signerName !== source.signerName || source.labelSelector === undefined) return false
  return matchesLabels(source.labelSelector, bundle.metadata.labels)
}

type Labels = Readonly<Record<string, string>>

const operators: Readonly<
  Record<string, (value: string | undefined, values: readonly string[]) => boolean>
> = {
  In: (value, values) => value !== undefined && values.includes(value),
  NotIn: (value, values) => value === undefined || !values.includes(value),
  Exists: (value) => value !== undefined,
  DoesNotExist: (value) => value === undefined,
}

/** `metav1.LabelSelector`; an operator that is none matches nothing. */
function matchesLabels(selector: Fields, labels: Labels): boolean {
  const equal = Object.entries(readTextMap(selector['matchLabels'], 'labelSelector.matchLabels'))
  const expressions = readList(selector['matchExpressions'], 'labelSelector.matchExpressions')
  return (
    equal.every(([key, value]) => labels[key] === value) &&
    expressions.every((entry) => {
      const { key, operator, values } = readFields(entry, 'labelSelector.matchExpressions')
      const matches = operators[String(operator)]
      const wanted = readTextList(values, 'labelSelector.matchExpressions.values')
      return matches?.(labels[String(key)], wanted) === true
    })
  )
}
