import { generateKeyPairSync, sign } from 'node:crypto'
import type { ApiAnswer, ApiRequest } from '../../kubernetes/api-client.ts'
import { parseApiError } from '../../kubernetes/api-error.ts'
import { element } from '../../pki/der-write.ts'
import type { Fact, KeptFact, ProbeFact, ServedFact } from '../facts.ts'
import { jsonOf, listAt, textAt } from '../lenient.ts'
import { learn, timeoutSeconds, type Asker } from './learn.ts'

/*
 * Writes that are only tried: the API server judges them whole, with admission, and stores nothing (dryRun=All). It is the one honest way
 * to learn of gates and plugins, which no list shows.
 */

const dryRun = { dryRun: 'All' }

export interface ProbeOptions {
  /** There, and not ending. */
  readonly namespace: string
  readonly signerName: string
  readonly served: Fact<ServedFact>
}

/** Whether the API server keeps the sources that our pods have: with a gate off it takes them away and says nothing. */
export function learnKept(asker: Asker, options: ProbeOptions): Promise<Fact<KeptFact>> {
  const { namespace, signerName } = options
  const right = `create pods in namespace ${namespace}`
  return learn(asker, right, async () => {
    const pod = await asker.client.request({
      method: 'POST',
      path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`,
      query: dryRun,
      body: podThatAsks(signerName),
      timeoutSeconds,
      signal: asker.signal,
    })
    const sources = listAt(pod, 'spec', 'volumes').flatMap((volume) =>
      listAt(volume, 'projected', 'sources'),
    )
    const keeps = (member: string): boolean =>
      sources.some((source) => textAt(source, member, 'signerName') === signerName)
    return { podCertificate: keeps('podCertificate'), trustBundle: keeps('clusterTrustBundle') }
  })
}

/** One that keeps the level `restricted` of Pod Security, so that nothing else refuses it. */
function podThatAsks(signerName: string): object {
  const podCertificate = {
    signerName,
    keyType: 'ECDSAP256',
    credentialBundlePath: 'credential-bundle.pem',
  }
  const clusterTrustBundle = { signerName, labelSelector: {}, path: 'trust-bundle.pem' }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { generateName: 'countersign-doctor-' },
    spec: {
      automountServiceAccountToken: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 65_532,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [
        {
          name: 'never-run',
          image: 'countersign.dev/never-run',
          resources: {
            requests: { cpu: '1m', memory: '1Mi' },
            limits: { cpu: '1m', memory: '1Mi' },
          },
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        },
      ],
      volumes: [
        { name: 'identity', projected: { sources: [{ podCertificate }, { clusterTrustBundle }] } },
      ],
    },
  }
}

const nodeName = 'countersign-doctor'

/** Asks as a node that does not exist for a request on another node: plugin NodeRestriction refuses that, and nothing else does. */
export function learnForeignNode(asker: Asker, options: ProbeOptions): Promise<Fact<ProbeFact>> {
  const as = {
    user: `system:node:${nodeName}`,
    groups: ['system:nodes', 'system:authenticated'],
  }
  return learnRequest(asker, options, {
    right: `impersonate user ${as.user} and groups ${as.groups.join(', ')}`,
    as,
    spec: { nodeName: `${nodeName}-other` },
  })
}

/** Asks for a request as whoever runs the doctor, who is no kubelet: an admission policy that works refuses it. */
export function learnOwnRequest(asker: Asker, options: ProbeOptions): Promise<Fact<ProbeFact>> {
  return learnRequest(asker, options, {
    right: 'create podcertificaterequests.certificates.k8s.io',
    spec: { nodeName },
  })
}

function learnRequest(
  asker: Asker,
  { namespace, signerName, served }: ProbeOptions,
  probe: Pick<ApiRequest, 'as'> & { readonly right: string; readonly spec: object },
): Promise<Fact<ProbeFact>> {
  const { right, spec, ...more } = probe
  const version = served.known ? served.value.podCertificates[0] : undefined
  if (version === undefined) {
    return Promise.resolve({ known: false, why: 'PodCertificateRequests are not served' })
  }
  const body = {
    apiVersion: `certificates.k8s.io/${version}`,
    kind: 'PodCertificateRequest',
    metadata: { generateName: 'countersign-doctor-' },
    spec: {
      signerName,
      podName: 'countersign-doctor',
      podUID: 'countersign-doctor',
      serviceAccountName: 'default',
      serviceAccountUID: 'countersign-doctor',
      nodeUID: 'countersign-doctor',
      maxExpirationSeconds: 3600,
      stubPKCS10Request: emptyRequest().toString('base64'),
      ...spec,
    },
  }
  const path = `/apis/certificates.k8s.io/${version}/namespaces/${encodeURIComponent(namespace)}/podcertificaterequests`
  return learn(asker, right, async () => {
    const { client, signal } = asker
    const asked = { method: 'POST', path, query: dryRun, body, timeoutSeconds, signal } as const
    return judge(await client.ask({ ...asked, ...more }), `POST ${path}`)
  })
}

/** An authorizer says that the user cannot; what comes after it is what the probe is about. */
function judge(answer: ApiAnswer, what: string): ProbeFact {
  if (answer.status >= 200 && answer.status < 300) return { outcome: 'accepted' }
  const status = jsonOf(answer.text)
  const said = textAt(status, 'message')
  const error = parseApiError({ what, status: answer.status, answer: status ?? answer.text })
  if (answer.status === 403 && / cannot (create|impersonate) resource /.test(said)) throw error
  // Validation comes after the plugins that may change objects, and before the policies.
  const isPolicy = said.includes('ValidatingAdmissionPolicy')
  if (answer.status === 422 && !isPolicy) return { outcome: 'refused', by: 'validation' }
  if (answer.status === 403 || isPolicy) return { outcome: 'refused', by: said.slice(0, 1000) }
  throw error
}

/** PKCS#10 (RFC 2986) with a key, the proof of its possession, and nothing asked for, as kubelet writes it. */
function emptyRequest(): Buffer {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const sequence = (...parts: readonly Uint8Array[]): Buffer => element(0x30, ...parts)
  const information = sequence(
    element(0x02, Buffer.of(0)),
    sequence(),
    publicKey.export({ type: 'spki', format: 'der' }),
    element(0xa0),
  )
  const ed25519 = element(0x06, Buffer.of(0x2b, 0x65, 0x70))
  return sequence(
    information,
    sequence(ed25519),
    element(0x03, Buffer.of(0), sign(null, information, privateKey)),
  )
}
