import { generateKeyPairSync, sign } from 'node:crypto'
import type { AskedCertificate } from '../../src/signer/verdict/claims.ts'
import { signerName } from './workload.ts'

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pod = { name: 'worker-0', uid: 'pod-uid' }

/** A request as an old kubelet writes it, fit for `evidenceOf()`. */
export function askedOf(changed: Partial<AskedCertificate> = {}): AskedCertificate {
  const { uid } = changed.pod ?? pod
  return {
    uid: 'request-uid',
    namespace: 'team-a',
    name: 'req-1',
    createdAt: Date.parse('2026-11-20T10:00:00Z'),
    signerName,
    pod,
    serviceAccount: { name: 'worker', uid: 'account-uid' },
    node: { name: 'node1', uid: 'node-uid' },
    maxExpirationSeconds: 3600,
    annotations: {},
    key: {
      kind: 'proof',
      spki: publicKey.export({ type: 'spki', format: 'der' }),
      proof: sign('sha256', Buffer.from(uid), privateKey),
    },
    owners: [{ kind: 'Pod', ...pod }],
    ...changed,
  }
}
