import type { ApiClient } from '../kubernetes/api-client.ts'
import { certificateSigningRequests, endOf } from '../kubernetes/certificate-signing-request.ts'
import { startInformer, type Informer } from '../kubernetes/informer.ts'
import type { KubernetesObject, Resource } from '../kubernetes/resource.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'

/** What is kept of a request: whoever may make requests may make many, and each is read anew when it is its turn. */
export interface AskedRequest extends KubernetesObject {
  readonly username: string
  readonly isOver: boolean
}

const usernameCharactersMax = 256

const asked: Resource<AskedRequest> = {
  ...certificateSigningRequests,
  parse(raw) {
    const { metadata, spec, status } = certificateSigningRequests.parse(raw)
    return {
      metadata: { ...metadata, labels: {}, annotations: {}, ownerReferences: [] },
      username: spec.username.slice(0, usernameCharactersMax),
      isOver: endOf(status) !== undefined,
    }
  },
}

/** Follows the requests of one signer. */
export function followRequests(
  signerName: string,
  parts: { readonly client: ApiClient; readonly log: Log; readonly metrics: Metrics },
): Informer<AskedRequest> {
  return startInformer({
    ...parts,
    resource: asked,
    fieldSelector: `spec.signerName=${signerName}`,
  })
}
