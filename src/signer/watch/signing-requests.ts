import { isGovernanceKey, issuedCertificateKey } from '../../identity/governance-key.ts'
import {
  certificateSigningRequests,
  type CertificateSigningRequest,
} from '../../kubernetes/certificate-signing-request.ts'
import { startInformer, type Informer, type InformerOptions } from '../../kubernetes/informer.ts'
import type {
  AgentAccount,
  PodCertificateRequest,
} from '../../kubernetes/pod-certificate-request.ts'
import { askedByAgent } from './asked-by-agent.ts'
import { terminalOf } from './asked-by-pod.ts'

/** The CertificateSigningRequests of a signer, as what pods ask. */
export interface SigningRequests
  extends
    Pick<
      Informer<PodCertificateRequest>,
      'get' | 'byUid' | 'list' | 'onEvent' | 'synced' | 'condition'
    >,
    AsyncDisposable {}

/** Octets of the annotations that ask for something. A service account may grant no more than 32 scopes. */
const annotationOctetsMax = 16 * 1024

/** An annotation that is refused by its name, in the place of too many. */
const tooLong = { [`countersign.dev/more-than-${annotationOctetsMax}-octets`]: '' }

/**
 * What is kept of each: whoever may make requests may make many, with anything in them. Of those that are over nothing is looked at but
 * that they are, and of those that were signed whose key it is.
 */
const kept: typeof certificateSigningRequests = {
  ...certificateSigningRequests,
  parse(raw) {
    const request = certificateSigningRequests.parse(raw)
    const { metadata, spec, status } = request
    const end = terminalOf(status)?.condition
    const isOver = end !== undefined
    const isRefused = isOver && end !== 'Issued'
    const annotations = Object.entries(metadata.annotations).filter(([key]) =>
      isOver ? end === 'Issued' && key === issuedCertificateKey : isGovernanceKey(key),
    )
    const isLong = JSON.stringify(annotations).length > annotationOctetsMax
    const asked = isLong ? tooLong : Object.fromEntries(annotations)
    return {
      metadata: { ...metadata, labels: {}, ownerReferences: [], annotations: asked },
      spec: {
        ...spec,
        request: isRefused ? '' : spec.request,
        username: spec.username.slice(0, nameCharactersMax),
        usages: spec.usages.slice(0, usagesMax),
        groups: [],
        extra: isRefused ? {} : boundExtra(spec.extra),
      },
      status: {
        conditions: isOver ? status.conditions.map(({ type }) => ({ type })) : status.conditions,
        certificate: isOver && status.certificate !== '' ? 'issued' : status.certificate,
      },
    }
  },
}

/** Longer than the name of any service account, and more than certificates are for: what is cut is refused all the same. */
const nameCharactersMax = 512
const usagesMax = 8

/** What a bound token has; a second value of one is enough to know that it is none. */
function boundExtra(
  extra: CertificateSigningRequest['spec']['extra'],
): CertificateSigningRequest['spec']['extra'] {
  const bound = Object.entries(extra).filter(([name]) =>
    /^authentication\.kubernetes\.io\/(?:pod|node)-(?:name|uid)$/.test(name),
  )
  return Object.fromEntries(
    bound.map(([name, values]) => [
      name,
      values.slice(0, 2).map((value) => value.slice(0, nameCharactersMax)),
    ]),
  )
}

/** Follows them. They have no namespace of their own: in the shape of what pods ask they have that of their pod, or of what it asks for. */
export function followSigningRequests(
  options: Pick<InformerOptions<CertificateSigningRequest>, 'client' | 'log' | 'metrics'> & {
    readonly signerName: string
    /** Who may ask for IssuedCertificates; nobody when absent. */
    readonly agent?: AgentAccount | undefined
  },
): SigningRequests {
  const { signerName, agent, ...rest } = options
  const informer = startInformer<CertificateSigningRequest>({
    ...rest,
    resource: kept,
    fieldSelector: `spec.signerName=${signerName}`,
  })
  const shaped = new WeakMap<CertificateSigningRequest, PodCertificateRequest>()
  const shapedOnce = (request: CertificateSigningRequest): PodCertificateRequest => {
    const known = shaped.get(request) ?? askedByAgent(request, agent)
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
