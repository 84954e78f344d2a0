import assert from 'node:assert/strict'
import { constants, createSecretKey, generateKeyPairSync, verify } from 'node:crypto'
import { test } from 'node:test'
import { algorithmOf, signOf } from '../../src/token/algorithm.ts'
import { keyKinds } from './parties.ts'

for (const [algorithm, generate] of Object.entries(keyKinds)) {
  test(`the algorithm of such a key is ${algorithm}, of both its halves`, () => {
    const { publicKey, privateKey } = generate()
    assert.equal(algorithmOf(publicKey), algorithm)
    assert.equal(algorithmOf(privateKey), algorithm)
  })
}

test('a key that no certificate of ours has, has no algorithm', () => {
  const keys = [
    generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey,
    generateKeyPairSync('ed448').publicKey,
    generateKeyPairSync('x25519').publicKey,
    createSecretKey(Buffer.alloc(32)),
  ]
  for (const key of keys) {
    assert.equal(algorithmOf(key), undefined)
    assert.equal(signOf(key), undefined)
  }
})

/** Octets of R and S: what RFC 7518 §3.4 says that a signature is. */
const sizes = { ES256: ['sha256', 32], ES384: ['sha384', 48], ES512: ['sha512', 66] } as const

for (const algorithm of ['ES256', 'ES384', 'ES512'] as const) {
  test(`signatures of ${algorithm} have one length, however short their numbers are`, async () => {
    const { publicKey, privateKey } = keyKinds[algorithm]()
    const signing = signOf(privateKey)
    const [digest, size] = sizes[algorithm]
    const firstOctets = new Set<number | undefined>()
    // One number in 256 is an octet shorter, for P-521 one in two: until one was.
    for (let index = 0; index < 5000 && !firstOctets.has(0); index += 1) {
      const text = `message ${index}`
      const signature = (await signing?.sign(text)) ?? Buffer.alloc(0)
      assert.equal(signature.length, 2 * size)
      firstOctets.add(signature[0]).add(signature[size])
      const key = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const
      assert.ok(verify(digest, Buffer.from(text), key, signature), text)
    }
    assert.ok(firstOctets.has(0), 'no number was short')
  })
}

test('a signature of PS256 has a salt as long as its digest', async () => {
  const { publicKey, privateKey } = keyKinds.PS256()
  const octets = Buffer.from('message')
  const signature = (await signOf(privateKey)?.sign('message')) ?? Buffer.alloc(0)
  const padding = constants.RSA_PKCS1_PSS_PADDING
  assert.ok(verify('sha256', octets, { key: publicKey, padding, saltLength: 32 }, signature))
})
