import type { BundleContent } from '../../../policy/bundle-content.ts'
import { signatureFile, type BundleKey } from '../../../policy/bundle-signature.ts'
import { parseSigningKey, signBundle } from '../../../policy/bundle-signing.ts'
import { readPolicyFile } from '../../policy-files.ts'
import { algorithmOf } from './algorithm.ts'

export interface SigningOptions {
  readonly algorithm?: string
  readonly keyId?: string
  readonly scope?: string
}

/** A bundle with a signature in the place of any other, and the key that verifies it. */
export interface SignedContent {
  readonly files: BundleContent['files']
  readonly known: BundleKey
  readonly issuedAt: number
}

/** Signs now, or at `issuedAtMin` where that is later. Throws `policy/signature`, `cli/usage`. */
export async function signContent(
  content: BundleContent,
  options: SigningOptions & { readonly key: string },
  issuedAtMin: number = 0,
): Promise<SignedContent> {
  const { key: file, keyId, scope = '' } = options
  const algorithm = algorithmOf(options)
  const pem = await readPolicyFile(file, 'policy/signature')
  const { key, known } = parseSigningKey(pem, { id: keyId ?? 'given', algorithm })
  const issuedAt = Math.max(Math.floor(Date.now() / 1000), issuedAtMin)
  const signature = signBundle(content, { key, algorithm, keyId, scope, issuedAt })
  return { files: new Map([...content.files, [signatureFile, signature]]), known, issuedAt }
}
