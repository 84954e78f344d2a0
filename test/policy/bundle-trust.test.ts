import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { unpackBundle } from '../../src/policy/bundle-archive.ts'
import type { BundleContent } from '../../src/policy/bundle-content.ts'
import { createBundleTrust, parseBundleKey } from '../../src/policy/bundle-trust.ts'
import { requirement } from '../requirements.ts'
import { archiveOf, signedFiles } from './archive.ts'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pem = publicKey.export({ format: 'pem', type: 'spki' }) as string
const author = { id: 'author', algorithm: 'ES256' } as const

/** A bundle of nothing but its signature, made at that second. */
async function signedAt(issuedAt?: number): Promise<BundleContent> {
  const claims = issuedAt === undefined ? {} : { iat: issuedAt }
  return unpackBundle(await archiveOf(signedFiles({}, privateKey, claims)))
}

test('a bundle that was signed before the one in force is not admitted', async () => {
  requirement('policy.bundle-signed')
  const trust = createBundleTrust({ keys: [parseBundleKey(pem, author)], scope: '' })
  const [early, late, later, timeless] = await Promise.all([10, 20, 30, undefined].map(signedAt))
  assert.ok(early && late && later && timeless)
  trust.admit(timeless)
  const before = trust.admit(early)
  trust.admit(late).accepted()
  // Its data was tried anew meanwhile.
  before.accepted()
  trust.admit(late)
  trust.admit(later)
  assert.throws(() => trust.admit(early), {
    code: 'policy/signature',
    message: 'bundle was signed before the one in force, want=20.. got=10',
  })
  assert.throws(() => trust.admit(timeless), {
    message: 'bundle was signed before the one in force, want=20.. got=no time',
  })
})

test('of two bundles that were signed at one second, the one that was first stays', async () => {
  requirement('policy.bundle-signed')
  const signers = { keys: [parseBundleKey(pem, author)], scope: '' }
  const trust = createBundleTrust(signers, { dated: () => 1_000_000 })
  const [first, second, later] = await Promise.all([20, 20, 21].map(signedAt))
  assert.ok(first && second && later)
  trust.admit(first).accepted()
  trust.admit(first).accepted()
  assert.throws(() => trust.admit(second), {
    code: 'policy/signature',
    message: 'bundle was signed at the same second as the one in force, want=21.. got=20',
  })
  trust.admit(later)
  // What is on our own disk is ours to change.
  const undated = createBundleTrust(signers)
  undated.admit(first).accepted()
  undated.admit(second)
})

test('a signed bundle that nobody is to look at is refused, and an unsigned one is not', async () => {
  requirement('policy.bundle-signed')
  const trust = createBundleTrust(undefined)
  const signed = await signedAt(10)
  assert.throws(() => trust.admit(signed), {
    message: 'bundle is signed, and policy.signature names no key',
  })
  trust.admit(await unpackBundle(await archiveOf({ a: 'x' })))
})

const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey
const other = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey

const keys: Readonly<Record<string, readonly [string, RegExp]>> = {
  'a private key': [
    privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
    /^key "author" is a private key, want=the public one$/,
  ],
  'no key': ['x', /^key "author" is no public key in PEM$/],
  'a weak key': [
    weak.export({ format: 'pem', type: 'spki' }) as string,
    /^key "author": ES256 want=prime256v1 got=rsa of 1024 bits$/,
  ],
  'another curve': [
    other.export({ format: 'pem', type: 'spki' }) as string,
    /^key "author": ES256 want=prime256v1 got=secp384r1$/,
  ],
}

for (const [what, [text, message]] of Object.entries(keys)) {
  test(`${what} is refused as a key`, () => {
    assert.throws(() => parseBundleKey(text, author), { code: 'policy/signature', message })
  })
}
