import { CountersignError, quoted } from '../errors.ts'
import { exampleArc, parseObjectIdentifier } from './oid.ts'

/** What the number is where nobody has chosen one: for examples, so it may be anybody's (RFC 5612). */
export const exampleExtensionOid: string = `${exampleArc}.1`

const hint =
  'take 1.3.6.1.4.1.<your private enterprise number>.1 (IANA gives the number for nothing), or make one of a UUID ' +
  'with the command in docs/OPERATING.md#the-identity-extension; the same in signer, gateway and tool servers, for ever'

/**
 * The number of the certificate extension that carries role, tenant and ceilings. In production it is one's own: behind the example,
 * somebody else's certificates might say something to us. Throws `pki/identity-extension-oid`.
 */
export function parseIdentityExtensionOid(
  text: string | undefined,
  { production }: { readonly production: boolean },
): string {
  if (text === undefined) {
    if (!production) return exampleExtensionOid
    throw refused('required in production')
  }
  try {
    parseObjectIdentifier(text)
  } catch (cause) {
    throw refused(
      `want=an object identifier with numbers of at most 2147483647, outside 2.25, got=${quoted(text, 128)}`,
      cause,
    )
  }
  if (production && `${text}.`.startsWith(`${exampleArc}.`)) {
    throw refused(
      `want=one of your own in production, got=${quoted(text, 128)}, which is for examples`,
    )
  }
  return text
}

function refused(message: string, cause?: unknown): CountersignError {
  return new CountersignError('pki/identity-extension-oid', `identityExtensionOid: ${message}`, {
    cause,
    hint,
  })
}
