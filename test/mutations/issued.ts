import { never, type Mutation } from './mutation.ts'

const asked = 'src/signer/watch/asked-by-agent.ts'
const declared = 'src/signer/verdict/issued-certificate-check.ts'
const workload = 'src/signer/verdict/workload-checks.ts'
const tests = ['test/signer/watch/asked-by-agent.test.ts']
const steps = 'src/issued/next-step.ts'
const kept = ['test/issued/controller.test.ts']

/** The defences of what an agent asks for others, and keeps. */
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
    claim: 'issued.declared-until-signed',
    without: 'the look before the signature',
    file: 'src/signer/issue/issue.ts',
    edits: [['undeclared ?? options.ports', 'options.ports']],
    tests,
  },
  {
    claim: 'issued.declared-until-signed',
    without: 'the refusal of what cannot be read',
    file: 'src/signer/watch/signing-request-ports.ts',
    edits: [
      ["    return 'the IssuedCertificate cannot be read again'\n", '    return undefined\n'],
    ],
    tests,
  },
  {
    claim: 'issued.nothing-of-the-agent',
    without: 'the look at whose Services would be named',
    file: 'src/signer/verdict/attribute-checks.ts',
    edits: never('claims.asked.stated?.issued !== undefined'),
    tests,
  },
  {
    claim: 'issued.nothing-of-the-agent',
    without: 'the look at whose claim would be followed',
    file: 'src/signer/watch/gather.ts',
    edits: [['isOfAgent ? {} :', 'isOfAgent && live ? {} :']],
    tests,
  },
  {
    claim: 'issued.as-declared',
    without: 'the record that an agent asked',
    file: 'src/signer/verdict/stated-requester.ts',
    edits: [["stated.issued === undefined ? 'pod' : 'agent'", "'pod'"]],
    tests,
  },
  {
    claim: 'gateway.issued-is-no-pod',
    without: 'the UID of a pod that the cache has',
    file: 'src/gateway/caller/pod-watch.ts',
    edits: [['return pod?.metadata.uid === podUid\n', 'return pod !== undefined\n']],
    tests: ['test/gateway/caller/judge.issued.test.ts'],
  },
  {
    claim: 'gateway.issued-is-no-pod',
    without: 'the UID of a pod that is asked for',
    file: 'src/gateway/caller/pod-watch.ts',
    edits: [['pod?.metadata.uid === podUid && isAlive', 'pod !== undefined && isAlive']],
    tests: ['test/gateway/caller/judge.issued.test.ts'],
  },
  {
    claim: 'gateway.issued-is-no-pod',
    without: 'the UID of the resource in a revocation',
    file: 'src/pki/revocation.ts',
    edits: [['    `pod ${pod.uid}`,\n', '']],
    tests: ['test/gateway/caller/judge.issued.test.ts'],
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
  {
    claim: 'issued.asks-only-what-it-may',
    without: 'the names of claims',
    file: 'src/issued/look.ts',
    edits: [['if (other === undefined) return undefined', 'if (other !== "") return undefined']],
    tests: kept,
  },
  {
    claim: 'issued.asks-only-what-it-may',
    without: 'the look at the name',
    file: 'src/issued/look.ts',
    edits: [['uri === host && more.length === 0', 'uri.length > 0']],
    tests: kept,
  },
  {
    claim: 'issued.state-is-true',
    without: 'the telling of a request before its answer is taken',
    file: steps,
    edits: [["untold(seen, requested) ?? { kind: 'take' }", "{ kind: 'take' }"]],
    tests: kept,
  },
  {
    claim: 'issued.state-is-true',
    without: 'the telling of what was taken before it is finished',
    file: steps,
    edits: [['if (issued !== undefined) return issued', '']],
    tests: kept,
  },
  {
    claim: 'issued.state-is-true',
    without: 'the telling of what was taken late',
    file: steps,
    edits: [[' || isToBeTold', '']],
    tests: kept,
  },
  {
    claim: 'issued.state-is-true',
    without: 'the time between two certificates',
    file: 'src/issued/look.ts',
    edits: [['const renewSecondsMin = 60', 'const renewSecondsMin = 0']],
    tests: kept,
  },
  {
    claim: 'issued.state-is-true',
    without: 'the back-off after a refusal',
    file: 'src/issued/controller.ts',
    edits: [["step.kind === 'retry' && !isDue", "step.kind === 'retry' && isDue"]],
    tests: kept,
  },
  {
    claim: 'issued.own-secret',
    without: 'the look at whose a Secret is',
    file: 'src/issued/look.ts',
    edits: [['secret !== undefined && !isOf(secret, certificate)', 'false']],
    tests: kept,
  },
  {
    claim: 'issued.verified-before-kept',
    without: 'the look at the chain',
    file: 'src/issued/look.ts',
    edits: [['    verified(options, certificate, { credentialBundle, trustBundle })\n', '']],
    tests: kept,
  },
  {
    claim: 'issued.verified-before-kept',
    without: 'the look at the name',
    file: 'src/issued/look.ts',
    edits: [['if (accepted.subject === want) return', 'if (want !== undefined) return']],
    tests: kept,
  },
  {
    claim: 'issued.resumes-anywhere',
    without: 'the request that was not sent before a kill',
    file: steps,
    edits: [["status.state === 'Requested' && status.request === name", 'status.request !== name']],
    tests: ['test/issued/controller-faults.test.ts'],
  },
]
