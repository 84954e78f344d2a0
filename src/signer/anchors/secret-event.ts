import type { ApiClient } from '../../kubernetes/api-client.ts'
import { recordEvent } from '../../kubernetes/event.ts'
import type { Metadata } from '../../kubernetes/resource.ts'
import type { Log } from '../../log.ts'
import type { SecretPlace } from './authority-secret.ts'

/** What became of a CA, for whoever looks at the Secret that it is kept in. */
export interface SecretEvent {
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
}

/** Says it in an Event of the Secret. Never throws: what an event cannot tell is in the log and the condition, as it is anyway. */
export async function tellOfSecret(
  { type, reason, message }: SecretEvent,
  { uid }: Metadata,
  options: {
    readonly client: ApiClient
    readonly secret: Pick<SecretPlace, 'namespace' | 'name'>
    readonly now: () => number
    readonly log: Log
    readonly signal: AbortSignal
  },
): Promise<void> {
  const { client, secret, now, log, signal } = options
  const { namespace, name } = secret
  const regarding = { apiVersion: 'v1', kind: 'Secret', namespace, name, uid }
  const component = 'countersign-signer'
  await recordEvent(client, { regarding, type, reason, message, component, now, signal }).catch(
    (error: unknown) => log.debug({ error }, 'event was not written'),
  )
}
