import { generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'

const generate = promisify(generateKeyPair)

type Generator = () => Promise<{ readonly privateKey: KeyObject }>

/** The key types of a `podCertificate` source. */
const generators: Readonly<Record<string, Generator>> = {
  RSA3072: () => generate('rsa', { modulusLength: 3072 }),
  RSA4096: () => generate('rsa', { modulusLength: 4096 }),
  ECDSAP256: () => generate('ec', { namedCurve: 'P-256' }),
  ECDSAP384: () => generate('ec', { namedCurve: 'P-384' }),
  ECDSAP521: () => generate('ec', { namedCurve: 'P-521' }),
  ED25519: () => generate('ed25519', {}),
}

/** A new key, in memory only. Throws a RangeError for a type that kubelet does not know. */
export async function generatePrivateKey(keyType: string): Promise<KeyObject> {
  const generator = Object.hasOwn(generators, keyType) ? generators[keyType] : undefined
  if (generator === undefined) throw new RangeError(`unknown key type ${JSON.stringify(keyType)}`)
  return (await generator()).privateKey
}
