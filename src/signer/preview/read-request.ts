import type { ApiClient } from '../../kubernetes/api-client.ts'
import { discoverPodCertificateVersion } from '../../kubernetes/api-discovery.ts'
import { certificateSigningRequests } from '../../kubernetes/certificate-signing-request.ts'
import { readObject } from '../../kubernetes/objects.ts'
import {
  podCertificateRequests,
  type PodCertificateRequest,
} from '../../kubernetes/pod-certificate-request.ts'
import { askedByPod } from '../watch/asked-by-pod.ts'

/** `request` is a PodCertificateRequest as `<namespace>/<name>`, `csr` a CertificateSigningRequest, which has no namespace. */
export interface NamedRequest {
  readonly kind: 'request' | 'csr'
  readonly name: string
}

/** Reads a request from the API server, in the shape of what a kubelet asks; undefined where there is none. Throws `ApiError`. */
export async function readRequest(
  client: ApiClient,
  wanted: NamedRequest,
  signal: AbortSignal,
): Promise<PodCertificateRequest | undefined> {
  if (wanted.kind === 'csr') {
    const { name } = wanted
    const found = await readObject(client, certificateSigningRequests, { name, signal })
    return found && askedByPod(found)
  }
  const { version } = await discoverPodCertificateVersion(client, signal)
  const [namespace = '', name = ''] = wanted.name.split('/')
  return readObject(client, podCertificateRequests(version), { namespace, name, signal })
}
