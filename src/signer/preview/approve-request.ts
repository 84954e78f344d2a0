import type { ApiClient } from '../../kubernetes/api-client.ts'
import type { PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import type { IssueVerdict } from '../verdict/verdict.ts'
import { approveProved } from '../watch/signing-request-ports.ts'

/** What became of it: nobody takes an answer back. */
export type ApprovedAs = 'approved' | 'approved already' | 'answered already'

/**
 * The first of the two steps, by an account of its own: approves a CertificateSigningRequest that the signer would sign, the very object that
 * was judged. Throws `ApiError`: 403 without the right to `approve` for the signer, 409 where it has changed since.
 */
export async function approveRequest(
  client: ApiClient,
  request: PodCertificateRequest,
  options: { readonly verdict: IssueVerdict; readonly now: number; readonly signal: AbortSignal },
): Promise<ApprovedAs> {
  if (request.stated?.isApproved === true) return 'approved already'
  if (request.status.terminal !== undefined) return 'answered already'
  await approveProved(client, { target: request, ...options })
  return 'approved'
}
