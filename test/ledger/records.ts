import type {
  AuthorityVerdict,
  IssuanceApproval,
  IssuanceIntent,
  IssuanceResult,
} from '../../src/ledger/record.ts'

const head = (index: number) => ({
  time: '2026-11-22T10:00:00.000Z',
  replica: 'signer-0',
  issuanceId: index.toString(16).padStart(32, '0'),
  request: {
    uid: `request-${index}`,
    namespace: 'team-a',
    name: `agent-${index}`,
    signerName: 'countersign.dev/identity',
  },
})

const named = (name: string) => ({ name, uid: `${name}-uid` })

/** A small record, told apart from others by its index. */
export function resultRecord(index: number): IssuanceResult {
  return {
    kind: 'issuance-result',
    ...head(index),
    outcome: 'published',
    detail: `certificate ${index}`,
    latencySeconds: 0.25,
    intentIndex: 0,
  }
}

export function intentRecord(index: number, changes: Partial<IssuanceIntent> = {}): IssuanceIntent {
  return {
    kind: 'issuance-intent',
    ...head(index),
    pod: named('agent'),
    serviceAccount: named('agent'),
    node: named('node-1'),
    namespace: named('team-a'),
    requester: 'shown',
    keyType: 'ECDSAP256',
    spkiSha256: 'a'.repeat(64),
    maxExpirationSeconds: 86_400,
    lifetimeSeconds: 3600,
    annotations: { 'countersign.dev/role': 'agent' },
    projectedPaths: ['credentials.pem'],
    spiffeId: 'spiffe://example.org/ns/team-a/sa/agent',
    models: [],
    toolScopes: ['github:issues_*'],
    dnsNames: [],
    serialNumber: '01ff',
    notBefore: '2026-11-22T10:00:00.000Z',
    notAfter: '2026-11-22T11:00:00.000Z',
    beginRefreshAt: '2026-11-22T10:40:00.000Z',
    evidenceDigest: 'b'.repeat(64),
    profileDigest: 'c'.repeat(64),
    policyRevision: 'r1',
    policyDigest: 'd'.repeat(64),
    evidence: [{ check: 'pod', field: 'pod', reason: 'uid equal' }],
    ...changes,
  }
}

export function authorityRecord(changed: { readonly notAfter?: string } = {}): AuthorityVerdict {
  return {
    kind: 'authority-verdict',
    ...head(1),
    verdict: 'issued',
    reason: 'RequesterProved',
    message: 'a CA of edge-1.example',
    requester: {
      username: 'system:serviceaccount:countersign-system:countersign-signer',
      uid: 'account-uid',
      pod: named('countersign-signer-0'),
    },
    spkiSha256: 'a'.repeat(64),
    authority: {
      trustDomain: 'edge-1.example',
      dnsSuffixes: ['svc'],
      notBefore: '2026-11-22T10:00:00.000Z',
      notAfter: '2026-11-22T11:00:00.000Z',
      issuerSha256: 'b'.repeat(64),
      ...changed,
    },
    outcome: 'unknown',
    latencySeconds: 0,
  }
}

const ofSigners = ['serialNumber', 'notBefore', 'notAfter', 'beginRefreshAt', 'profileDigest']

/** What is approved where that would be issued. */
export function approvalOf(intent: IssuanceIntent): IssuanceApproval {
  const proved = Object.entries(intent).filter(([member]) => !ofSigners.includes(member))
  return {
    ...(Object.fromEntries(proved) as unknown as IssuanceApproval),
    kind: 'issuance-approval',
    message: 'what proved it',
    outcome: 'published',
    latencySeconds: 1,
  }
}
