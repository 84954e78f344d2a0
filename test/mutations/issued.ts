import { never, type Mutation } from './mutation.ts'

const asked = 'src/signer/watch/asked-by-agent.ts'
const declared = 'src/signer/verdict/issued-certificate-check.ts'
const workload = 'src/signer/verdict/workload-checks.ts'
const tests = ['test/signer/watch/asked-by-agent.test.ts']

/** The defences of what agents ask for others. */
export const issuedMutations: readonly Mutation[] = [
  {
    claim: 'issued.agent-only',
    without: 'the look at whether a pod asks',
    file: asked,
    edits: [['stated?.isPod === true', 'stated !== undefined']],
    tests,
  },
  {
    claim: 'issued.agent-only',
    without: "the look at the agent's namespace",
    file: asked,
    edits: [['metadata.namespace === agent?.namespace', 'agent !== undefined']],
    tests,
  },
  {
    claim: 'issued.agent-only',
    without: "the look at the agent's service account",
    file: asked,
    edits: [[' &&\n    spec.serviceAccount.name === agent.serviceAccount', '']],
    tests,
  },
  {
    claim: 'issued.agent-only',
    without: 'the end of a reference',
    file: asked,
    edits: [[' || more.length > 0', '']],
    tests,
  },
  {
    claim: 'issued.agent-only',
    without: 'the look at the account of the pod that asks',
    file: workload,
    edits: [
      [
        'pod.serviceAccountName === account',
        'stated?.issued || pod.serviceAccountName === account',
      ],
    ],
    tests,
  },
  {
    claim: 'issued.as-declared',
    without: 'the resource',
    file: declared,
    edits: [['if (issued === undefined)', 'if (spec.key !== undefined)']],
    tests,
  },
  {
    claim: 'issued.as-declared',
    without: 'the UID of the resource',
    file: declared,
    edits: never('uid !== issued.uid'),
    tests,
  },
  {
    claim: 'issued.as-declared',
    without: 'the look at whether it is being deleted',
    file: declared,
    edits: [['if (terminating)', 'if (terminating && !terminating)']],
    tests,
  },
  {
    claim: 'issued.as-declared',
    without: 'the comparison of hosts',
    file: declared,
    edits: [[' || hosts[0] !== uri', '']],
    tests,
  },
  {
    claim: 'issued.as-declared',
    without: 'the count of hosts',
    file: declared,
    edits: [['hosts.length !== 1 || ', '']],
    tests,
  },
  {
    claim: 'issued.as-declared',
    without: 'the comparison of annotations',
    file: declared,
    edits: never('!sameEntries(annotations, asked)'),
    tests,
  },
]
