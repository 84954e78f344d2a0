import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { ApiClient } from './api-client.ts'
import {
  certificateSigningRequests,
  type CertificateSigningRequest,
} from './certificate-signing-request.ts'
import { startInformer, type Informer } from './informer.ts'
import type { KubernetesObject } from './resource.ts'

/** What is kept of a request: whoever may make requests may make many, and each is read anew when it is its turn. */
export interface AskedRequest extends KubernetesObject {
  readonly username: string
  readonly isOver: boolean
}

/** A service account's has 339 at most: `system:serviceaccount:<namespace>:<name>`. */
const usernameCharactersMax = 640

/** Follows the requests of one signer. */
export function followRequests(
  signerName: string,
  parts: {
    readonly client: ApiClient
    /** Whether there is nothing more to do for it. */
    readonly isOver: (status: CertificateSigningRequest['status']) => boolean
    readonly log: Log
    readonly metrics: Metrics
  },
): Informer<AskedRequest> {
  const { isOver, ...others } = parts
  return startInformer({
    ...others,
    resource: {
      ...certificateSigningRequests,
      parse(raw): AskedRequest {
        const { metadata, spec, status } = certificateSigningRequests.parse(raw)
        return {
          metadata: { ...metadata, labels: {}, annotations: {}, ownerReferences: [] },
          username: spec.username.slice(0, usernameCharactersMax),
          isOver: isOver(status),
        }
      },
    },
    fieldSelector: `spec.signerName=${signerName}`,
  })
}
