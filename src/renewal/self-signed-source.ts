import type { KeyType } from '../pki/subject-key.ts'
import { writeSelfSigned, type SelfSignedNames } from '../pki/self-signed.ts'
import type { CredentialSource } from './credential-source.ts'

/** Makes credentials that nobody vouches for but they themselves, for development. The key of each CA is forgotten at once. */
export function selfSignedSource(options: {
  readonly names: SelfSignedNames
  readonly keyType: KeyType
  readonly lifetimeSeconds: number
  readonly now: () => number
}): CredentialSource {
  return {
    name: 'self-signed',
    isFollowed: false,
    anchors: undefined,
    next: () => Promise.resolve({ kind: 'issued', ...writeSelfSigned(options) }),
    settle: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
