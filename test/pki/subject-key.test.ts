import assert from 'node:assert/strict'
import { constants, createHash, generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { test } from 'node:test'
import { keyTypes, parseSubjectKey, verifyProofOfPossession } from '../../src/pki/subject-key.ts'
import type { KeyType } from '../../src/pki/subject-key.ts'
import { hex, sequence, tlv } from '../support/craft-certificate.ts'
import { generateTestKey, spkiOf } from '../support/test-authority.ts'
import { requirement } from '../requirements.ts'

const podUid = '0b5c1e0e-7b0a-4a5e-9d6b-2d9f3a1c4e5f'
const keys = new Map(keyTypes.map((keyType) => [keyType, generateTestKey(keyType)]))

for (const keyType of keyTypes) {
  test(`a key of type ${keyType} is read with its octets and digest`, () => {
    const spki = spkiOf(keyOf(keyType).publicKey)
    const key = parseSubjectKey(spki)
    assert.equal(key.keyType, keyType)
    assert.deepEqual(key.spki, spki)
    assert.equal(key.sha256, createHash('sha256').update(spki).digest('hex'))
    assert.ok(key.publicKey.equals(keyOf(keyType).publicKey))
    assert.equal(key.keyIdentifier.length, 20)
  })

  test(`a proof by a key of type ${keyType} is accepted for its pod and key only`, () => {
    requirement('pki.proof-of-possession')
    const { publicKey, privateKey } = keyOf(keyType)
    const key = parseSubjectKey(spkiOf(publicKey))
    const proof = prove(keyType, privateKey, podUid)
    assert.equal(verifyProofOfPossession(key, podUid, proof), true)
    assert.equal(verifyProofOfPossession(key, podUid, new Uint8Array(proof)), true)
    assert.equal(verifyProofOfPossession(key, `${podUid}0`, proof), false)
    assert.equal(verifyProofOfPossession(key, podUid, proof.subarray(1)), false)
    assert.equal(verifyProofOfPossession(key, podUid, Buffer.alloc(0)), false)
    assert.equal(verifyProofOfPossession(key, podUid, Buffer.alloc(10_241)), false)
    const other = generateTestKey(keyType === 'RSA4096' ? 'RSA3072' : keyType)
    const stranger = parseSubjectKey(spkiOf(other.publicKey))
    assert.equal(verifyProofOfPossession(stranger, podUid, proof), false)
  })
}

test('an RSA proof with PKCS#1 padding is none', () => {
  const { publicKey, privateKey } = keyOf('RSA3072')
  const proof = sign('sha256', Buffer.from(podUid), privateKey)
  assert.equal(verifyProofOfPossession(parseSubjectKey(spkiOf(publicKey)), podUid, proof), false)
})

const refused: readonly (readonly [
  title: string,
  spki: () => Buffer,
  code: string,
  message: string,
])[] = [
  [
    'RSA of 2048 bits',
    () => rsa(2048),
    'pki/key-type',
    'RSA modulus has the wrong size, want=3072|4096 got=2048',
  ],
  [
    'RSA of 3080 bits',
    () => rsa(3080),
    'pki/key-type',
    'RSA modulus has the wrong size, want=3072|4096 got=3080',
  ],
  [
    'RSA with exponent 3',
    () => spkiOf(generateKeyPairSync('rsa', { modulusLength: 3072, publicExponent: 3 }).publicKey),
    'pki/key-type',
    'RSA exponent is another one, want=65537 got=0x03',
  ],
  [
    'RSA with an even modulus',
    () => rsaSpki(Buffer.concat([hex('00'), Buffer.alloc(384, 0xfe)])),
    'pki/key-malformed',
    'RSA modulus is not a positive odd number',
  ],
  [
    'RSA with a negative modulus',
    () => rsaSpki(Buffer.alloc(384, 0xfd)),
    'pki/key-malformed',
    'RSA modulus is not a positive odd number',
  ],
  [
    'P-224',
    () => spkiOf(generateKeyPairSync('ec', { namedCurve: 'secp224r1' }).publicKey),
    'pki/key-type',
    unknownType(),
  ],
  [
    'secp256k1',
    () => spkiOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey),
    'pki/key-type',
    unknownType(),
  ],
  ['X25519', () => spkiOf(generateKeyPairSync('x25519').publicKey), 'pki/key-type', unknownType()],
  [
    'RSA-PSS',
    () => spkiOf(generateKeyPairSync('rsa-pss', { modulusLength: 3072 }).publicKey),
    'pki/key-type',
    unknownType(),
  ],
  [
    'P-256 with a compressed point',
    () => p256(Buffer.concat([hex('02'), Buffer.alloc(32, 1)])),
    'pki/key-malformed',
    'public key has the wrong length, want=65 got=33',
  ],
  [
    'P-256 with a hybrid point',
    () => p256(Buffer.concat([hex('06'), Buffer.alloc(64, 1)])),
    'pki/key-malformed',
    'public key is not an uncompressed point',
  ],
  [
    'P-256 with a point off the curve',
    () => p256(Buffer.concat([hex('04'), Buffer.alloc(64, 1)])),
    'pki/key-malformed',
    'public key is not a point or number of its type',
  ],
  [
    'octets after the key',
    () => Buffer.concat([spkiOf(keyOf('ED25519').publicKey), hex('00')]),
    'pki/key-malformed',
    'public key has trailing octets, want=0 got=1',
  ],
  [
    'too many octets',
    () => Buffer.alloc(10_241),
    'pki/key-malformed',
    'public key is too large, want=..10240 got=10241',
  ],
  [
    'no octets',
    () => Buffer.alloc(0),
    'pki/key-malformed',
    'subjectPublicKeyInfo is missing, want=30',
  ],
]
for (const [title, spki, code, message] of refused) {
  test(`a key is refused for ${title}`, () => {
    requirement('pki.key-types')
    assert.throws(() => parseSubjectKey(spki()), { code, message })
  })
}

test('a key keeps its octets when the caller changes them', () => {
  const spki = spkiOf(keyOf('ECDSAP256').publicKey)
  const mutable = Buffer.from(spki)
  const key = parseSubjectKey(mutable)
  mutable.fill(0)
  assert.deepEqual(key.spki, spki)
})

function prove(keyType: KeyType, key: KeyObject, uid: string): Buffer {
  const octets = Buffer.from(uid)
  if (keyType === 'ED25519') return sign(null, octets, key)
  if (keyType.startsWith('ECDSA')) return sign('sha256', octets, key)
  // Go's signer takes a salt of the digest's length, its verifier any.
  return sign('sha256', octets, {
    key,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  })
}

function keyOf(keyType: KeyType): { publicKey: KeyObject; privateKey: KeyObject } {
  const key = keys.get(keyType)
  assert.ok(key)
  return key
}

function rsa(modulusLength: number): Buffer {
  return spkiOf(generateKeyPairSync('rsa', { modulusLength }).publicKey)
}

function rsaSpki(modulus: Buffer): Buffer {
  const key = sequence(tlv(2, modulus), hex('0203010001'))
  return sequence(hex('300d06092a864886f70d0101010500'), tlv(3, hex('00'), key))
}

function p256(point: Buffer): Buffer {
  return sequence(hex('301306072a8648ce3d020106082a8648ce3d030107'), tlv(3, hex('00'), point))
}

function unknownType(): string {
  return `public key is of a type that is not certified, want=${keyTypes.join('|')}`
}
