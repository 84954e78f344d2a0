import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseToolScopes } from '../../../src/identity/ceiling.ts'
import { createCertificateReader } from '../../../src/gateway/caller/certified.ts'
import { createForeignDomains } from '../../../src/federation/foreign-domains.ts'
import { parseTrustDomain } from '../../../src/identity/trust-domain.ts'
import { readForeign } from '../../../src/gateway/caller/foreign.ts'
import { accountOf } from '../../../src/shares.ts'
import { requirement } from '../../requirements.ts'
import { createTestAuthority } from '../../support/test-authority.ts'

const theirs = createTestAuthority({ trustDomain: 'b.example' })
const domain = {
  trustDomain: theirs.trustDomain,
  ceiling: { toolScopes: parseToolScopes('files:*'), models: [] },
  bundle: () => theirs.bundle,
  onChange: () => () => {},
}
const { svid } = theirs.issue({
  namespace: 'shop',
  tenant: 'acme',
  role: 'agent',
  toolScopes: 'files:read,web:*',
}).credential

test('what it says elsewhere is put into words that mean something here, and nothing else is changed', () => {
  requirement('federation.names-stay-apart')
  const { identity, ...rest } = readForeign(svid, domain)
  assert.ok(identity !== undefined && svid.identity !== undefined)
  assert.equal(identity.tenant, undefined)
  assert.equal(identity.role, 'agent')
  assert.equal(identity.namespace.name, 'b.example/shop')
  assert.deepEqual(
    identity.ceiling.toolScopes.map(({ text }) => text),
    ['files:read'],
  )
  assert.deepEqual(identity.pod, svid.identity.pod)
  assert.equal(rest.sha256, svid.sha256)
  assert.equal(rest.spiffeId, svid.spiffeId)
  assert.ok(rest.publicKey.equals(svid.publicKey))
})

test('policy is told of its namespace by a name that none of ours has, and of no tenant', () => {
  requirement('federation.names-stay-apart')
  const foreign = createForeignDomains(parseTrustDomain('test.example'), [domain])
  const read = createCertificateReader({ foreign })(svid.der)
  assert.ok('identity' in read)
  assert.equal(read.foreign, domain)
  const { id, properties } = JSON.parse(read.subjectText) as {
    id: string
    properties: Record<string, unknown>
  }
  assert.equal(id, 'spiffe://b.example/ns/shop/sa/agent')
  assert.equal(properties['namespace'], 'b.example/shop')
  assert.equal(properties['tenant'], undefined)
  assert.deepEqual(properties['toolScopes'], ['files:read'])
})

test('all of a trust domain has one share, that of no tenant of ours', () => {
  requirement('federation.names-stay-apart')
  const { identity } = readForeign(svid, domain)
  assert.ok(identity !== undefined)
  assert.deepEqual(accountOf(identity), [
    'trust domain b.example',
    'b.example/shop',
    'spiffe://b.example/ns/shop/sa/agent',
  ])
})

test('a certificate that lives longer than a day is refused: nobody here sees its pod end', () => {
  requirement('federation.ends-with-anchors')
  const lives = (seconds: number): typeof svid => ({
    ...svid,
    notAfter: new Date(svid.notBefore.getTime() + seconds * 1000),
  })
  readForeign(lives(86_400), domain)
  assert.throws(() => readForeign(lives(86_401), domain), {
    code: 'pki/svid',
    message: 'certificate of another trust domain lives too long, want=..86400s got=86401s',
  })
})
