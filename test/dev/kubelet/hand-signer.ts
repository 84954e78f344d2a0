import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import {
  BasicConstraintsExtension,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import type { ApiUser, Answer } from '../control-plane/api-world.ts'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const backdateMilliseconds = 60_000
const lifetimeMilliseconds = 3_600_000

/** A request as the API server shows it. */
export type Request = Answer['body']

/** A root that signs whatever key it is shown, through the API; it uses none of our own code. */
export interface HandSigner {
  readonly anchorPem: string
  issue(request: Request): Promise<void>
  deny(request: Request, message: string): Promise<void>
}

export async function createHandSigner(options: {
  readonly admin: ApiUser
  readonly now: () => number
}): Promise<HandSigner> {
  const { admin, now } = options
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const root = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: ['hand signer'] }],
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(now() - lifetimeMilliseconds),
    notAfter: new Date(now() + 100 * lifetimeMilliseconds),
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  })
  const time = (milliseconds: number): string => new Date(milliseconds).toISOString()
  const write = async (request: Request, status: object): Promise<void> => {
    const { name, namespace, uid, resourceVersion } = request.metadata
    const path = `/apis/certificates.k8s.io/v1/namespaces/${namespace}/podcertificaterequests/${name}/status`
    const answer = await admin.send('PATCH', path, { metadata: { uid, resourceVersion }, status })
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
  }
  const condition = (type: string, message: string): object => ({
    conditions: [
      { type, status: 'True', reason: 'ByHand', message, lastTransitionTime: time(now()) },
    ],
  })

  return {
    anchorPem: `${root.toString('pem')}\n`,
    async issue(request) {
      const notBefore = Math.floor((now() - backdateMilliseconds) / 1000) * 1000
      const notAfter = notBefore + lifetimeMilliseconds
      const octets = Buffer.from(request.spec.stubPKCS10Request, 'base64')
      const leaf = await X509CertificateGenerator.create({
        issuer: root.subjectName,
        publicKey: new Pkcs10CertificateRequest(octets).publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        notBefore: new Date(notBefore),
        notAfter: new Date(notAfter),
        extensions: [
          new SubjectAlternativeNameExtension(
            [{ type: 'url', value: 'spiffe://test.example/a' }],
            true,
          ),
        ],
      })
      await write(request, {
        ...condition('Issued', 'signed'),
        certificateChain: `issued by hand\n${leaf.toString('pem')}\n`,
        notBefore: time(notBefore),
        beginRefreshAt: time(notBefore + lifetimeMilliseconds / 2),
        notAfter: time(notAfter),
      })
    },
    deny: (request, message) => write(request, condition('Denied', message)),
  }
}
