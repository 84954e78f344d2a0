import { never, type Mutation } from './mutation.ts'

const claim = 'signer.pods-ask'
const approval = 'signer.approved-before-signed'
const asked = 'src/signer/watch/asked-by-pod.ts'
const stated = 'src/signer/verdict/stated-requester.ts'
const ports = 'src/signer/watch/signing-request-ports.ts'
const tests = ['test/signer/watch/asked-by-pod.test.ts']
const approver = 'signer.approver-proves'
const approve = 'src/signer/issue/approve.ts'
const approves = ['test/signer/issue/approve.test.ts']
const whole = ['test/signer/watch/signing-requests.test.ts']

/** The defences of what pods ask by themselves. */
export const signingRequestMutations: readonly Mutation[] = [
  {
    claim,
    without: 'the look at whether the requester is a pod',
    file: stated,
    edits: never('!stated.isPod'),
    tests,
  },
  {
    claim,
    without: 'the end of the name of a service account',
    file: asked,
    edits: [['([a-z0-9.-]{1,253})$/\n\n', '([a-z0-9.-]{1,253})/\n\n']],
    tests,
  },
  {
    claim,
    without: 'the demand for one value',
    file: asked,
    edits: [['others.length === 0 && ', '']],
    tests,
  },
  {
    claim,
    without: 'the bound of UIDs',
    file: asked,
    edits: [['{1,128}', '+']],
    tests,
  },
  {
    claim,
    without: 'the UIDs of who asks',
    file: asked,
    edits: [['named.every((each) => each', 'named.some((each) => each']],
    tests,
  },
  {
    claim,
    without: 'the look at usages',
    file: stated,
    edits: never("stated.usages.toSorted().join('\\n') !== requestedUsages.join('\\n')"),
    tests,
  },
  {
    claim,
    without: "the look at the pod's declaration",
    file: 'src/signer/verdict/workload-checks.ts',
    edits: [
      ['if (stated === undefined || stated.issued !== undefined) return', 'if (spec) return'],
    ],
    tests: whole,
  },
  {
    claim,
    without: 'the signer in the declaration',
    file: 'src/signer/verdict/workload-checks.ts',
    edits: [['declared?.signerName === spec.signerName && ', 'declared !== undefined && ']],
    tests: whole,
  },
  {
    claim,
    without: 'the comparison of annotations',
    file: 'src/signer/verdict/workload-checks.ts',
    edits: [[' && sameEntries(declared.annotations, asked)', '']],
    tests: whole,
  },
  {
    claim,
    without: 'the look at whether a key was issued to another request',
    file: 'src/signer/verdict/evaluate.ts',
    edits: [['if (isAgain)', 'if (isAgain && stated.isApproved)']],
    tests: whole,
  },
  {
    claim,
    without: 'the pace of a pod',
    file: 'src/signer/issue/issuance.ts',
    edits: never('seconds > 0'),
    tests: whole,
  },
  {
    claim,
    without: 'the bound of what is kept of annotations',
    file: 'src/signer/watch/signing-requests.ts',
    edits: [['isLong ? tooLong : ', '']],
    tests: whole,
  },
  {
    claim: approval,
    without: 'the look at the approval before the certificate is written',
    file: ports,
    edits: never('!isApproved'),
    tests: ['test/signer/watch/signing-request-ports.test.ts'],
  },
  {
    claim: approval,
    without: 'the wait for an approval',
    file: ports,
    edits: never('!options.approve'),
    tests: whole,
  },
  {
    claim: approver,
    without: 'the record before an approval',
    file: approve,
    edits: never('!(await recordApproval(options, approval))'),
    tests: approves,
  },
  {
    claim: approver,
    without: 'the look at what has changed since the evaluation',
    file: approve,
    edits: never('changed !== undefined'),
    tests: approves,
  },
  {
    claim: approver,
    without: 'the look at whose key it is by now',
    file: approve,
    edits: never('history.keys.ownerOf(approval.spkiSha256) !== approval.pod.uid'),
    tests: approves,
  },
  {
    claim: approver,
    without: 'the look at whether a certificate has room for it',
    file: approve,
    edits: never('refusal !== undefined'),
    tests: approves,
  },
  {
    claim: approver,
    without: 'the keys of approvals of earlier runs',
    file: 'src/signer/issue/history.ts',
    edits: [['  rememberApproval(history, record)\n', '']],
    tests: approves,
  },
  {
    claim: approver,
    without: 'the end of a request when it is approved',
    file: 'src/signer/watch/approving-requests.ts',
    edits: [['return { ...request, status: { ...status, terminal } }', 'return request']],
    tests: ['test/signer/request-approver.test.ts'],
  },
]
