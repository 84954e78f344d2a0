import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { createForeignDomains, type ForeignDomains } from '../../src/federation/foreign-domains.ts'
import { emptyCeiling, parseModels, parseToolScopes } from '../../src/identity/ceiling.ts'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { bundleOf, type Bundle } from '../../src/pki/bundle.ts'
import type { Credential } from '../../src/pki/credential.ts'
import { requirement } from '../requirements.ts'
import { createTestAuthority, type TestWorkload } from '../support/test-authority.ts'
import { modern, openClient, whyOf, type Reply, type TestClient } from './world/client.ts'
import { changeable, openWorld, type World, type WorldOptions } from './world/world.ts'

const theirs = createTestAuthority({ trustDomain: 'b.example', lifetimeSeconds: 10 * 86_400 })
/** Named as ours, by somebody who is not. */
const impostor = createTestAuthority()
const ours = parseTrustDomain('test.example')
const echo = modern('tools/call', { name: 'echo', arguments: {} })
const them = 'spiffe://b.example/ns/agents/sa/agent'
const podUid = 'c0ffee00-0000-4000-8000-00000000beef'

const reasonsOf = ({ json }: Reply): unknown => json.error?.data?.['reasons']

/** A namesake of what our own agents are in every way: namespace, service account, tenant, role. */
const namesake: TestWorkload = {
  namespace: 'agents',
  serviceAccount: 'agent',
  role: 'agent',
  tenant: 'acme',
  models: 'small,large',
  toolScopes: 'files:*,web:*',
  podUid,
}
const grants = {
  tenants: { acme: { files: { tools: { echo: {} }, prefixes: {} } } },
  subjects: { [them]: { files: { tools: { echo: {}, delete: {} }, prefixes: {} } } },
}

interface Federated {
  readonly world: World
  /** What is known of the other trust domain. */
  readonly bundle: { current(): Bundle | undefined; set(next: Bundle | undefined): void }
  readonly call: (credential: Credential, message?: typeof echo) => Promise<Reply>
  readonly connect: (credential: Credential) => TestClient
}

async function openFederated(t: TestContext, options: WorldOptions = {}): Promise<Federated> {
  const bundle = changeable<Bundle | undefined>(theirs.bundle)
  const world = await openWorld({ grants, foreign: domains(bundle), ...options })
  const clients: TestClient[] = []
  t.after(async () => {
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()))
    await world[Symbol.asyncDispose]()
  })
  const connect = (credential: Credential): TestClient => {
    const client = openClient({
      port: world.gateway.port,
      credential,
      bundle: world.identities.bundle,
    })
    clients.push(client)
    return client
  }
  return {
    world,
    bundle,
    connect,
    call: (credential, { body, headers } = echo) =>
      connect(credential).post('/mcp/files', body, headers),
  }
}

function domains(bundle: {
  current(): Bundle | undefined
  onChange(listener: () => void): () => void
}): ForeignDomains {
  return createForeignDomains(ours, [
    {
      trustDomain: theirs.trustDomain,
      ceiling: {
        toolScopes: parseToolScopes('files:echo,files:list_*'),
        models: parseModels('small'),
      },
      bundle: () => bundle.current(),
      onChange: (listener) => bundle.onChange(listener),
    },
  ])
}

test('an agent of another trust domain calls what is granted to it, under the ceiling of both', async (t) => {
  requirement('federation.ceiling-of-both')
  const { world, call } = await openFederated(t)
  const { credential } = theirs.issue(namesake)
  assert.equal((await call(credential)).status, 200)
  const token = String(
    world.upstreams['files']?.received.findLast(({ body }) => body.includes('tools/call'))?.headers[
      'txn-token'
    ],
  )
  const [, payload = ''] = token.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as {
    sub: string
    tctx: Record<string, unknown>
  }
  requirement('federation.names-stay-apart')
  assert.equal(claims.sub, them)
  assert.equal(claims.tctx['tenant'], undefined)
  assert.deepEqual(claims.tctx['models'], ['small'])
  assert.deepEqual(claims.tctx['toolScopes'], ['files:echo', 'files:list_*'])
  // Granted and in its certificate, but not in what this side gives that trust domain.
  const deleted = await call(
    credential,
    modern('tools/call', { name: 'delete', arguments: { what: 'draft' } }),
  )
  assert.deepEqual(reasonsOf(deleted), ['the certificate has no scope for this tool'])
  // In what this side gives, but not in its certificate.
  const narrow = theirs.issue({ ...namesake, toolScopes: 'files:read' })
  assert.deepEqual(reasonsOf(await call(narrow.credential)), [
    'the certificate has no scope for this tool',
  ])
})

test('a grant of our tenant is none of its namesake elsewhere', async (t) => {
  requirement('federation.names-stay-apart')
  const { world, call } = await openFederated(t, { grants: { ...grants, subjects: {} } })
  const agent = await world.agent()
  assert.equal((await agent.post('/mcp/files', echo.body, echo.headers)).status, 200)
  const refused = await call(theirs.issue(namesake).credential)
  assert.deepEqual(reasonsOf(refused), ['the caller belongs to no tenant'])
})

