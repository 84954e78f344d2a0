import { setTimeout as sleep } from 'node:timers/promises'
import type { TrustDomain } from '../../src/identity/trust-domain.ts'
import { createApiClient } from '../../src/kubernetes/api-client.ts'
import type { Delay } from '../../src/kubernetes/backoff.ts'
import { silentLog } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'
import type { AuthoritySource } from '../../src/pki/authority.ts'
import { parseBundle } from '../../src/pki/bundle.ts'
import { startAnchorPublication } from '../../src/signer/anchors/anchor-publication.ts'
import {
  startAuthorityRequests,
  type AuthorityRequests,
} from '../../src/signer/anchors/request-authority.ts'
import { openRequestedAuthorities } from '../../src/signer/anchors/secret-authorities.ts'

/** Of the Secret that it keeps its CA in; there has to be one, empty, and a Lease `countersign-trust-bundle`. */
export const secretName = 'countersign-intermediate'

/** Nobody here waits for as long as a person may take. */
const quick: Delay = (milliseconds, signal) =>
  sleep(Math.min(milliseconds, 200), undefined, { signal })

export interface RequestingSigner extends AsyncDisposable {
  readonly authorities: AuthoritySource
  readonly requests: AuthorityRequests
  /** SHA-256 of the CA that it signs with; undefined while it has none. */
  current(): string | undefined
}

/** A signer as far as it asks for its CA. */
export async function openRequestingSigner(options: {
  readonly holder: string
  readonly kubeconfig: string
  readonly namespace: string
  readonly trustDomain: TrustDomain
  /** PEM: what its CA has to lead to. */
  readonly anchors: string
  /** What it asks. */
  readonly signerName: string
  readonly lifetimeSeconds: number
  readonly dnsSuffixes: readonly string[]
}): Promise<RequestingSigner> {
  const { holder, kubeconfig, namespace, trustDomain, anchors, signerName, ...asked } = options
  await using opened = new AsyncDisposableStack()
  const client = createApiClient({ kubeconfig, environment: {}, userAgent: 'test' })
  opened.defer(() => client.close())
  const parts = { client, log: silentLog, now: Date.now, delay: quick }
  const configured = {
    current: () => parseBundle(anchors, trustDomain),
    problem: undefined,
    onChange: () => () => {},
  }
  const kind = 'requested' as const
  const secret = { client, kind, namespace, name: secretName, trustDomain, ...asked, now: Date.now }
  const source = opened.use(await openRequestedAuthorities({ ...secret, ...parts, configured }))
  const publication = opened.use(
    startAnchorPublication({
      ...parts,
      signerName: 'countersign.dev/identity',
      trustDomain,
      authorities: source,
      lease: { namespace, name: 'countersign-trust-bundle', holder },
    }),
  )
  publication.settled.catch(() => {})
  const requests = opened.use(
    startAuthorityRequests({
      ...parts,
      request: { signerName, keyType: 'ECDSAP256', annotations: {} },
      secret,
      configured,
      probe: client,
      authorities: source,
      held: () => publication.asks(),
      propagationSeconds: 0,
      metrics: createMetrics(),
    }),
  )
  const { authorities } = publication
  const moved = opened.move()
  return {
    authorities,
    requests,
    current() {
      try {
        return authorities.current().certificate.sha256
      } catch {
        return undefined
      }
    },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  }
}
