import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { createProfile } from '../../src/pki/profile.ts'
import type { ProfileConfig } from '../../src/pki/profile.ts'

const trustDomain = parseTrustDomain('test.example')
const good: ProfileConfig = { trustDomain, cluster: 'test', production: false }

test('a profile has an hour, 90 seconds and every key type by default', () => {
  const profile = createProfile(good)
  assert.equal(profile.lifetimeSecondsMax, 3600)
  assert.equal(profile.backdateSeconds, 90)
  assert.equal(profile.keyTypes.length, 6)
  assert.equal(profile.identityExtensionOid, '1.3.6.1.4.1.32473.1')
  assert.equal(profile.production, false)
})

const refused: readonly (readonly [config: Partial<ProfileConfig>, message: string])[] = [
  [
    { trustDomain: parseTrustDomain('10.0.0.1') },
    'trustDomain is an IP address and no name, got="10.0.0.1"',
  ],
  [{ cluster: '' }, 'cluster is not 1..253 of [A-Za-z0-9._:/-], got=""'],
  [{ cluster: 'a b' }, 'cluster is not 1..253 of [A-Za-z0-9._:/-], got="a b"'],
  [
    { keyTypes: [] },
    'keyTypes is not a choice of RSA3072|RSA4096|ECDSAP256|ECDSAP384|ECDSAP521|ED25519, got=""',
  ],
  [
    { keyTypes: ['RSA2048' as 'RSA3072'] },
    'keyTypes is not a choice of RSA3072|RSA4096|ECDSAP256|ECDSAP384|ECDSAP521|ED25519, got="RSA2048"',
  ],
  [{ lifetimeSecondsMax: 3599 }, 'lifetimeSecondsMax is out of bounds, want=3600..86400 got=3599'],
  [
    { lifetimeSecondsMax: 86_401 },
    'lifetimeSecondsMax is out of bounds, want=3600..86400 got=86401',
  ],
  [
    { lifetimeSecondsMax: 3600.5 },
    'lifetimeSecondsMax is out of bounds, want=3600..86400 got=3600.5',
  ],
  [
    { lifetimeSecondsMax: Number.NaN },
    'lifetimeSecondsMax is out of bounds, want=3600..86400 got=NaN',
  ],
  [{ backdateSeconds: 121 }, 'backdateSeconds is out of bounds, want=0..120 got=121'],
  [{ backdateSeconds: -1 }, 'backdateSeconds is out of bounds, want=0..120 got=-1'],
]
for (const [config, message] of refused) {
  test(`a profile with ${JSON.stringify(config)} is refused`, () => {
    assert.throws(() => createProfile({ ...good, ...config }), { code: 'pki/profile', message })
  })
}

test('a profile is one for production unless it is said not to be, and then has a number of its own', () => {
  const code = 'pki/identity-extension-oid'
  assert.throws(() => createProfile({ trustDomain, cluster: 'test' }), { code })
  assert.throws(() => createProfile({ ...good, identityExtensionOid: '2.25.1' }), { code })
  const identityExtensionOid = '1.3.6.1.4.1.324731.1'
  const profile = createProfile({ trustDomain, cluster: 'test', identityExtensionOid })
  assert.equal(profile.identityExtensionOid, identityExtensionOid)
  assert.equal(profile.production, true)
})

test('the digest of a profile follows every field and no order', () => {
  const digest = createProfile(good).digest
  assert.match(digest, /^[0-9a-f]{64}$/)
  const same = createProfile({ ...good, keyTypes: [...createProfile(good).keyTypes].toReversed() })
  assert.equal(same.digest, digest)
  const others: readonly Partial<ProfileConfig>[] = [
    { trustDomain: parseTrustDomain('other.example') },
    { cluster: 'other' },
    { keyTypes: ['ECDSAP256'] },
    { lifetimeSecondsMax: 7200 },
    { backdateSeconds: 60 },
    { identityExtensionOid: '1.3.6.1.4.1.1.1' },
  ]
  const digests = others.map((other) => createProfile({ ...good, ...other }).digest)
  assert.equal(new Set([digest, ...digests]).size, others.length + 1)
})
