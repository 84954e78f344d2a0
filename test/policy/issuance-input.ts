import type { IssuanceInput } from '../../src/policy/issuance-policy.ts'

/** A pod whose certificate nothing in the shipped policy denies. */
export const issuanceInput: IssuanceInput = {
  subject: {
    type: 'identity',
    id: 'spiffe://example.test/ns/research/sa/reader',
    properties: {
      namespace: 'research',
      serviceAccount: 'reader',
      pod: { name: 'reader-0', uid: '4fd2' },
      node: 'node-a',
      role: 'agent',
      models: [],
      toolScopes: [],
    },
  },
  action: { name: 'issue' },
  resource: {
    type: 'certificate',
    id: 'countersign.dev/identity',
    properties: { keyType: 'ECDSAP256', lifetimeSeconds: 3600, dnsNames: [] },
  },
  context: { time: '2026-11-22T09:00:00Z' },
}
