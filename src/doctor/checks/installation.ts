import { ok, problem, unknown, warning, type Check } from '../check.ts'
import type { Facts, Program } from '../facts.ts'
import { isInstalled, podsOf } from '../own-pods.ts'

export const installation: Check = {
  name: 'installation',
  judge: (facts) => {
    const { pods, namespace, namespaces } = facts
    if (!pods.known) return unknown(pods)
    const isThere = !namespaces.known || namespaces.value.some(({ name }) => name === namespace)
    const programs = (['signer', 'gateway'] as const).map((program) => lookAt(facts, program))
    const [signer, gateway] = programs
    const evidence = programs.flatMap((each) => each.evidence)
    if (!isThere || signer?.pods === 0) {
      return problem(`no signer runs in namespace ${namespace}`, {
        evidence: isThere ? evidence : [`there is no namespace ${namespace}`],
        hint: 'say where it is installed with --namespace, or install the chart',
      })
    }
    if (gateway?.pods === 0 && isInstalled(facts, 'gateway')) {
      return problem(`no gateway runs in namespace ${namespace}`, {
        evidence,
        hint: 'kubectl describe deployment countersign-gateway says what is refused; without a gateway install with gateway.enabled=false',
      })
    }
    if (programs.some((each) => each.broken)) {
      return problem('a program cannot read its configuration', {
        evidence,
        hint: 'install the chart again with values that its schema takes; every field is described in docs/OPERATING.md',
      })
    }
    if (programs.some((each) => each.waiting)) {
      return warning('not every pod of ours is ready', {
        evidence,
        hint: 'the checks below say what they wait for; kubectl describe pod says what kubelet waits for',
      })
    }
    return ok(`the programs run in namespace ${namespace}`, evidence)
  },
}

interface ProgramState {
  readonly pods: number
  readonly broken: boolean
  readonly waiting: boolean
  readonly evidence: readonly string[]
}

function lookAt(facts: Facts, program: Program): ProgramState {
  const { pods, namespace } = facts
  const settings = facts[program]
  const own = pods.known ? podsOf(pods.value, namespace, program) : []
  const ready = own.filter((pod) => pod.ready)
  const waiting = own.filter((pod) => !pod.ready)
  const notes = settings.known ? [] : [`${program}: ${settings.why}`]
  return {
    pods: own.length,
    broken: !settings.known && settings.why.includes('cannot read its configuration'),
    waiting: waiting.length > 0,
    evidence: [
      `${program}: ${ready.length} of ${own.length} pods ready`,
      ...waiting.map(({ name, phase }) => `${program}: pod ${name} is ${phase || 'of no phase'}`),
      ...notes,
    ],
  }
}
