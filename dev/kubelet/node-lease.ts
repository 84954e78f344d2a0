import type { ApiClient } from '../../src/kubernetes/api-client.ts'
import { isConflict } from '../../src/kubernetes/api-error.ts'
import type { Delay } from '../../src/kubernetes/backoff.ts'
import { formatMicroTime, leases } from '../../src/kubernetes/lease.ts'
import { createObject } from '../../src/kubernetes/objects.ts'
import { resourcePath } from '../../src/kubernetes/resource.ts'
import type { Log } from '../../src/log.ts'

const namespace = 'kube-node-lease'

/** As kubelet: four chances before the node counts as dead. */
const durationSeconds = 40
const renewMilliseconds = 10_000

/** Says every ten seconds, by the node's own clock, that the node lives. */
export function startNodeLease(options: {
  readonly client: ApiClient
  readonly nodeName: string
  readonly now: () => number
  readonly delay: Delay
  readonly log: Log
}): AsyncDisposable {
  const { delay, log } = options
  const closing = new AbortController()
  const run = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      await renew(options, closing.signal).catch((error: unknown) => {
        if (!closing.signal.aborted) log.warn({ error }, 'the node lease was not renewed')
      })
      await delay(renewMilliseconds, closing.signal).catch(() => {})
    }
  }
  const done = run()
  return {
    async [Symbol.asyncDispose]() {
      closing.abort()
      await done
    },
  }
}

async function renew(
  { client, nodeName, now }: Parameters<typeof startNodeLease>[0],
  signal: AbortSignal,
): Promise<void> {
  const renewTime = formatMicroTime(now())
  const spec = {
    holderIdentity: nodeName,
    leaseDurationSeconds: durationSeconds,
    renewTime,
  }
  try {
    const body = { metadata: { name: nodeName, namespace }, spec }
    await createObject(client, leases, { namespace, body, signal })
  } catch (error) {
    if (!isConflict(error)) throw error
    await client.request({
      method: 'PATCH',
      path: resourcePath(leases, { namespace, name: nodeName }),
      contentType: 'application/merge-patch+json',
      body: { spec },
      signal,
    })
  }
}
