import type { Condition } from '../readiness.ts'
import { formatRight, missingRights, type Right } from './access-review.ts'
import type { ApiClient } from './api-client.ts'
import { backoffMilliseconds, realDelay, type Delay } from './backoff.ts'

/** What the API server last said of our rights. */
export interface RightsWatch extends AsyncDisposable {
  /** Undefined: it has not said anything yet. */
  readonly missing: readonly Right[] | undefined
  /** Something was refused: asks again now. */
  doubt(): void
  condition(): Condition
}

export interface RightsWatchOptions {
  readonly client: ApiClient
  readonly rights: readonly Right[]
  readonly delay?: Delay
  readonly random?: () => number
}

/** While one is missing, somebody may be about to give it. */
const missingBackoff = { baseSeconds: 1, maxSeconds: 30 }

/** Rights that are there may be taken away. */
const heldSeconds = 300

/** Asks for each right at once, and again and again: in seconds while one is missing, every few minutes after. */
export function watchRights(options: RightsWatchOptions): RightsWatch {
  const { client, rights, delay = realDelay, random = Math.random } = options
  const closing = new AbortController()
  let wakeUp = new AbortController()
  let missing: readonly Right[] | undefined
  let failure: string | undefined

  async function look(): Promise<boolean> {
    try {
      missing = await missingRights(client, rights, closing.signal)
      failure = undefined
      return missing.length === 0
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error)
      return false
    }
  }
  async function run(): Promise<void> {
    for (let failures = 1; !closing.signal.aborted; failures += 1) {
      wakeUp = new AbortController()
      if (await look()) failures = 0
      const milliseconds =
        failures === 0 ? heldSeconds * 1000 : backoffMilliseconds(missingBackoff, failures, random)
      const signal = AbortSignal.any([closing.signal, wakeUp.signal])
      await delay(milliseconds, signal).catch(() => {})
    }
  }
  const done = run()
  return {
    get missing() {
      return missing
    },
    doubt() {
      // While one is known to be missing the next look is near.
      if (missing?.length === 0) wakeUp.abort()
    },
    condition: () => rightsCondition(missing, { failure, count: rights.length }),
    async [Symbol.asyncDispose]() {
      closing.abort()
      await done
    },
  }
}

function rightsCondition(
  missing: readonly Right[] | undefined,
  { failure, count }: { readonly failure: string | undefined; readonly count: number },
): Condition {
  const name = 'rights'
  if (missing === undefined) {
    // Whoever may not ask may still have them: the watches tell what is really missing.
    const reason = `cannot be asked for: ${failure ?? 'no answer yet'}`
    return { name, ok: false, reason, optional: true }
  }
  if (missing.length === 0) return { name, ok: true, reason: `all ${count} are given` }
  const told = missing.map((right) => `${formatRight(right)} (${right.without})`)
  return {
    name,
    ok: false,
    reason: `missing: ${told.join('; ')}. Give them to our service account, as the chart's roles do`,
    optional: missing.every((right) => right.optional === true),
  }
}
