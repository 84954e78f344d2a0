import { never, type Mutation } from './mutation.ts'

/** The defences between a request and its certificate. */
export const issuanceMutations: readonly Mutation[] = [
  {
    claim: 'signer.draining-keeps-identity',
    without: 'the refusal of a pod that is deleted before it runs',
    file: 'src/signer/verdict/workload-checks.ts',
    edits: never("pod.terminating && pod.phase !== 'Running'"),
    tests: ['test/signer/verdict/evaluate.test.ts'],
  },
  {
    claim: 'signer.draining-keeps-identity',
    without: 'the look at whether it runs',
    file: 'src/signer/verdict/workload-checks.ts',
    edits: [["pod.terminating && pod.phase !== 'Running'", 'pod.terminating']],
    tests: ['test/signer/verdict/evaluate.test.ts'],
  },
  {
    claim: 'signer.key-of-one-pod',
    without: 'the look at who holds the key',
    file: 'src/signer/verdict/evaluate.ts',
    edits: [['keyOwner === undefined || keyOwner ===', "keyOwner !== '' || keyOwner ==="]],
    tests: ['test/signer/verdict/evaluate.test.ts'],
  },
  {
    claim: 'signer.evidence-holds-until-signed',
    without: 'the second look before the signature',
    file: 'src/signer/issue/issue.ts',
    edits: never('changed !== undefined'),
    tests: ['test/signer/issue/issuance.test.ts'],
  },
  {
    claim: 'signer.evidence-holds-until-signed',
    without: 'the look for what is gone',
    file: 'src/signer/watch/gather.ts',
    edits: [
      [
        'if (now === undefined) return `${quoted(name',
        'if (now === undefined) return void `${quoted(name',
      ],
    ],
    tests: ['test/signer/watch/gather.test.ts'],
  },
  {
    claim: 'signer.evidence-holds-until-signed',
    without: 'the look for a lost watch',
    file: 'src/signer/watch/gather.ts',
    edits: [
      ['if (!isCurrent(cache)) return unwatched\n  const { name, uid }', 'const { name, uid }'],
    ],
    tests: ['test/signer/watch/gather.test.ts'],
  },
  {
    claim: 'signer.requester-shown-by-policy',
    without: 'the time since when the policy says so',
    file: 'src/signer/watch/requester.ts',
    edits: [['creationTimestamp.getTime() >= since + settlingMilliseconds', 'since > 0']],
    tests: ['test/e2e/requester.test.ts'],
  },
  {
    claim: 'signer.requester-shown-by-policy',
    without: 'the look at what narrows the policy',
    file: 'src/signer/watch/requester.ts',
    edits: [['narrowing.length === 0 &&', 'narrowing.length >= 0 &&']],
    tests: ['test/e2e/requester.test.ts'],
  },
  {
    claim: 'cli.evaluate-says-what-the-signer-says',
    without: 'the change that is previewed',
    file: 'src/signer/preview/changes.ts',
    edits: never('isMeant(object)'),
    tests: ['test/cli/command/evaluate-command.test.ts'],
  },
  {
    claim: 'cli.evaluate-says-what-the-signer-says',
    without: 'the proof of possession of a request',
    file: 'src/signer/preview/judge.ts',
    edits: [
      ['judgeClaims(parseClaims(asked)', "judgeClaims(claimsWithKey(asked, anyKey('ECDSAP256'))"],
    ],
    tests: ['test/cli/command/evaluate-command.test.ts'],
  },
  {
    claim: 'signer.one-replica-a-request',
    without: 'the look at which replica a request falls to',
    file: 'src/signer/watch/request-queue.ts',
    edits: [['rank * takeoverSeconds', '0 * takeoverSeconds']],
    tests: ['test/signer/watch/request-queue.test.ts'],
  },
  {
    claim: 'signer.one-replica-a-request',
    without: 'the look for replicas that do nothing',
    file: 'src/signer/watch/request-queue.ts',
    edits: [['rank * takeoverSeconds', 'rank * 86_400']],
    tests: ['test/signer/watch/request-queue.test.ts'],
  },
  {
    claim: 'signer.one-replica-a-request',
    without: 'the new sharing when a replica comes or goes',
    file: 'src/signer/watch/request-queue.ts',
    edits: [['membership?.onChange(() => this.#shareAnew())', 'membership?.onChange(() => {})']],
    tests: ['test/signer/watch/request-queue.test.ts'],
  },
  {
    claim: 'signer.one-replica-a-request',
    without: 'the look whether a replica still renews',
    file: 'src/kubernetes/membership.ts',
    edits: [['renewed && now - at < durationSeconds * 1000', 'renewed && now >= at']],
    tests: ['test/kubernetes/membership.test.ts'],
  },
  {
    claim: 'signer.one-replica-a-request',
    without: 'the look for what the dead left behind',
    file: 'src/kubernetes/membership.ts',
    edits: [['renewed && now - at <', '(renewed || true) && now - at <']],
    tests: ['test/kubernetes/membership.test.ts'],
  },
  {
    claim: 'signer.one-replica-a-request',
    without: 'the bound on how many may come before',
    file: 'src/signer/watch/request-queue.ts',
    edits: [['Math.min(before, rankMax)', 'before']],
    tests: ['test/signer/watch/request-queue.test.ts'],
  },
]
