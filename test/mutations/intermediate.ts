import { never, type Mutation } from './mutation.ts'

const answer = 'src/intermediate/answer.ts'
const judge = 'src/intermediate/judge.ts'
const written = 'src/pki/intermediate.ts'
const revoked = 'src/signer/anchors/revoked-authority.ts'
const tests = ['test/intermediate/answer.test.ts']
const faults = ['test/intermediate/answer-faults.test.ts']
const below = ['test/pki/intermediate.test.ts']

/** The defences of CAs that are signed for other clusters. */
export const intermediateMutations: readonly Mutation[] = [
  {
    claim: 'intermediate.requester-proved',
    without: 'the look at who has asked',
    file: answer,
    edits: never('!isOfRequester(request.spec.username, rules)'),
    tests,
  },
  {
    claim: 'intermediate.requester-proved',
    without: 'the UID of the account',
    file: judge,
    edits: never('accountUid !== spec.uid'),
    tests,
  },
  {
    claim: 'intermediate.requester-proved',
    without: 'the UID of the pod',
    file: judge,
    edits: never('pod.uid !== asked.podUid'),
    tests,
  },
  {
    claim: 'intermediate.requester-proved',
    without: 'the look at whether the pod is over',
    file: judge,
    edits: never('pod.isOver'),
    tests,
  },
  {
    claim: 'intermediate.requester-proved',
    without: 'the account of the pod',
    file: judge,
    edits: never('pod.serviceAccountName !== serviceAccount'),
    tests,
  },
  {
    claim: 'intermediate.requester-proved',
    without: 'the second look, when the record is there',
    file: answer,
    edits: [["again.kind === 'deny' || unfit", 'unfit']],
    tests,
  },
  {
    claim: 'intermediate.nothing-chosen',
    without: 'the comparison of usages',
    file: judge,
    edits: never('got.join() !== usages.join()'),
    tests,
  },
  {
    claim: 'intermediate.nothing-chosen',
    without: 'the comparison of names',
    file: judge,
    edits: [['if (isAllowed) return key', 'return key']],
    tests,
  },
  {
    claim: 'intermediate.nothing-chosen',
    without: 'the look at whether a key was used before',
    file: judge,
    edits: [['before === undefined || before === request.uid', 'true']],
    tests,
  },
  {
    claim: 'intermediate.trust-domain-of-its-own',
    without: 'the look at the trust domains of others',
    file: 'src/cli/intermediate/intermediate-configuration.ts',
    edits: [['if (!otherTrustDomains.includes(trustDomain)) return', 'return']],
    tests: ['test/cli/intermediate/intermediate-configuration.test.ts'],
  },
  {
    claim: 'intermediate.bound-to-its-cluster',
    without: 'the constraint to its trust domain',
    file: written,
    edits: [['constrainUris: true', 'constrainUris: false']],
    tests: below,
  },
  {
    claim: 'intermediate.bound-to-its-cluster',
    without: 'what is excluded below it, for Go',
    file: 'src/pki/ca-write.ts',
    edits: [['nameConstraints(subtrees, below)', 'nameConstraints(subtrees, [])']],
    tests: below,
  },
  {
    claim: 'intermediate.within-the-life-above',
    without: 'the end of the CA above',
    file: written,
    edits: [
      [
        'Math.min(begin + lifetimeSeconds * 1000, authority.notAfter.getTime())',
        'begin + lifetimeSeconds * 1000',
      ],
    ],
    tests: below,
  },
  {
    claim: 'intermediate.within-the-life-above',
    without: 'the longest life that is registered',
    file: judge,
    edits: [['Math.min(expirationSeconds, rules.lifetimeSecondsMax)', 'expirationSeconds']],
    tests,
  },
  {
    claim: 'intermediate.within-the-life-above',
    without: 'the age of an intent that is taken up again',
    file: answer,
    edits: [['Math.abs(now - Date.parse(time)) <= intentMillisecondsMax', 'Number.isFinite(now)']],
    tests: faults,
  },
  {
    claim: 'intermediate.recorded-before-signed',
    without: 'the wait for the record',
    file: answer,
    edits: [
      [
        'await ledger.append(record)\n  open.set(uid, record)\n  keys.set',
        'void ledger.append(record).catch(() => {})\n  open.set(uid, record)\n  keys.set',
      ],
    ],
    tests,
  },
  {
    claim: 'intermediate.ends-when-revoked',
    without: 'the look of the signer at its CA',
    file: revoked,
    edits: [['if (by === undefined) return authority', 'if (by !== null) return authority']],
  },
  {
    claim: 'intermediate.ends-when-revoked',
    without: 'the look at the age of what is known',
    file: revoked,
    edits: never('revocations.staleSeconds > staleSecondsMax'),
  },
  {
    claim: 'intermediate.ends-when-revoked',
    without: 'the end of one that signs on until its successor may',
    file: revoked,
    edits: [[' && revocationOf(authority.path, revocations) === undefined', '']],
  },
  {
    claim: 'intermediate.ends-when-revoked',
    without: 'the request for another one',
    file: 'src/signer/anchors/request-authority.ts',
    edits: [[' && this.#options.isRevoked?.(entry.certificate) !== true', '']],
    tests: ['test/signer/anchors/request-authority.test.ts'],
  },
  {
    claim: 'intermediate.ends-when-revoked',
    without: 'the CAs above a caller',
    file: 'src/gateway/caller/judge.ts',
    edits: [
      [
        'shown.above = verifyX509Svid(shown.svid, { bundle, intermediates, now }).map(revocableCa)',
        'verifyX509Svid(shown.svid, { bundle, intermediates, now })',
      ],
    ],
    tests: ['test/gateway/caller/judge.test.ts'],
  },
  {
    claim: 'intermediate.ends-when-revoked',
    without: 'the CAs above a tool server',
    file: 'src/gateway/upstream/tls.ts',
    edits: [['refuses?.(svid, server.above)', 'refuses?.(svid, [])']],
    tests: ['test/gateway/upstream/tls.peers.test.ts'],
  },
  {
    claim: 'intermediate.ends-when-revoked',
    without: 'the CAs above a gateway',
    file: 'src/toolserver/verify-request.ts',
    edits: [['return { svid, above }', 'return { svid, above: above.slice(above.length) }']],
    tests: ['test/toolserver/verify-request.test.ts'],
  },
  {
    claim: 'intermediate.ends-when-revoked',
    without: 'the issuance of a CA',
    file: 'src/pki/revocation.ts',
    edits: [['(identity ?? svid).issuanceId', 'identity?.issuanceId']],
    tests: ['test/signer/anchors/revoked-authority.test.ts'],
  },
  {
    claim: 'intermediate.one-for-a-request',
    without: 'the intent of before',
    file: answer,
    edits: [['if (going !== undefined) return', 'if (going === null) return']],
    tests: faults,
  },
  {
    claim: 'intermediate.one-for-a-request',
    without: 'the serial number by which a certificate is ours',
    file: answer,
    edits: [["ca?.certificate.serialNumber.toString('hex') === known.issuanceId", 'true']],
    tests: faults,
  },
]
