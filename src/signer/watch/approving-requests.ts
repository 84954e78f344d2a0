import type { PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import type { IssuancePorts } from '../issue/ports.ts'
import type { SigningRequests } from './signing-requests.ts'

/** To whoever only approves, what is approved is over: nobody takes that back, and another signs it. */
export function overWhenApproved(request: PodCertificateRequest): PodCertificateRequest {
  const { stated, status } = request
  if (stated?.isApproved !== true || status.terminal !== undefined) return request
  const terminal = { condition: 'Approved', certificateChain: '' }
  return { ...request, status: { ...status, terminal } }
}

/** The requests as their approver sees them. */
export function approvingRequests(
  requests: SigningRequests,
): Pick<SigningRequests, 'get' | 'byUid' | 'list' | 'onEvent'> {
  const seen = (request: PodCertificateRequest | undefined): PodCertificateRequest | undefined =>
    request && overWhenApproved(request)
  return {
    get: (name, namespace) => seen(requests.get(name, namespace)),
    byUid: (uid) => seen(requests.byUid(uid)),
    list: () => requests.list().map(overWhenApproved),
    onEvent: (listener) =>
      requests.onEvent(({ type, object }) => listener({ type, object: overWhenApproved(object) })),
  }
}

export function approvingPorts(ports: IssuancePorts): IssuancePorts {
  return {
    ...ports,
    async read(request, signal) {
      const found = await ports.read(request, signal)
      return found && overWhenApproved(found)
    },
  }
}