for (const role of ['tool-broker', 'model-gateway', 'tool-server', undefined] as const) {
  test(`${role ?? 'no role'} of another trust domain calls nothing`, async (t) => {
    requirement('federation.names-stay-apart')
    const { call } = await openFederated(t)
    const { role: _agent, ...rest } = namesake
    const { credential } = theirs.issue({ ...rest, ...(role && { role }) })
    assert.deepEqual(reasonsOf(await call(credential)), ['the role of the caller may not call'])
  })
}

test('its pods and namespaces are nobody’s here: ours of the same names decide nothing', async (t) => {
  requirement('federation.names-stay-apart')
  const { world, call } = await openFederated(t)
  world.gone.set(new Set([podUid]))
  world.labels.set({})
  // Not that of the tool server, which is revoked with its tenant.
  const { credential } = theirs.issue({ ...namesake, tenant: 'globex' })
  assert.equal((await call(credential)).status, 200)
  const revoke = (matcher: object): void =>
    world.revocations.set([{ name: 'r', reason: 'test', ...matcher }])
  revoke({ tenant: 'globex' })
  assert.equal((await call(credential)).status, 200)
  revoke({ serviceAccount: { namespace: 'agents', name: 'agent' } })
  assert.equal((await call(credential)).status, 200)
  // Numbers that are given once in the world do.
  for (const matcher of [
    { podUid },
    { issuanceId: credential.svid.identity?.issuanceId },
    { issuedBefore: new Date(Date.now() + 60_000) },
  ]) {
    revoke(matcher)
    assert.equal(whyOf(await call(credential)), 'certificate is revoked')
  }
})

test('nobody of another trust domain is one of ours, whatever anchors it publishes', async (t) => {
  requirement('federation.each-by-its-own-anchors')
  const { bundle, call } = await openFederated(t)
  // Its bundle holds an anchor that signs names of ours.
  bundle.set(bundleOf(theirs.trustDomain, [...theirs.bundle.anchors, ...impostor.bundle.anchors]))
  const refused = await call(impostor.issue(namesake).credential)
  assert.equal(refused.status, 403)
  assert.equal(whyOf(refused), 'certificate is not trusted')
  assert.equal((await call(theirs.issue(namesake).credential)).status, 200)
})

test('our own anchors make nobody of another trust domain', async (t) => {
  requirement('federation.each-by-its-own-anchors')
  const namedTheirs = createTestAuthority({ trustDomain: 'b.example' })
  const anchors = (bundle: Bundle): Bundle =>
    bundleOf(bundle.trustDomain, [...bundle.anchors, ...namedTheirs.bundle.anchors])
  const { call } = await openFederated(t, { trustBundle: anchors })
  const refused = await call(namedTheirs.issue(namesake).credential)
  assert.equal(whyOf(refused), 'certificate is not trusted')
})

test('a trust domain that is not configured is not known, though its anchors were', async (t) => {
  const other = createTestAuthority({ trustDomain: 'c.example' })
  const { bundle, call } = await openFederated(t)
  bundle.set(bundleOf(theirs.trustDomain, [...theirs.bundle.anchors, ...other.bundle.anchors]))
  assert.equal(whyOf(await call(other.issue(namesake).credential)), 'certificate is not trusted')
})

for (const [what, next] of [
  ['withdraws the anchor', bundleOf(theirs.trustDomain, impostor.bundle.anchors)],
  ['has no anchor left', bundleOf(theirs.trustDomain, [])],
  ['is not known any more', undefined],
] as const) {
  test(`when its trust domain ${what}, an open connection ends, and ours stay`, async (t) => {
    requirement('federation.ends-with-anchors')
    const { world, bundle, connect } = await openFederated(t)
    const ourAgent = await world.agent()
    await ourAgent.post('/mcp/files', echo.body, echo.headers)
    const client = connect(theirs.issue(namesake).credential)
    assert.equal((await client.post('/mcp/files', echo.body, echo.headers)).status, 200)
    const disconnected = once(client.client, 'disconnect')
    bundle.set(next)
    await disconnected
    const refused = await client.post('/mcp/files', echo.body, echo.headers)
    assert.equal(whyOf(refused), 'certificate is not trusted')
    assert.equal((await ourAgent.post('/mcp/files', echo.body, echo.headers)).status, 200)
    assert.equal(ourAgent.connections(), 1)
    // And is back when it is.
    bundle.set(theirs.bundle)
    const again = connect(theirs.issue(namesake).credential)
    assert.equal((await again.post('/mcp/files', echo.body, echo.headers)).status, 200)
  })
}

test('our own trust domain is none of the others, and none is there twice', () => {
  requirement('federation.each-by-its-own-anchors')
  const domain = {
    trustDomain: theirs.trustDomain,
    ceiling: emptyCeiling,
    bundle: () => undefined,
    onChange: () => () => {},
  }
  createForeignDomains(ours, [domain])
  assert.throws(() => createForeignDomains(theirs.trustDomain, [domain]), {
    code: 'federation/bundle',
  })
  assert.throws(() => createForeignDomains(ours, [domain, domain]), { code: 'federation/bundle' })
})
