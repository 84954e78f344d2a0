import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { test, type TestContext } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import {
  createForeignDomains,
  type ForeignDomains,
} from '../../../src/federation/foreign-domains.ts'
import { parseModels, parseToolScopes } from '../../../src/identity/ceiling.ts'
import { parseTrustDomain, type TrustDomain } from '../../../src/identity/trust-domain.ts'
import { createMetrics } from '../../../src/metrics.ts'
import { bundleOf, type Bundle } from '../../../src/pki/bundle.ts'
import { parseCaCertificate } from '../../../src/pki/ca-certificate.ts'
import type { Credential } from '../../../src/pki/credential.ts'
import { requirement } from '../../requirements.ts'
import {
  commonName,
  craftCa,
  craftOddCa,
  extension,
  oid,
  sequence,
  subjectKeyIdentifier,
  tlv,
} from '../../support/craft-certificate.ts'
import { createTestAuthority, type TestAuthority } from '../../support/test-authority.ts'
import { modern, openClient, whyOf, type TestClient } from '../world/client.ts'
import { clientOf, legacyOnly, ok, openOne, wanted } from '../world/eras.ts'
import { changeable, openWorld, type World } from '../world/world.ts'

/** A partner that means no good, and another that is listed behind it. */
const hostile = createTestAuthority({ trustDomain: 'b.example' })
const later = createTestAuthority({ trustDomain: 'c.example' })
/** Signs names of ours; the partner has it for an anchor of its own. */
const impostor = createTestAuthority()

const echo = modern('tools/call', { name: 'echo', arguments: {} })
const podUid = 'c0ffee00-0000-4000-8000-00000000beef'
const pod = {
  ...wanted,
  podUid,
  namespace: 'agents',
  serviceAccount: 'agent',
  role: 'agent',
  tenant: 'acme',
} as const
const grants = {
  tenants: { acme: { files: { tools: { echo: {} }, prefixes: {} } } },
  subjects: {
    'spiffe://c.example/ns/agents/sa/agent': { files: { tools: { echo: {} }, prefixes: {} } },
  },
}

const anchorsOf = (...authorities: readonly TestAuthority[]): Bundle['anchors'] =>
  authorities.flatMap(({ bundle }) => bundle.anchors)

/** Another anchor each time, so that each is a change. */
const withImpostor = (): Bundle =>
  bundleOf(
    hostile.trustDomain,
    anchorsOf(hostile, impostor, createTestAuthority({ trustDomain: 'b.example' })),
  )

interface Partner {
  readonly trustDomain: TrustDomain
  readonly bundle: {
    current(): Bundle | undefined
    onChange(listener: () => void): () => void
  }
}

function partners(...each: readonly Partner[]): ForeignDomains {
  return createForeignDomains(
    parseTrustDomain('test.example'),
    each.map(({ trustDomain, bundle }) => ({
      trustDomain,
      ceiling: { toolScopes: parseToolScopes('files:echo'), models: parseModels('small') },
      bundle: () => bundle.current(),
      onChange: (listener) => bundle.onChange(listener),
    })),
  )
}

function hostilePartner(first: Bundle = withImpostor()): {
  readonly bundle: ReturnType<typeof changeable<Bundle>>
  readonly foreign: ForeignDomains
} {
  const bundle = changeable(first)
  const theirs = { trustDomain: hostile.trustDomain, bundle }
  const others = { trustDomain: later.trustDomain, bundle: changeable(later.bundle) }
  return { bundle, foreign: partners(theirs, others) }
}

/** Shakes hands, and asks for nothing. */
async function shakeHands(
  t: TestContext,
  { gateway }: World,
  { chainPem: cert, privateKeyPem: key }: Credential,
): Promise<TLSSocket> {
  const { port } = gateway
  const socket = connect({ host: '127.0.0.1', port, cert, key, rejectUnauthorized: false })
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  return socket
}

function clientAs(t: TestContext, world: World, credential: Credential): TestClient {
  const { port } = world.gateway
  const client = openClient({ port, credential, bundle: world.identities.bundle })
  t.after(() => client[Symbol.asyncDispose]())
  return client
}

test('whoever has our names from a partner ends nothing of ours by a handshake', async (t) => {
  requirement('federation.each-by-its-own-anchors')
  const { bundle, foreign } = hostilePartner()
  const { answer } = legacyOnly(ok)
  await using world = await openOne('legacy', answer, { foreign })
  const agent = await world.agent(pod)
  const call = await clientOf('modern', agent, '/mcp/files')
  const ask = (): ReturnType<typeof call> => call('tools/call', { name: 'echo', arguments: {} })
  const askAgain = async (): Promise<void> => {
    for (let at = 0; at < 5; at += 1) assert.equal((await ask()).status, 200)
  }
  await askAgain()
  const ended = (): number =>
    (world.upstreams['files']?.received ?? []).filter(({ method }) => method === 'DELETE').length
  const before = ended()
  const { credential } = impostor.issue(pod)
  await shakeHands(t, world, credential)
  await shakeHands(t, world, hostile.issue(pod).credential)
  // By then these handshakes are done here, too.
  await askAgain()
  bundle.set(withImpostor())
  await askAgain()
  assert.equal(ended(), before)
  assert.equal(agent.connections(), 1)
})

