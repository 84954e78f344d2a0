import { ok, problem, unknown, warning, type Check, type Judgement, type Status } from '../check.ts'
import type { CustomResourceFact, Fact } from '../facts.ts'

/** A custom resource as the gateway reads it: the version, and the schema that it was written for. */
interface Wanted {
  readonly kind: string
  readonly plural: string
  readonly version: string
  readonly revision: number
  readonly without: string
}

const revocation: Wanted = {
  kind: 'Revocation',
  plural: 'revocations',
  version: 'v1alpha1',
  revision: 1,
  without: 'nobody is served',
}
const toolServer: Wanted = {
  kind: 'ToolServer',
  plural: 'toolservers',
  version: 'v1alpha1',
  revision: 3,
  without: 'no tool server is served that only a ToolServer names',
}

const approval: Wanted = {
  kind: 'Approval',
  plural: 'approvals',
  version: 'v1alpha1',
  revision: 1,
  without: 'no call is made that needs an approval',
}

const hint =
  'kubectl apply --server-side -f charts/countersign/files/crds/, or install the chart with crds.install=true'

export const customResources: Check = {
  name: 'custom-resources',
  judge: ({ revocations, gateway, toolServerResource, approvalResource }) => {
    const followsToolServers = gateway.known && gateway.value.toolServers
    const keepsApprovals = gateway.known && gateway.value.approvals !== undefined
    const judgements = [
      judgeResource(revocations, revocation),
      ...(followsToolServers ? [judgeResource(toolServerResource, toolServer)] : []),
      ...(keepsApprovals ? [judgeResource(approvalResource, approval)] : []),
    ]
    const worst = worstOf(judgements)
    if (worst.status !== 'ok') return worst
    const summary = judgements.map((each) => each.summary).join(', ')
    return ok(
      summary,
      judgements.flatMap(({ evidence }) => evidence),
    )
  },
}

const order: readonly Status[] = ['problem', 'warning', 'ok']

function worstOf(judgements: readonly Judgement[]): Judgement {
  const [worst] = judgements.toSorted(
    (one, other) => order.indexOf(one.status) - order.indexOf(other.status),
  )
  return worst ?? ok('nothing is needed')
}

function judgeResource(
  fact: Fact<CustomResourceFact | undefined>,
  { kind, plural, version, revision: wanted, without }: Wanted,
): Judgement {
  if (!fact.known) return unknown(fact)
  if (fact.value === undefined) {
    return problem(`there is no resource ${kind}: ${without}`, {
      evidence: [`want=CustomResourceDefinition ${plural}.countersign.dev got=none`],
      hint,
    })
  }
  const { name, served, stored, revision, established } = fact.value
  const evidence = [
    `${name}: served ${served.join(', ') || 'in no version'}, stored ${stored.join(', ') || 'in no version'}, schema revision ${revision}`,
  ]
  if (!established || !served.includes(version)) {
    return problem(`${kind} ${version} is not served`, { evidence, hint })
  }
  if (revision < wanted) {
    return problem(`${kind} has schema revision ${revision}, want=${wanted}`, {
      evidence: [...evidence, 'what an older schema does not know the API server throws away'],
      hint,
    })
  }
  if (revision > wanted) {
    return warning(`${kind} is of a newer release than this doctor`, {
      evidence,
      hint: 'run the doctor of the release that is installed',
    })
  }
  return ok(`${kind} ${version} is served`, evidence)
}
