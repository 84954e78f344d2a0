import type { Metrics } from '../../metrics.ts'
import type { Change, Difference } from './differ.ts'
import type { FromShadow } from './shadow-question.ts'
import type { Queued } from './shadow-queue.ts'

/** A difference, and the decision that it is of. */
export interface ToldDifference extends Difference {
  readonly decisionId: string
  readonly subject: string
  /** `server:name` of what was called; the server of a list, the signer of a certificate. */
  readonly resource: string
}

/** Of differences that are alike as many are told as show what they have in common, and of all together what fits a log. */
const toldOfOneMax = 3
const kindsMax = 1000

/** Rules that metrics tell apart: a code is what somebody has written. */
const rulesMax = 100

/** A name is what a caller has said. */
const nameCharactersMax = 256

/** Counts in which a candidate decides otherwise, and tells some of it. */
export function createDifferences({
  metrics,
  tell,
}: {
  readonly metrics: Metrics
  readonly tell: (difference: ToldDifference) => void
}): {
  add(batch: readonly Queued[], said: FromShadow): void
  readonly summary: string
} {
  const counts: Record<Change | 'same', number> = {
    same: 0,
    widened: 0,
    narrowed: 0,
    reasons: 0,
    obligations: 0,
    errors: 0,
  }
  const kinds = new Map<string, number>()
  const rules = new Set<string>()

  function ruleOf({ rule }: Difference): string {
    if (!rules.has(rule) && rules.size >= rulesMax) return 'other'
    rules.add(rule)
    return rule
  }
  function tellSome(difference: ToldDifference): void {
    const { change, rule, from, to, subject, resource } = difference
    const kind = JSON.stringify([change, rule, from, to, subject, resource])
    const count = kinds.get(kind) ?? 0
    if (count >= toldOfOneMax || (count === 0 && kinds.size >= kindsMax)) return
    kinds.set(kind, count + 1)
    tell(difference)
  }
  return {
    add(batch, said) {
      if (said.kind !== 'answers' || said.answers.length !== batch.length) {
        throw new TypeError('the candidate answers what it was not asked')
      }
      for (const [index, queued] of batch.entries()) {
        const difference = said.answers[index]
        const change = difference?.change ?? 'same'
        counts[change] += 1
        const rule = difference === undefined ? '' : ruleOf(difference)
        metrics.count('countersign_policy_shadow_decisions_total', { change, rule })
        if (difference === undefined) continue
        const { decisionId, subject } = queued.named
        tellSome({ ...difference, decisionId, subject, resource: resourceOf(queued) })
      }
    },
    get summary() {
      const told = Object.entries(counts).flatMap(([change, count]) =>
        count === 0 ? [] : [`${count} ${change}`],
      )
      return told.length === 0 ? 'nothing was asked yet' : told.join(', ')
    },
  }
}

interface Resource {
  readonly id: string
  readonly properties: { readonly server?: string }
}

function resourceOf({ decided }: Queued): string {
  if (decided.kind === 'list') return decided.parts.context.door
  const resource =
    decided.kind === 'call'
      ? (JSON.parse(decided.texts.resource) as Resource)
      : decided.input.resource
  const { server } = resource.properties as Resource['properties']
  const name = server === undefined ? resource.id : `${server}:${resource.id}`
  return name.slice(0, nameCharactersMax)
}
