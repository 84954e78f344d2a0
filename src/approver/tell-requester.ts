import type { ApiClient } from '../kubernetes/api-client.ts'
import { recordEvent } from '../kubernetes/event.ts'
import type { Metadata } from '../kubernetes/resource.ts'
import { createTokenBucket } from '../kubernetes/token-bucket.ts'
import type { Log } from '../log.ts'

/** `kubectl describe csr` shows these. */
export interface RequestEvent {
  readonly about: Pick<Metadata, 'name' | 'uid'>
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
}

/** A storm of requests is no storm of events: so many at once, then so many a second, and the rest is in the log alone. */
const tokensMax = 20
const tokensPerSecond = 2

/** Nobody waits for it. */
export function createTeller(options: {
  readonly client: ApiClient
  readonly log: Log
  readonly now: () => number
}): (event: RequestEvent) => void {
  const { client, log, now } = options
  const clock = (): number => performance.now()
  const takeToken = createTokenBucket({ tokensMax, tokensPerSecond, clock })
  return ({ about, type, reason, message }) => {
    if (!takeToken()) return
    recordEvent(client, {
      regarding: {
        apiVersion: 'certificates.k8s.io/v1',
        kind: 'CertificateSigningRequest',
        namespace: '',
        name: about.name,
        uid: about.uid,
      },
      type,
      reason,
      message,
      component: 'countersign-approver',
      now,
    }).catch((error: unknown) => log.debug({ error, request: about.name }, 'event was not written'))
  }
}
