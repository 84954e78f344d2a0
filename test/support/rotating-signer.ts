import { setTimeout as delay } from 'node:timers/promises'
import type { TrustDomain } from '../../src/identity/trust-domain.ts'
import type { ApiClient } from '../../src/kubernetes/api-client.ts'
import { silentLog } from '../../src/log.ts'
import type { AuthoritySource } from '../../src/pki/authority.ts'
import { startAnchorPublication } from '../../src/signer/anchors/anchor-publication.ts'
import { openSecretAuthorities } from '../../src/signer/anchors/secret-authorities.ts'

export interface RotatingSigner {
  readonly client: ApiClient
  readonly trustDomain: TrustDomain
  readonly signerName: string
  /** Of the CA; the Lease is beside it. */
  readonly secret: { readonly namespace: string; readonly name: string }
  readonly propagationSeconds: number
}

/** A signer as far as it follows its CA: what it may sign with, and what it publishes. */
export async function openReplica(
  { client, trustDomain, signerName, secret, propagationSeconds }: RotatingSigner,
  holder: string,
): Promise<{ readonly authorities: AuthoritySource } & AsyncDisposable> {
  const quick = (milliseconds: number, signal?: AbortSignal): Promise<void> =>
    delay(Math.min(milliseconds, 200), undefined, signal === undefined ? {} : { signal })
  await using opened = new AsyncDisposableStack()
  const source = opened.use(
    await openSecretAuthorities({
      client,
      ...secret,
      trustDomain,
      lifetimeSeconds: 30 * 86_400,
      dnsSuffixes: ['svc', 'svc.cluster.local'],
      now: Date.now,
      log: silentLog,
      delay: quick,
    }),
  )
  const publication = opened.use(
    startAnchorPublication({
      client,
      signerName,
      trustDomain,
      authorities: source,
      lease: { namespace: secret.namespace, name: 'countersign-trust-bundle', holder },
      propagationSeconds,
      log: silentLog,
      now: Date.now,
      delay: quick,
    }),
  )
  await publication.settled
  const parts = opened.move()
  return {
    authorities: publication.authorities,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}
