import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import { staticAuthoritySource, type AuthoritySource } from '../../../src/pki/authority.ts'
import { formatCertificates } from '../../../src/pki/pem.ts'
import { authorityCondition } from '../../../src/signer/anchors/authority-condition.ts'
import { withoutClientAuthorities } from '../../../src/signer/anchors/client-authorities.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { FakeCluster, readsOf } from '../../support/fake-cluster.ts'
import { createTestAuthority } from '../../support/test-authority.ts'

const ca = createTestAuthority()
const below = createTestAuthority({ underRoot: 3 })
const other = createTestAuthority()
const rootPem = formatCertificates(below.authority.anchors)

function clusterWith(data?: Readonly<Record<string, string>>): FakeCluster {
  const cluster = new FakeCluster()
  const metadata = { name: 'extension-apiserver-authentication', namespace: 'kube-system' }
  if (data !== undefined) cluster.put('configmaps', { metadata, data })
  return cluster
}

/** The next look comes when it is asked for. */
function guarded(
  t: TestContext,
  cluster: FakeCluster,
  source: AuthoritySource,
): {
  readonly authorities: AuthoritySource
  readonly lookAgain: () => void
  readonly looks: () => number
} {
  let go = (): void => {}
  let looks = 0
  const authorities = withoutClientAuthorities(source, {
    client: cluster,
    log: silentLog,
    delay: (_milliseconds, signal) =>
      new Promise((resolve) => {
        looks += 1
        go = resolve
        signal.addEventListener('abort', () => resolve())
      }),
  })
  t.after(() => authorities[Symbol.asyncDispose]())
  return { authorities, lookAgain: () => go(), looks: () => looks }
}

function whyOf(authorities: AuthoritySource): string {
  try {
    authorities.current()
    return 'signs'
  } catch (error) {
    return (error as Error).message
  }
}

const cases: readonly (readonly [string, typeof ca, Record<string, string> | undefined, RegExp])[] =
  [
    ['of its own', ca, { 'client-ca-file': other.certificatePem }, /^signs$/],
    ['in a cluster whose clients have no certificates', ca, {}, /^signs$/],
    ['in a cluster that says nothing of clients', ca, undefined, /^signs$/],
    [
      'that makes users of the cluster',
      ca,
      { 'client-ca-file': other.certificatePem + ca.certificatePem },
      /^authority is one by which the API server knows its clients/,
    ],
    [
      'that makes proxies of the cluster',
      ca,
      { 'requestheader-client-ca-file': ca.certificatePem },
      /^authority is one by which/,
    ],
    [
      'below the one that makes users of the cluster',
      below,
      { 'client-ca-file': `text before\n${rootPem}` },
      /^CA 1 above the authority is one by which/,
    ],
  ]
for (const [name, from, data, expected] of cases) {
  test(`a CA ${name}: ${expected.source}`, async (t) => {
    requirement('signer.never-the-client-ca')
    const { authorities } = guarded(t, clusterWith(data), from.source)
    assert.match(whyOf(authorities), /^client CAs of the cluster are not read: not yet$/)
    assert.deepEqual(authorities.anchors(), [])
    await eventually('the first look', () => !/not read/.test(whyOf(authorities)))
    assert.match(whyOf(authorities), expected)
    const isOwn = expected.source === '^signs$'
    assert.deepEqual(authorities.anchors(), isOwn ? from.authority.anchors : [])
  })
}

test('a CA that becomes the one of clients signs no more, and whoever follows it is told', async (t) => {
  requirement('signer.never-the-client-ca')
  const cluster = clusterWith({})
  const { authorities, lookAgain } = guarded(t, cluster, staticAuthoritySource(ca.authority))
  await eventually('the first look', () => whyOf(authorities) === 'signs')
  let changes = 0
  authorities.onChange(() => (changes += 1))
  cluster.put('configmaps', {
    metadata: { name: 'extension-apiserver-authentication', namespace: 'kube-system' },
    data: { 'client-ca-file': ca.certificatePem },
  })
  lookAgain()
  await eventually('the second look', () => changes === 1)
  assert.match(whyOf(authorities), /^authority is one by which/)
})

test('nothing signs while the API server does not say its clients’ CAs, whatever keeps it from that', async (t) => {
  requirement('signer.never-the-client-ca')
  const cluster = clusterWith({})
  cluster.fail(readsOf('configmaps'), { kind: 'refuse', status: 500 })
  cluster.fail(readsOf('configmaps'), { kind: 'refuse', status: 403 })
  const { authorities, lookAgain } = guarded(t, cluster, ca.source)
  await eventually('a failure', () => /status 500/.test(whyOf(authorities)))
  lookAgain()
  await eventually('a right that is missing', () => /status 403/.test(whyOf(authorities)))
  assert.deepEqual(authorities.anchors(), [])
  assert.match(
    authorityCondition(authorities, Date.now()).reason,
    /give the signer the right to get ConfigMap kube-system\/extension-apiserver-authentication/,
  )
  lookAgain()
  await eventually('the right', () => whyOf(authorities) === 'signs')
})

test('what was read of the clients’ CAs counts while it cannot be read again', async (t) => {
  requirement('signer.never-the-client-ca')
  const cluster = clusterWith({ 'client-ca-file': other.certificatePem })
  const { authorities, lookAgain, looks } = guarded(t, cluster, ca.source)
  await eventually('the first look', () => looks() === 1)
  cluster.fail(readsOf('configmaps'), { kind: 'refuse', status: 403 })
  lookAgain()
  await eventually('the second look', () => looks() === 2)
  assert.equal(whyOf(authorities), 'signs')
})
