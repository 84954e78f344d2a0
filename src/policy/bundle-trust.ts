import { createPublicKey, type KeyObject } from 'node:crypto'
import { CountersignError, quoted } from '../errors.ts'
import type { BundleContent } from './bundle-content.ts'
import {
  refused,
  signatureFile,
  verifyBundle,
  type BundleKey,
  type SignatureAlgorithm,
} from './bundle-signature.ts'

/** Whether bundles come from whom they should, and in the order that they were signed in. */
export interface BundleTrust {
  /** Throws `policy/signature`. */
  admit(content: BundleContent): Admitted
}

export interface Admitted {
  /** In seconds since the epoch, where its signer has said it. */
  readonly issuedAt: number | undefined
  /** It has passed everything else, too: nothing that was signed before it is admitted any more. */
  accepted(): void
}

/** It is refused by the time now alone: a clock may be put right. */
export class EarlyBundleError extends CountersignError {
  constructor(issuedAt: number, latest: number) {
    const told = `want=..${latest} got=${issuedAt}`
    super('policy/signature', `bundle is signed for a time to come, ${told}`)
  }
}

/** Clocks of signers and verifiers differ by less. */
const futureSecondsMax = 300

/**
 * Without keys no signature is looked at, and a bundle that has one is refused: somebody meant it to be looked at. `dated` takes the time
 * now, and asks for the time of signing, which is not to come: whoever sends a bundle again cannot choose which.
 */
export function createBundleTrust(
  signers: { readonly keys: readonly BundleKey[]; readonly scope: string } | undefined,
  { dated }: { readonly dated?: () => number } = {},
): BundleTrust {
  if (signers === undefined) {
    return {
      admit({ files }) {
        if (files.has(signatureFile)) {
          throw refused('bundle is signed, and policy.signature names no key')
        }
        return { issuedAt: undefined, accepted: () => {} }
      },
    }
  }
  let newest: { readonly issuedAt: number; readonly digest: string } | undefined
  return {
    admit(content) {
      const { issuedAt } = verifyBundle(content, signers)
      if (dated !== undefined) checkTime(issuedAt, dated())
      if (newest !== undefined && (issuedAt === undefined || issuedAt < newest.issuedAt)) {
        const got = issuedAt === undefined ? 'no time' : String(issuedAt)
        const want = `${newest.issuedAt}..`
        throw refused(`bundle was signed before the one in force, want=${want} got=${got}`)
      }
      // A server could have the two replace each other for ever.
      const isOther = issuedAt === newest?.issuedAt && content.digest !== newest?.digest
      if (dated !== undefined && issuedAt !== undefined && isOther) {
        const told = `want=${issuedAt + 1}.. got=${issuedAt}`
        throw refused(`bundle was signed at the same second as the one in force, ${told}`)
      }
      return {
        issuedAt,
        // Other data is tried with a bundle while a newer one comes into force, and ends later.
        accepted() {
          if (issuedAt === undefined || issuedAt <= (newest?.issuedAt ?? -1)) return
          newest = { issuedAt, digest: content.digest }
        },
      }
    },
  }
}

/** One that is signed for later would keep all others out until then. */
function checkTime(issuedAt: number | undefined, now: number): void {
  if (issuedAt === undefined) throw refused('signature says no time, want=iat in its claims')
  const latest = Math.floor(now / 1000) + futureSecondsMax
  if (issuedAt > latest) {
    throw new EarlyBundleError(issuedAt, latest)
  }
}

/** Reads a public key in PEM for an algorithm. Throws `policy/signature` when it is none, or none for that. */
export function parseBundleKey(
  pem: string,
  { id, algorithm }: { readonly id: string; readonly algorithm: SignatureAlgorithm },
): BundleKey {
  if (/PRIVATE KEY/.test(pem)) {
    throw refused(`key ${quoted(id)} is a private key, want=the public one`)
  }
  const publicKey = publicKeyOf(pem, id)
  const want = wantOf(algorithm)
  const got = kindOf(publicKey)
  if (!want.includes(got)) {
    throw refused(`key ${quoted(id)}: ${algorithm} want=${want.join('|')} got=${got}`)
  }
  return { id, algorithm, publicKey }
}

function publicKeyOf(pem: string, id: string): KeyObject {
  try {
    return createPublicKey(pem)
  } catch (cause) {
    throw new CountersignError('policy/signature', `key ${quoted(id)} is no public key in PEM`, {
      cause,
    })
  }
}

/** RFC 7518 §3: 2048 bits at least, and each curve with its hash. */
const curves: Readonly<Record<string, string>> = {
  ES256: 'prime256v1',
  ES384: 'secp384r1',
  ES512: 'secp521r1',
}

function wantOf(algorithm: SignatureAlgorithm): readonly string[] {
  const curve = curves[algorithm]
  return curve === undefined ? ['rsa'] : [curve]
}

const rsaBitsMin = 2048

function kindOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string {
  if (asymmetricKeyType === 'ec') return asymmetricKeyDetails?.namedCurve ?? 'ec'
  if (asymmetricKeyType !== 'rsa') return asymmetricKeyType ?? 'unknown'
  const bits = asymmetricKeyDetails?.modulusLength ?? 0
  return bits < rsaBitsMin ? `rsa of ${bits} bits` : 'rsa'
}
