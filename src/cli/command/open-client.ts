import { homedir } from 'node:os'
import { createApiClient, type ApiClient, type ApiProbe } from '../../kubernetes/api-client.ts'

/** For commands that people give: the cluster as kubectl finds it; in a pod, as its service account. */
export function openClient(kubeconfig: string | undefined, command: string): ApiClient & ApiProbe {
  return createApiClient({
    kubeconfig,
    home: homedir(),
    environment: process.env,
    userAgent: `countersign-${command}`,
  })
}
