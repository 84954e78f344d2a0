import { issuedCertificateKey } from '../../identity/governance-key.ts'
import { isDnsLabel, isDnsSubdomain, isUid } from '../../identity/kubernetes-name.ts'
import type { CertificateSigningRequest } from '../../kubernetes/certificate-signing-request.ts'
import type {
  AgentAccount,
  NamedReference,
  PodCertificateRequest,
} from '../../kubernetes/pod-certificate-request.ts'
import { askedByPod } from './asked-by-pod.ts'

/**
 * A CertificateSigningRequest that the configured agent may have made for an IssuedCertificate, in the shape of what a pod asks: who asks is
 * the agent's pod, as the API server states, and what is asked for is what the annotation names. Of everybody else the annotation is
 * one like any other, which no evaluation grants.
 */
export function askedByAgent(
  request: CertificateSigningRequest,
  agent: AgentAccount | undefined,
): PodCertificateRequest {
  const asked = askedByPod(request)
  const { metadata, spec, stated } = asked
  const isAgent =
    stated?.isPod === true &&
    metadata.namespace === agent?.namespace &&
    spec.serviceAccount.name === agent.serviceAccount
  const { [issuedCertificateKey]: reference = '', ...others } = spec.unverifiedUserAnnotations
  const named = parseReference(reference)
  if (!isAgent || named === undefined) return asked
  const { namespace, certificate, serviceAccount } = named
  return {
    ...asked,
    metadata: { ...metadata, namespace },
    spec: { ...spec, serviceAccount, unverifiedUserAnnotations: others },
    stated: { ...stated, issued: { ...certificate, agent } },
  }
}

/** `<namespace>/<IssuedCertificate>/<its UID>/<service account>/<its UID>`; undefined for any other text. */
function parseReference(text: string):
  | {
      readonly namespace: string
      readonly certificate: NamedReference
      readonly serviceAccount: NamedReference
    }
  | undefined {
  const [namespace = '', name = '', uid = '', account = '', accountUid = '', ...more] =
    text.split('/')
  const areNames = isDnsLabel(namespace) && isDnsSubdomain(name) && isDnsSubdomain(account)
  if (!areNames || !isUid(uid) || !isUid(accountUid) || more.length > 0) return undefined
  return {
    namespace,
    certificate: { name, uid },
    serviceAccount: { name: account, uid: accountUid },
  }
}
