import { join } from 'node:path'
import type { ClusterAccess } from './kubeconfig.ts'
import { unusable } from './small-file.ts'

/** Where kubelet mounts the token and the CA of a pod's service account. */
const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount'

export function isInPod(environment: Readonly<Record<string, string | undefined>>): boolean {
  return Boolean(environment['KUBERNETES_SERVICE_HOST'] && environment['KUBERNETES_SERVICE_PORT'])
}

/** The cluster that we run in, as the service account of our pod. */
export function inClusterAccess(
  environment: Readonly<Record<string, string | undefined>>,
  folder: string = serviceAccountFolder,
): ClusterAccess {
  const host = environment['KUBERNETES_SERVICE_HOST']
  const port = environment['KUBERNETES_SERVICE_PORT']
  if (!host || !port) {
    throw unusable(
      'kubernetes server: want=a kubeconfig, or KUBERNETES_SERVICE_HOST and _PORT as in a pod got=neither',
      'outside a pod, name a kubeconfig',
    )
  }
  const authority = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
  const url = `https://${authority}:${port}`
  if (!URL.canParse(url))
    throw unusable('KUBERNETES_SERVICE_HOST and _PORT: want=host and port got=other')
  return {
    server: new URL(url),
    serverName: undefined,
    proxy: undefined,
    authority: { field: 'service account ca.crt', file: join(folder, 'ca.crt') },
    certificate: undefined,
    privateKey: undefined,
    token: { field: 'service account token', file: join(folder, 'token') },
    exec: undefined,
    as: undefined,
  }
}
