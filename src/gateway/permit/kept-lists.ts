import type { AskedList } from '../../policy/asked.ts'
import type { Evaluated } from '../../policy/authorizer.ts'
import type { ResourceText } from '../catalogue/resource-text.ts'

/** What policy said of a list, and when. */
export interface KeptList extends Evaluated<readonly boolean[], AskedList> {
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** Which list is asked about: all that policy is told, but for the time. */
export interface ListQuestion {
  /** The policy with its data, who asks, what for and where. */
  readonly asking: string
  readonly resources: readonly ResourceText[]
}

/** The answers of policy to the lists that were asked about last. */
export interface KeptLists {
  /** To the very same question, unless it is too old. */
  find(question: ListQuestion): KeptList | undefined
  keep(question: ListQuestion, evaluated: KeptList): void
}

/** The time is told to rules too, so none is kept for longer; nor for longer than its caller may keep it itself. */
const keptSecondsMax = 10

/** Tools of all lists together, some twenty octets each; what there is beside them counts as so many more, and so does the question. */
const toolsMax = 250_000
const toolsOfAny = 50
const questionCharactersOfTool = 10

/** An answer without the texts of its tools, which are as large as their definitions: of each there is its number. */
interface Answered {
  readonly numbers: Float64Array
  readonly answer: Omit<KeptList, 'asked'>
  readonly asked: Omit<AskedList, 'resources'>
  /** What it takes, in tools. */
  readonly size: number
}

/**
 * An answer is of nothing but its question: rules have no clock but the time of that, no chance and no network
 * (`policies/capabilities.json`). Tools are compared by the numbers of their texts, so that no list is kept from being forgotten.
 */
export function createKeptLists(options: {
  readonly now: () => number
  readonly listSecondsMax: number
}): KeptLists {
  const { now, listSecondsMax } = options
  const keptMilliseconds = Math.min(listSecondsMax, keptSecondsMax) * 1000
  /** Oldest first. */
  const kept = new Map<string, Answered>()
  let tools = 0

  function isCurrent({ answer }: Answered): boolean {
    const age = now() - answer.at
    return age >= 0 && age < keptMilliseconds
  }
  function forget(key: string): void {
    const known = kept.get(key)
    if (known === undefined) return
    tools -= known.size
    kept.delete(key)
  }
  return {
    find(question) {
      const answered = kept.get(keyOf(question))
      if (answered === undefined || !isCurrent(answered)) return undefined
      const { numbers, answer, asked } = answered
      if (!isOf(numbers, question)) return undefined
      return { ...answer, seconds: 0, asked: { ...asked, resources: question.resources } }
    },
    keep(question, { value, result, error, seconds, at, asked }) {
      const key = keyOf(question)
      forget(key)
      const numbers = Float64Array.from(question.resources, ({ number }) => number)
      const { kind, parts, before, after, told } = asked
      const size = numbers.length + toolsOfAny + Math.ceil(key.length / questionCharactersOfTool)
      kept.set(key, {
        numbers,
        size,
        answer: { value, result, error, seconds, at },
        asked: { kind, parts, before, after, told },
      })
      tools += size
      for (const [oldest, answered] of kept) {
        if (tools <= toolsMax && isCurrent(answered)) break
        forget(oldest)
      }
    },
  }
}

/** A caller may read its list in pages. */
function keyOf({ asking, resources }: ListQuestion): string {
  return `${resources.length} ${resources[0]?.number} ${asking}`
}

function isOf(numbers: Float64Array, { resources }: ListQuestion): boolean {
  return (
    numbers.length === resources.length &&
    resources.every(({ number }, index) => numbers[index] === number)
  )
}