test('whoever has our names from a partner takes nothing of ours', async (t) => {
  requirement('federation.each-by-its-own-anchors')
  const metrics = createMetrics()
  const { foreign } = hostilePartner()
  const limits = { podConnectionsMax: 2 }
  await using world = await openWorld({ grants, foreign, limits, metrics })
  const { credential } = impostor.issue(pod)
  for (let at = 0; at < 4; at += 1) await shakeHands(t, world, credential)
  const agent = await world.agent(pod)
  assert.equal((await agent.post('/mcp/files', echo.body, echo.headers)).status, 200)
  world.gateway.measure()
  assert.match(await metrics.page(), /^countersign_gateway_connections 1$/m)
  // Nor is anything written down in a name that was not proved.
  const before = world.events.length
  const refused = await clientAs(t, world, credential).post('/mcp/files', echo.body, echo.headers)
  assert.equal(whyOf(refused), 'certificate is not trusted')
  assert.equal(world.events.length, before)
})

test('whoever shows no certificate is told so once, whatever they ask for', async (t) => {
  requirement('gateway.client-certificate-required')
  const { foreign } = hostilePartner()
  await using world = await openWorld({ grants, foreign })
  const { port } = world.gateway
  for (const [path, status] of [
    ['/mcp/files', 403],
    ['/', 404],
    ['*', 400],
  ] as const) {
    const asked = request({
      host: '127.0.0.1',
      port,
      path,
      method: path === '/' ? 'GET' : 'POST',
      headers: { host: 'gateway.test', connection: 'keep-alive' },
      rejectUnauthorized: false,
    })
    t.after(() => asked.destroy())
    asked.end()
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    assert.equal(response.statusCode, status)
    assert.equal(response.headers.connection, 'close')
    response.resume()
    await once(response, 'end')
  }
  assert.deepEqual(
    world.upstreams['files']?.received.filter(({ body }) => /call/.test(body)),
    [],
  )
})

/** What a partner may publish as an anchor of its own, by what it is meant to do. */
const anchors: Readonly<Record<string, (own: Bundle) => readonly Buffer[]>> = {
  'names that are too long to be sent together': () =>
    Array.from({ length: 10 }, (_, seed) => {
      const subject = commonName('y'.repeat(7000) + seed)
      const parts = { subject, issuer: subject }
      return craftCa({ name: '', seed, parts, extensions: { subjectAltName: Buffer.alloc(0) } })
    }),
  'one that OpenSSL does not read': () => [craftOddCa()],
  'a namesake of the CA of the next one': () => [twinOf(later.bundle)],
  'a namesake of our CA': (own) => [twinOf(own)],
}

/** Of the same name, key identifier and type of key, and of another key. */
function twinOf({ anchors: [anchor] }: Bundle): Buffer {
  assert.ok(anchor !== undefined)
  const { subject, subjectKeyIdentifier: id, publicKey: theirs } = anchor
  assert.deepEqual(theirs.asymmetricKeyDetails, { namedCurve: 'prime256v1' })
  const { privateKey, publicKey }: { privateKey: KeyObject; publicKey: KeyObject } =
    generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'))
  return craftCa({
    name: '',
    seed: 3,
    parts: {
      subject,
      issuer: subject,
      innerAlgorithm: ecdsaWithSha256,
      outerAlgorithm: ecdsaWithSha256,
      spki: publicKey.export({ format: 'der', type: 'spki' }),
      signer: privateKey,
    },
    extensions: {
      subjectAltName: Buffer.alloc(0),
      subjectKeyIdentifier:
        id === undefined ? subjectKeyIdentifier(3) : extension('2.5.29.14', false, tlv(0x04, id)),
    },
  })
}

for (const [what, made] of Object.entries(anchors)) {
  test(`a partner that publishes ${what} changes no handshake of others`, async (t) => {
    requirement('federation.each-by-its-own-anchors')
    const { bundle, foreign } = hostilePartner(hostile.bundle)
    await using world = await openWorld({ grants, foreign })
    const isServed = async (credential: Credential): Promise<number> => {
      const client = clientAs(t, world, credential)
      return (await client.post('/mcp/files', echo.body, echo.headers)).status
    }
    const own = world.identities.issue(pod)
    const theirs = later.issue(pod).credential
    assert.deepEqual([await isServed(own), await isServed(theirs)], [200, 200])
    const crafts = made(world.identities.bundle).map((der) => parseCaCertificate(der, 'pki/bundle'))
    assert.ok(crafts.every(({ selfSigned }) => selfSigned))
    bundle.set(bundleOf(hostile.trustDomain, [...crafts, ...hostile.bundle.anchors]))
    assert.deepEqual([await isServed(own), await isServed(theirs)], [200, 200])
  })
}
