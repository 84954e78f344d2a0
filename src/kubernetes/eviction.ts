import type { ApiClient } from './api-client.ts'
import { resourcePath, type Metadata } from './resource.ts'
import { pods } from './workloads.ts'

/**
 * Asks for the end of this very pod, which a PodDisruptionBudget may refuse (`ApiError` 429, or 500 where there is more than one). A namesake is a 409,
 * and one that is gone a 404.
 */
export async function evictPod(
  client: ApiClient,
  { name, namespace, uid }: Pick<Metadata, 'name' | 'namespace' | 'uid'>,
  signal: AbortSignal,
): Promise<void> {
  await client.request({
    method: 'POST',
    path: resourcePath(pods, { namespace, name, subresource: 'eviction' }),
    body: {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name, namespace },
      deleteOptions: { preconditions: { uid } },
    },
    signal,
  })
}
