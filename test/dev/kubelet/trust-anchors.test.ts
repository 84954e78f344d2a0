import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterTrustBundle } from '../../../src/kubernetes/cluster-trust-bundle.ts'
import type { TrustBundleSource } from '../../../dev/kubelet/pod.ts'
import { trustAnchors } from '../../../dev/kubelet/trust-anchors.ts'
import { formatPem, parsePem } from '../../../dev/pem.ts'

function bundle(
  name: string,
  anchors: string,
  more: { signerName?: string; labels?: object } = {},
): ClusterTrustBundle {
  const trustBundle = anchors
    .split('')
    .map((anchor) => formatPem('CERTIFICATE', Buffer.from(anchor)))
    .join('words\n')
  const metadata = { name, labels: more.labels ?? {} }
  return { metadata, signerName: more.signerName, trustBundle } as unknown as ClusterTrustBundle
}

const signerName = 'example.com/s'
const bundles = [
  bundle('plain', 'ab'),
  bundle('example.com:s:live', 'cd', { signerName, labels: { phase: 'live' } }),
  bundle('example.com:s:next', 'de', { signerName, labels: { phase: 'next' } }),
  bundle('other.com:s:live', 'f', { signerName: 'other.com/s', labels: { phase: 'live' } }),
]

function source(more: Partial<TrustBundleSource>): TrustBundleSource {
  return {
    kind: 'clusterTrustBundle',
    name: undefined,
    signerName: undefined,
    labelSelector: undefined,
    optional: false,
    path: 'p',
    ...more,
  }
}

function anchorsOf(more: Partial<TrustBundleSource>, salt = ''): string {
  const result = trustAnchors(source(more), bundles, salt)
  if ('problem' in result) return result.problem
  return parsePem(result.pem)
    .map(({ der }) => der.toString())
    .join('')
}

const bySigner = (labelSelector?: object): Partial<TrustBundleSource> => ({
  signerName,
  labelSelector: labelSelector as TrustBundleSource['labelSelector'],
})
const expression = (operator: string, values?: readonly string[]): object => ({
  matchExpressions: [{ key: 'phase', operator, values }],
})

const cases: readonly (readonly [string, Partial<TrustBundleSource>, string])[] = [
  ['a name', { name: 'plain' }, 'ab'],
  ['a signer and the empty selector', bySigner({}), 'cde'],
  ['a signer and a label', bySigner({ matchLabels: { phase: 'next' } }), 'de'],
  ['a signer and In', bySigner(expression('In', ['live'])), 'cd'],
  ['a signer and NotIn', bySigner(expression('NotIn', ['live'])), 'de'],
  ['a signer and Exists', bySigner(expression('Exists')), 'cde'],
]

for (const [what, more, anchors] of cases) {
  test(`${what} selects ${anchors}, each once`, () => {
    assert.equal(anchorsOf(more).split('').toSorted().join(''), anchors)
  })
}

const nothing: readonly (readonly [string, Partial<TrustBundleSource>])[] = [
  ['a name that is not there', { name: 'none' }],
  ['a signer without a selector', bySigner()],
  ['a signer and a label that no bundle has', bySigner({ matchLabels: { phase: 'old' } })],
  ['a signer and DoesNotExist', bySigner(expression('DoesNotExist'))],
  ['a signer and an operator that is none', bySigner(expression('Near'))],
]

for (const [what, more] of nothing) {
  test(`${what} selects nothing: an empty file if optional, else no start`, () => {
    assert.match(anchorsOf(more), /^clusterTrustBundle projection: nothing matches/)
    assert.equal(anchorsOf({ ...more, optional: true }), '')
  })
}

test('the order is kept while kubelet runs and is no order to lean on', () => {
  const orders = Array.from({ length: 20 }, (_, salt) => anchorsOf(bySigner({}), String(salt)))
  assert.ok(new Set(orders).size > 1)
  assert.equal(anchorsOf(bySigner({}), '7'), orders[7])
})
