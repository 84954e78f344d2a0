import assert from 'node:assert/strict'
import { createSecretKey, generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { algorithmOf } from '../../src/token/algorithm.ts'
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
  for (const key of keys) assert.equal(algorithmOf(key), undefined)
})
