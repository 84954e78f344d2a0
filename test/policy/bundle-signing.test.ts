import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyPairKeyObjectResult } from 'node:crypto'
import { test } from 'node:test'
import { packBundle, unpackBundle } from '../../src/policy/bundle-archive.ts'
import { contentOf } from '../../src/policy/bundle-content.ts'
import { signatureFile, verifyBundle } from '../../src/policy/bundle-signature.ts'
import type { SignatureAlgorithm } from '../../src/policy/bundle-signature.ts'
import { parseSigningKey, signBundle } from '../../src/policy/bundle-signing.ts'
import { requirement } from '../requirements.ts'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pairs: readonly (readonly [SignatureAlgorithm, KeyPairKeyObjectResult])[] = [
  ['RS256', rsa],
  ['RS512', rsa],
  ['PS256', rsa],
  ['PS384', rsa],
  ['ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' })],
  ['ES384', generateKeyPairSync('ec', { namedCurve: 'P-384' })],
  ['ES512', generateKeyPairSync('ec', { namedCurve: 'P-521' })],
]

const files = new Map([
  ['.manifest', Buffer.from('{"roots": [""], "revision": "one"}')],
  ['data.json', Buffer.from('{"b": 1.0, "a": [true]}')],
  ['plan.json', Buffer.from('{ "plans": 1 }')],
])

for (const [algorithm, { privateKey, publicKey }] of pairs) {
  test(`a bundle that is signed with ${algorithm} verifies as a whole, and a changed file does not`, () => {
    requirement('policy.bundle-signed')
    const pem = String(privateKey.export({ format: 'pem', type: 'pkcs8' }))
    const { key } = parseSigningKey(pem, { id: 'authors', algorithm })
    const signing = {
      key,
      algorithm,
      keyId: 'authors',
      scope: 'production',
      issuedAt: 1_700_000_000,
    }
    const signature = signBundle(contentOf(files), signing)
    const signed = contentOf(new Map([...files, [signatureFile, signature]]))
    const known = { keys: [{ id: 'authors', algorithm, publicKey }], scope: 'production' }
    assert.deepEqual(verifyBundle(signed, known), { issuedAt: 1_700_000_000 })
    const changed = new Map([...signed.files, ['plan.json', Buffer.from('{ "plans": 2 }')]])
    assert.throws(() => verifyBundle(contentOf(changed), known), /file is not what was signed/)
  })
}

const es256 = { id: 'authors', algorithm: 'ES256' } as const

test('a key of another kind, and what is no key, sign nothing and are not told', () => {
  const pem = String(rsa.privateKey.export({ format: 'pem', type: 'pkcs8' }))
  assert.throws(() => parseSigningKey(pem, es256), /key "authors": ES256 want=prime256v1 got=rsa$/)
  assert.throws(
    () => parseSigningKey('secret words', es256),
    (error: Error) => {
      assert.match(error.message, /^file has no private key/)
      assert.equal(error.cause, undefined)
      return !error.message.includes('secret')
    },
  )
})

test('the same files are packed to the same octets, which unpack to them', async () => {
  const octets = await packBundle(files)
  assert.deepEqual(await packBundle(new Map([...files].toReversed())), octets)
  assert.deepEqual((await unpackBundle(octets)).files, files)
})

test('a key that nobody takes who verifies signs nothing', () => {
  requirement('policy.bundle-signed')
  const weak: readonly (readonly [SignatureAlgorithm, KeyPairKeyObjectResult])[] = [
    ['ES256', generateKeyPairSync('ec', { namedCurve: 'P-384' })],
    ['RS256', generateKeyPairSync('rsa', { modulusLength: 1024 })],
    ['PS512', generateKeyPairSync('rsa', { modulusLength: 512 })],
  ]
  for (const [algorithm, { privateKey }] of weak) {
    const pem = String(privateKey.export({ format: 'pem', type: 'pkcs8' }))
    assert.throws(() => parseSigningKey(pem, { id: 'authors', algorithm }), {
      code: 'policy/signature',
    })
  }
})
