import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createForeignDomains,
  noForeignDomains,
  type ForeignDomains,
} from '../../../src/federation/foreign-domains.ts'
import { oneHandleKey } from '../../../src/gateway/handle/keys.ts'
import { emptyCeiling } from '../../../src/identity/ceiling.ts'
import { parseTrustDomain } from '../../../src/identity/trust-domain.ts'
import { bundleOf, type Bundle } from '../../../src/pki/bundle.ts'
import { requirement } from '../../requirements.ts'
import { createTestAuthority } from '../../support/test-authority.ts'
import { modern, openClient, whyOf, type Reply, type TestClient } from '../world/client.ts'
import { memoryApprovals } from '../world/memory-approvals.ts'
import { changeable, defaultScopes, openWorld } from '../world/world.ts'

const theirs = createTestAuthority({ trustDomain: 'b.example', lifetimeSeconds: 10 * 86_400 })
const { credential: approver } = theirs.issue({
  namespace: 'ops',
  serviceAccount: 'oncall',
  role: 'agent',
  tenant: 'acme',
})
const deletion = modern('tools/call', { name: 'delete', arguments: { what: 'draft' } })
const policyApprovals = {
  deletions: {
    seconds: 600,
    approvers: [approver.svid.spiffeId.uri],
    where: { server: ['files'], tool: ['delete'] },
  },
}
const theOther = createTestAuthority({ trustDomain: 'b.example' }).bundle

interface Approved extends AsyncDisposable {
  readonly bundle: { set(next: Bundle | undefined): void }
  readonly call: () => Promise<Reply>
  /** The same call at another replica, that knows these trust domains. */
  readonly callElsewhere: (foreign: ForeignDomains) => Promise<Reply>
  readonly pass: (seconds: number) => void
}

/** A call that somebody of another trust domain has approved, and that is not made yet. */
async function openApproved(): Promise<Approved> {
  await using opened = new AsyncDisposableStack()
  const bundle = changeable<Bundle | undefined>(theirs.bundle)
  let now = Date.now()
  const foreign = createForeignDomains(parseTrustDomain('test.example'), [
    {
      trustDomain: theirs.trustDomain,
      ceiling: emptyCeiling,
      bundle: () => bundle.current(),
      onChange: (listener) => bundle.onChange(listener),
    },
  ])
  const kept = { approvals: memoryApprovals(), handleKeys: oneHandleKey() }
  const world = opened.use(await openWorld({ policyApprovals, foreign, now: () => now, ...kept }))
  const podUid = 'c0ffee00-0000-4000-8000-00000000beef'
  const agent = await world.agent({ podUid })
  const connect = (port: number, credential = approver): TestClient =>
    openClient({ port, credential, bundle: world.identities.bundle })
  const first = await agent.post('/mcp/files', deletion.body, deletion.headers)
  const ticket = first.json.error?.data?.['ticket']
  const { body, headers } = modern('approvals/approve', { ticket })
  const given = await opened.use(connect(world.gateway.port)).post('/mcp', body, headers)
  assert.equal(given.json.error, undefined, whyOf(given))
  const all = opened.move()
  return {
    bundle,
    call: () => agent.post('/mcp/files', deletion.body, deletion.headers),
    async callElsewhere(known) {
      const replica = await world.openReplica({ foreign: known, ...kept })
      const client = all.use(
        connect(replica.port, world.identities.issue({ podUid, toolScopes: defaultScopes })),
      )
      return client.post('/mcp/files', deletion.body, deletion.headers)
    },
    pass(seconds) {
      now += seconds * 1000
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

test('an approval of somebody of another trust domain counts as long as that is known', async () => {
  await using approved = await openApproved()
  approved.pass(599)
  const made = await approved.call()
  assert.equal(made.json.error, undefined, whyOf(made))
})

for (const [what, next] of [
  ['has withdrawn the anchor of their certificate', theOther],
  ['has no anchor left', bundleOf(theirs.trustDomain, [])],
  ['is not known any more', undefined],
] as const) {
  test(`an approval counts no more when its approver's trust domain ${what}`, async () => {
    requirement('federation.ends-with-anchors')
    await using approved = await openApproved()
    approved.bundle.set(next)
    assert.match(whyOf(await approved.call()) ?? '', /an approval is needed/)
  })
}

test('an approval of somebody whose trust domain is in no list any more is none of ours', async () => {
  requirement('federation.ends-with-anchors')
  await using approved = await openApproved()
  const refused = await approved.callElsewhere(noForeignDomains)
  assert.match(whyOf(refused) ?? '', /an approval is needed/)
})
