import { CountersignError, quoted } from '../../../errors.ts'
import { signatureAlgorithms } from '../../../policy/bundle-signature.ts'
import type { SignatureAlgorithm } from '../../../policy/bundle-signature.ts'

/** Throws `cli/usage`. */
export function algorithmOf({
  algorithm = 'RS256',
}: {
  readonly algorithm?: string
}): SignatureAlgorithm {
  const known = signatureAlgorithms.find((each) => each === algorithm)
  if (known !== undefined) return known
  const want = signatureAlgorithms.join('|')
  throw new CountersignError('cli/usage', `--algorithm: want=${want} got=${quoted(algorithm)}`)
}
