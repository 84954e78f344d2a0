import { isGovernanceKey } from '../../identity/governance-key.ts'
import type { CertificateSigningRequest } from '../../kubernetes/certificate-signing-request.ts'
import {
  maxExpirationSecondsDefault,
  unanswered,
  type NamedReference,
  type PodCertificateRequest,
  type TerminalStatus,
} from '../../kubernetes/pod-certificate-request.ts'

const accountPattern = /^system:serviceaccount:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253})$/

/** Names and UIDs of objects. Whoever may impersonate can send anything, and a record has no room for it. */
const namePattern = /^[a-z0-9.-]{1,253}$/
const uidPattern = /^[A-Za-z0-9-]{1,128}$/

/**
 * A CertificateSigningRequest in the shape of what a kubelet asks for its pods. Who asks is what the API server states of the requester
 * (the extras of a bound token: KEP-4193), and nothing that the request says itself. Of a requester who is no pod the names are empty.
 */
export function askedByPod(request: CertificateSigningRequest): PodCertificateRequest {
  const { metadata, spec, status } = request
  const [, namespace = '', account = ''] = accountPattern.exec(spec.username) ?? []
  const stated = (name: string, pattern: RegExp): string => {
    const [value = '', ...others] = spec.extra[`authentication.kubernetes.io/${name}`] ?? []
    return others.length === 0 && pattern.test(value) ? value : ''
  }
  const statedObject = (kind: string): NamedReference => ({
    name: stated(`${kind}-name`, namePattern),
    uid: stated(`${kind}-uid`, uidPattern),
  })
  const pod = statedObject('pod')
  const node = statedObject('node')
  const serviceAccount = { name: account, uid: uidPattern.test(spec.uid) ? spec.uid : '' }
  const named = [pod, node, serviceAccount].flatMap(({ name, uid }) => [name, uid])
  const asked = Object.entries(metadata.annotations).filter(([key]) => isGovernanceKey(key))
  const pem = Buffer.from(spec.request, 'base64').toString('utf8')
  return {
    metadata: { ...metadata, namespace, annotations: {} },
    spec: {
      signerName: spec.signerName,
      pod,
      serviceAccount,
      node,
      maxExpirationSeconds: spec.expirationSeconds ?? maxExpirationSecondsDefault,
      key: { kind: 'pem', pem },
      unverifiedUserAnnotations: Object.fromEntries(asked),
    },
    status: {
      ...unanswered,
      terminal: terminalOf(status),
      certificateChain: status.certificate,
    },
    stated: {
      username: spec.username,
      isPod: namespace !== '' && named.every((each) => each !== ''),
      usages: spec.usages,
      isApproved: hasCondition(status, 'Approved'),
      conditions: status.conditions,
    },
  }
}

/** A certificate that is there can be replaced no more; who is denied or failed is never signed for. */
export function terminalOf(
  status: CertificateSigningRequest['status'],
): TerminalStatus | undefined {
  const { certificate: certificateChain } = status
  const condition = ['Denied', 'Failed'].find((type) => hasCondition(status, type))
  if (condition !== undefined) return { condition, certificateChain }
  return certificateChain === '' ? undefined : { condition: 'Issued', certificateChain }
}

function hasCondition({ conditions }: CertificateSigningRequest['status'], type: string): boolean {
  return conditions.some((condition) => condition['type'] === type)
}
