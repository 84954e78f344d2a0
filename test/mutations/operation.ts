import { never, type Mutation } from './mutation.ts'

/** The defences of how a gateway is run. */
export const operationMutations: readonly Mutation[] = [
  {
    claim: 'gateway.upstream-told-apart',
    without: 'the look for another server of the same SPIFFE ID',
    file: 'src/gateway/upstream/conflicts.ts',
    edits: [['if (twin !== undefined && twin !== server)', 'if (twin !== undefined && !twin)']],
  },
  {
    claim: 'gateway.upstream-told-apart',
    without: 'the comparison of trust domains',
    file: 'src/gateway/upstream/conflicts.ts',
    edits: [['if (spiffeId.trustDomain !== trustDomain)', 'if (trustDomain.length < 0)']],
  },
  {
    claim: 'gateway.bodies-bounded',
    without: 'the share of the memory for bodies',
    file: 'src/gateway/caller/usage.ts',
    edits: [
      [
        'take: (octets) => shares.take(account, octets),',
        'take: (octets) => void shares.take(account, octets),',
      ],
    ],
  },
  {
    claim: 'gateway.traces-hold-no-arguments',
    without: 'the choice of what a span has',
    file: 'src/gateway/trace/tracer.ts',
    edits: [
      [
        "'gen_ai.tool.name': name,",
        "'gen_ai.tool.name': name,\n              'call': JSON.stringify(message.params),",
      ],
    ],
  },
  {
    claim: 'gateway.workers-hold-no-secret-in-the-open',
    without: 'the pipe by which a worker is told what it needs',
    file: 'src/cli/gateway/run-workers.ts',
    edits: [['cluster.fork()', "cluster.fork({ CONFIG: 'trustDomain: agents.example' })"]],
  },
  {
    claim: 'gateway.bad-input-told',
    without: 'the look for members that continue or detach a call',
    file: 'src/gateway/methods.ts',
    edits: never('unserved !== undefined'),
  },
  {
    claim: 'gateway.bad-input-told',
    without: 'the line in the log',
    file: 'src/gateway/handle-call.ts',
    edits: [['  refusals.note({', '  void ({']],
  },
  {
    claim: 'gateway.bad-input-told',
    without: 'the bound on names',
    file: 'src/gateway/methods.ts',
    edits: never('name.length > most'),
  },
]
