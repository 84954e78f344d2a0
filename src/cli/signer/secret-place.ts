import { dnsSuffixesOf } from '../../pki/authority.ts'
import type { AuthoritySecretOptions } from '../../signer/anchors/authority-secret.ts'
import type { CsrConfig, SelfSignedConfig, SignerConfig } from './signer-configuration.ts'

/** Where a self-signed CA is kept, and what a new one is made of: for the signer and for the commands the same. */
export function secretPlace(
  selfSigned: SelfSignedConfig,
  { trustDomain, clusterDomain }: Pick<SignerConfig, 'trustDomain' | 'clusterDomain'>,
  parts: Pick<AuthoritySecretOptions, 'client' | 'clockProblem' | 'now'>,
): AuthoritySecretOptions {
  const { namespace, secret: name, lifetimeSeconds, constrainUris = false } = selfSigned
  const dnsSuffixes = dnsSuffixesOf(clusterDomain)
  return { ...parts, namespace, name, trustDomain, lifetimeSeconds, constrainUris, dnsSuffixes }
}

/** The same of a CA that is asked for. */
export function requestedPlace(
  csr: CsrConfig,
  { trustDomain, clusterDomain }: Pick<SignerConfig, 'trustDomain' | 'clusterDomain'>,
  parts: Pick<AuthoritySecretOptions, 'client' | 'now'>,
): AuthoritySecretOptions {
  const { namespace, secret: name, lifetimeSeconds } = csr
  const dnsSuffixes = dnsSuffixesOf(clusterDomain)
  return { ...parts, kind: 'requested', namespace, name, trustDomain, lifetimeSeconds, dnsSuffixes }
}
