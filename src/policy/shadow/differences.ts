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

/** How much there is beside the differences that are told: of how many decisions it was asked, or that more of a change are not told. */
export type ToldExtent = { readonly asked: number } | { readonly untold: Change }

/**
 * Of differences that are alike as many are told as show what they have in common, and of each change what fits a log: whoever makes up
 * names, which are narrowed at the most, leaves room for what is widened.
 */
const toldOfOneMax = 3
const kindsMax = 1000

/** Rules that metrics tell apart, of all candidates: a code is what somebody has written. */
const rulesMax = 100

/** A name is what a caller has said. */
const nameCharactersMax = 256

/** Counts in which a candidate decides otherwise, and tells some of it. */
export function createDifferences({
  metrics,
  rules,
  tell,
}: {
  readonly metrics: Metrics
  /** Those that metrics tell apart so far, of candidates before this one, too. */
  readonly rules: Set<string>
  readonly tell: (told: ToldDifference | ToldExtent) => void
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
  const tellSome = createTeller(tell)
  let [asked, askedToTell] = [0, 1]

  function ruleOf({ rule }: Difference): string {
    if (!rules.has(rule) && rules.size >= rulesMax) return 'other'
    rules.add(rule)
    return rule
  }
  /** Each time that they have doubled: who reads nothing else knows that it was asked. */
  function tellAsked(): void {
    if (asked < askedToTell) return
    askedToTell = 2 * asked
    tell({ asked })
  }
  return {
    add(batch, said) {
      if (said.kind !== 'answers' || said.answers.length !== batch.length) {
        throw new TypeError('the candidate answers what it was not asked')
      }
      asked += batch.length
      tellAsked()
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

/** Tells as many as have room, and of each change once that there are more. */
function createTeller(
  tell: (told: ToldDifference | ToldExtent) => void,
): (difference: ToldDifference) => void {
  const kinds: Partial<Record<Change, Map<string, number>>> = {}
  const untold = new Set<Change>()
  return (difference) => {
    const { change, rule, from, to, subject, resource } = difference
    const kind = JSON.stringify([change, rule, from, to, subject, resource])
    const alike = (kinds[change] ??= new Map<string, number>())
    const count = alike.get(kind) ?? 0
    if (count >= toldOfOneMax) return
    if (count > 0 || alike.size < kindsMax) {
      alike.set(kind, count + 1)
      tell(difference)
    } else if (!untold.has(change)) {
      untold.add(change)
      tell({ untold: change })
    }
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
