import {
  certificateSigningRequests,
  type CertificateSigningRequest,
} from '../../kubernetes/certificate-signing-request.ts'
import { startInformer, type Informer, type InformerOptions } from '../../kubernetes/informer.ts'
import type { PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import { askedByPod } from './asked-by-pod.ts'

/** A request may have 256 KiB of annotations, and is answered whatever they are. */
const requestBytesMax = 1024 * 1024

/** The CertificateSigningRequests of a signer, as what pods ask. */
export interface SigningRequests
  extends
    Pick<
      Informer<PodCertificateRequest>,
      'get' | 'byUid' | 'list' | 'onEvent' | 'synced' | 'condition'
    >,
    AsyncDisposable {}

/** Follows them. They have no namespace of their own: in the shape of what pods ask they have that of their pod. */
export function followSigningRequests(
  options: Pick<InformerOptions<CertificateSigningRequest>, 'client' | 'log' | 'metrics'> & {
    readonly signerName: string
  },
): SigningRequests {
  const { signerName, ...rest } = options
  const informer = startInformer<CertificateSigningRequest>({
    ...rest,
    resource: certificateSigningRequests,
    fieldSelector: `spec.signerName=${signerName}`,
    keptBytesMax: requestBytesMax,
  })
  const shaped = new WeakMap<CertificateSigningRequest, PodCertificateRequest>()
  const shapedOnce = (request: CertificateSigningRequest): PodCertificateRequest => {
    const known = shaped.get(request) ?? askedByPod(request)
    shaped.set(request, known)
    return known
  }
  const shapedIf = (
    request: CertificateSigningRequest | undefined,
  ): PodCertificateRequest | undefined => request && shapedOnce(request)
  return {
    synced: informer.synced,
    condition: (staleSecondsMax) => informer.condition(staleSecondsMax),
    get(name, namespace) {
      const request = shapedIf(informer.get(name))
      return request?.metadata.namespace === namespace ? request : undefined
    },
    byUid: (uid) => shapedIf(informer.byUid(uid)),
    list: () => informer.list().map(shapedOnce),
    onEvent: (listener) =>
      informer.onEvent(({ type, object }) => listener({ type, object: shapedOnce(object) })),
    [Symbol.asyncDispose]: () => informer[Symbol.asyncDispose](),
  }
}
