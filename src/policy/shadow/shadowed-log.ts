import { sizeOf } from '../asked.ts'
import type { DecisionEvent, DecisionLog, DecisionLogFile } from '../decision-log.ts'
import { entrypoints } from '../engine.ts'
import type { Decision } from '../decision.ts'
import type { ToldDifference } from './differences.ts'
import type { Shadow } from './shadow.ts'
import { textsOf, type Decided } from './shadow-question.ts'

/** The path of an event that tells in what a candidate decides otherwise. */
export const differencePath = 'countersign/shadow/difference'

/** And of one that tells how much there is beside those. */
export const extentPath = 'countersign/shadow/extent'

/**
 * The same log; what policy has decided and the log has taken, a candidate is asked afterwards. Some of its differences are told in the log,
 * each by the number of the decision: what was asked stands there, masked.
 */
export function shadowed(log: DecisionLogFile, shadow: Shadow | undefined): DecisionLog {
  if (shadow === undefined) return log
  tellDifferences(log, shadow)
  return {
    get available() {
      return log.available
    },
    get keeping() {
      return log.keeping
    },
    whenAvailable: () => log.whenAvailable(),
    record(event) {
      const isTaken = log.record(event)
      if (isTaken && shadow.isAsking) offer(event, shadow)
      return isTaken
    },
    flush: () => log.flush(),
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  }
}

/** Tells in the log what a candidate decides otherwise. */
export function tellDifferences(log: Pick<DecisionLogFile, 'note'>, shadow: Shadow): void {
  shadow.onDifference((told) => {
    const candidate = shadow.asked?.name
    if ('decisionId' in told) log.note(differencePath, { shadow: { ...codesOf(told), candidate } })
    else log.note(extentPath, { shadow: { ...told, candidate } })
  })
}

function offer({ path, decisionId, requestedBy, evaluated }: DecisionEvent, shadow: Shadow): void {
  const { asked, policy, value, error, ofPlatform = value } = evaluated
  if (policy === undefined || (path !== entrypoints.decision && path !== entrypoints.list)) return
  // What a tenant's own bundle denies is nothing that the candidate could say.
  if (policy.tenant !== undefined && (error !== undefined || isDenial(value))) return
  const was = error === undefined ? ofPlatform : undefined
  let decided: Decided
  if (asked.kind === 'call') {
    decided = { kind: 'call', texts: textsOf(asked), was: was as Decision | undefined }
  } else if (asked.kind === 'list') {
    const resources = asked.resources.map(({ text }) => text)
    const { parts } = asked
    decided = { kind: 'list', parts, resources, was: was as readonly boolean[] | undefined }
  } else return
  const { digest } = policy
  shadow.add(decided, { decisionId, subject: requestedBy, digest, octets: sizeOf(asked) })
}

function isDenial(value: unknown): boolean {
  return 'allow' in (value as object) && !(value as Decision).allow
}

/** Who asked, and for what, is in the event of the decision alone, where the policy's own rules may have masked it. */
function codesOf({ decisionId: of, change, rule, from, to }: ToldDifference): object {
  return { of, change, rule, from, to }
}
