import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { parseSubjectKey, type KeyType, type SubjectKey } from './subject-key.ts'

/** A new private key. RSA takes a second or two of this thread. */
export function generateKey(keyType: KeyType): KeyObject {
  if (keyType === 'ED25519') return generateKeyPairSync('ed25519').privateKey
  if (keyType === 'RSA3072') return generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey
  if (keyType === 'RSA4096') return generateKeyPairSync('rsa', { modulusLength: 4096 }).privateKey
  const namedCurve = keyType.replace('ECDSAP', 'P-')
  return generateKeyPairSync('ec', { namedCurve }).privateKey
}

/** A public key that nobody holds the private one of. */
export function generateSubjectKey(keyType: KeyType): SubjectKey {
  const publicKey = createPublicKey(generateKey(keyType))
  return parseSubjectKey(publicKey.export({ type: 'spki', format: 'der' }))
}
