import { CountersignError } from '../errors.ts'
import type { AskedPlain } from './asked.ts'
import type { DecisionLog } from './decision-log.ts'
import { entrypoints } from './engine.ts'
import type { PolicyEngine } from './engine.ts'
import { formatInput } from './input.ts'
import { askIssuance, createIssuancePolicy } from './issuance-policy.ts'
import type { IssuanceDecision, IssuanceInput, IssuancePolicy } from './issuance-policy.ts'

/**
 * The issuance policy of an engine, of whose decisions the log has each before anything follows from it, in the format of a gateway's: what
 * was asked, whole, and what was answered. What is only supposed is no decision. Throws `policy/log`, too, where the log takes none.
 */
export function loggedIssuance(
  engine: PolicyEngine,
  log: Pick<DecisionLog, 'available' | 'record'>,
  {
    newDecisionId,
    elapsed = () => performance.now(),
  }: {
    readonly newDecisionId: () => string
    /** Milliseconds of a monotonic clock. */
    readonly elapsed?: () => number
  },
): IssuancePolicy {
  const unlogged = createIssuancePolicy(engine)

  function record(event: Parameters<DecisionLog['record']>[0]): void {
    if (!log.record(event)) throw notTaken()
  }
  function decide(input: IssuanceInput): IssuanceDecision {
    const { revision, digest } = engine
    const decisionId = newDecisionId()
    const [path, requestedBy] = [entrypoints.issuance, input.subject.id]
    const head = { decisionId, path, requestedBy }
    let asked = outlinedOf(input)
    const started = elapsed()
    const spent = (): number => (elapsed() - started) / 1000
    const policy = { revision, digest }
    let answer: ReturnType<typeof askIssuance>
    try {
      const text = formatInput(input)
      asked = { ...asked, text }
      answer = askIssuance(engine, text)
    } catch (thrown) {
      const code = thrown instanceof CountersignError ? thrown.code : 'unknown'
      const error = `${code}: ${thrown instanceof Error ? thrown.message : 'unknown'}`
      const none = { value: undefined, result: null, seconds: spent(), error }
      record({ ...head, evaluated: { ...none, asked, policy } })
      throw thrown
    }
    const { result, ...value } = answer
    record({ ...head, evaluated: { value, result, asked, seconds: spent(), policy } })
    return { ...value, policy, decisionId }
  }
  return {
    decide(input, how) {
      if (how?.supposed === true) return unlogged.decide(input)
      if (!log.available) throw notTaken()
      return decide(input)
    },
  }
}

/** What an annotation says is anybody's own words: an event that cannot be masked does without. */
function outlinedOf({ subject, action, resource, context: { time } }: IssuanceInput): AskedPlain {
  const outline = formatInput({ subject, action, resource, context: { time } })
  return { kind: 'plain', text: outline, outline }
}

function notTaken(): CountersignError {
  return new CountersignError('policy/log', 'decision log does not take decisions')
}
