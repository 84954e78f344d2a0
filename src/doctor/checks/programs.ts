import { ok, plural, problem, unknown, warning, type Check, type Judgement } from '../check.ts'
import type { ConditionFact, Facts, Program, ReadinessFact } from '../facts.ts'
import { isInstalled, podsOf } from '../own-pods.ts'

const isUpstream = (name: string): boolean => name.startsWith('upstream ')

export const signer: Check = {
  name: 'signer',
  judge: (facts) => judgeProgram(facts, 'signer', () => true),
}

export const gateway: Check = {
  name: 'gateway',
  judge: (facts) => judgeProgram(facts, 'gateway', (name) => !isUpstream(name)),
}

export const upstreams: Check = {
  name: 'upstreams',
  judge: (facts) => {
    const { gateway: settings, readiness } = facts
    const pods = readiness.gateway
    if (!isInstalled(facts, 'gateway')) return ok('no gateway is installed here')
    if (!pods.known) return unknown(pods)
    if (pods.value.length === 0) return notRunning('gateway')
    const said = conditionsIn(pods.value, isUpstream)
    const wanted = settings.known ? settings.value.upstreams.map(({ server }) => server) : []
    const silent = wanted.filter(
      (server) => !said.some(({ name }) => name === `upstream ${server}`),
    )
    if (said.length === 0 && wanted.length === 0 && settings.known) {
      return ok('no tool servers are configured')
    }
    if (said.length === 0 || silent.length > 0) {
      return warning('not checked: the gateway says nothing of its tool servers', {
        evidence: [
          ...silent.map((server) => `upstream ${server}: nothing said`),
          ...silentPods(pods.value),
        ],
        hint: 'only the gateway has the certificate to ask them with: its /readyz and its log say what it found',
      })
    }
    const failing = said.filter((condition) => !condition.ok)
    const names = new Set(said.map(({ name }) => name))
    if (failing.length > 0) {
      return problem(
        `${plural(new Set(failing.map(({ name }) => name)).size, 'tool server')} not reached`,
        {
          evidence: failing.map(describe),
          hint: 'start the tool server, or correct url and spiffeId of the upstream: what it shows has to be that very identity',
        },
      )
    }
    return ok(`${plural(names.size, 'tool server')} reached, each with its SPIFFE ID`, [...names])
  },
}

type Said = ConditionFact & { readonly pod: string }

function conditionsIn(
  pods: readonly ReadinessFact[],
  passes: (name: string) => boolean,
): readonly Said[] {
  return pods.flatMap(({ pod, conditions = [] }) =>
    conditions.filter(({ name }) => passes(name)).map((condition) => ({ ...condition, pod })),
  )
}

function describe({ pod, name, reason }: Said): string {
  return `${pod}: ${name}: ${reason}`
}

function silentPods(pods: readonly ReadinessFact[]): readonly string[] {
  return pods
    .filter(({ conditions }) => conditions === undefined)
    .map(({ pod, why }) => `${pod}: not asked: ${why}`)
}

function notRunning(program: Program): Judgement {
  return warning(`not checked: no ${program} runs here`, { hint: 'see installation' })
}

function judgeProgram(
  facts: Facts,
  program: Program,
  passes: (name: string) => boolean,
): Judgement {
  const pods = facts.readiness[program]
  if (!isInstalled(facts, program)) {
    return program === 'gateway' ? ok('no gateway is installed here') : notRunning(program)
  }
  if (!pods.known) return unknown(pods)
  if (pods.value.length === 0) return notRunning(program)
  return judgePods(pods.value, program, passes)
}

/** By what each of them says of itself. */
export function judgePods(
  pods: readonly ReadinessFact[],
  what: string,
  passes: (name: string) => boolean = () => true,
): Judgement {
  const said = conditionsIn(pods, passes)
  const failing = said.filter((condition) => !condition.ok)
  const vital = failing.filter(({ optional }) => !optional)
  const silent = silentPods(pods)
  if (failing.length > 0) {
    const judge = vital.length > 0 ? problem : warning
    return judge(`the ${what} ${vital.length > 0 ? 'is not ready' : 'lacks something'}`, {
      evidence: [...failing.map(describe), ...silent],
      hint: 'each line says what is wrong and what to do',
    })
  }
  if (silent.length > 0) {
    return warning(`not checked: ${plural(silent.length, 'pod')} could not be asked for /readyz`, {
      evidence: silent,
      hint: 'run the doctor as somebody who may get pods/proxy in this namespace; its admin listener has to listen on the pod address',
    })
  }
  const names = [...new Set(said.map(({ name }) => name))]
  return ok(`the ${what} is ready`, [`${plural(pods.length, 'pod')}: ${names.join(', ')}`])
}

export const ledger: Check = {
  name: 'ledger',
  judge: (facts) => {
    const { pods, signer: settings, namespace, readiness } = facts
    if (!pods.known) return unknown(pods)
    if (!settings.known) return unknown(settings)
    const own = podsOf(pods.value, namespace, 'signer')
    if (own.length === 0) return notRunning('signer')
    const { file } = settings.value.ledger
    const places = own.map((pod) => {
      const mount = pod.mounts
        .filter(({ path }) => file.startsWith(path.endsWith('/') ? path : `${path}/`))
        .toSorted((left, right) => right.path.length - left.path.length)[0]
      const volume = pod.volumes.find(({ name }) => name === mount?.volume)
      return { pod: pod.name, kind: volume?.kind ?? '' }
    })
    const evidence = places.map(
      ({ pod, kind }) => `${pod}: ${file} is on ${kind || 'the file system of the container'}`,
    )
    const lost = places.filter(({ kind }) => ['', 'emptyDir', 'ephemeral'].includes(kind))
    const pages = readiness.signer.known ? readiness.signer.value : []
    const unwritable = conditionsIn(pages, (name) => name === 'ledger').filter(
      ({ ok: well }) => !well,
    )
    if (unwritable.length > 0) {
      return problem('the ledger cannot be written: nothing is signed', {
        evidence: [...unwritable.map(describe), ...evidence],
        hint: 'free or enlarge its volume, and see that one process has it (docs/LEDGER.md)',
      })
    }
    if (lost.length > 0) {
      return problem('the ledger ends with its pod', {
        evidence,
        hint: 'put it on a persistentVolumeClaim, as the chart does: what was issued has to be known afterwards',
      })
    }
    if (places.some(({ kind }) => kind === 'hostPath')) {
      return warning('the ledger ends with its node', {
        evidence,
        hint: 'put it on a persistentVolumeClaim',
      })
    }
    return ok('the ledger outlives its pod', evidence)
  },
}
