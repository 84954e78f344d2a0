import { CountersignError, cut } from '../../errors.ts'
import type { ApiClient, ApiProbe } from '../../kubernetes/api-client.ts'
import { ApiError, isExpired } from '../../kubernetes/api-error.ts'
import type { Fact } from '../facts.ts'
import { listAt, textAt } from '../lenient.ts'

/** Whom the gatherers ask, and until when. */
export interface Asker {
  readonly client: ApiClient & ApiProbe
  readonly signal: AbortSignal
}

/** Somebody waits for the report. */
export const timeoutSeconds = 15

/** A list is read up to here: enough for the clusters that there are, and bounded on those that are made to hurt. */
const objectsMax = 10_000
const pageObjects = 250
const pageBytesMax = 16 * 1024 * 1024

/** Asks, and makes a fact of the answer or of the reason why there is none. Rejects only when it was told to stop. */
export async function learn<T>(
  { signal }: Asker,
  right: string,
  ask: () => Promise<T>,
): Promise<Fact<T>> {
  try {
    return { known: true, value: await ask() }
  } catch (error) {
    signal.throwIfAborted()
    return unlearned(error, right)
  }
}

/** Why something is not known, and which right would change that. */
export function unlearned(error: unknown, right: string): Fact<never> {
  if (error instanceof ApiError && error.status === 403) {
    return { known: false, why: `no right to ${right}`, right }
  }
  if (error instanceof ApiError && error.status === 404) {
    return { known: false, why: `cannot ${right}: the API server does not serve it` }
  }
  const said = error instanceof CountersignError ? error.message : 'odd answer'
  return { known: false, why: `cannot ${right}: ${cut(said, 300)}` }
}

/** Where a kind of object is listed. */
export interface Listed {
  /** Such as `/api/v1/pods`. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  /** Such as `list pods`. */
  readonly right: string
}

/** All objects of a list as facts, page by page and up to a bound; what `read` has nothing for is left out. */
export async function learnList<T>(
  asker: Asker,
  { path, query = {}, right }: Listed,
  read: (raw: unknown) => T | undefined,
): Promise<Fact<readonly T[]>> {
  const facts: T[] = []
  let seen = 0
  let limit = pageObjects
  let token = ''
  do {
    const page = await learn(asker, right, () =>
      asker.client
        .request({
          method: 'GET',
          path,
          query: {
            ...query,
            limit: String(limit),
            ...(token === '' ? {} : { continue: token }),
          },
          answerBytesMax: pageBytesMax,
          timeoutSeconds,
          signal: asker.signal,
        })
        .catch((error: unknown) => pageFailure(error, seen)),
    )
    if (!page.known) return page
    if (page.value === 'too-large') {
      if (limit === 1) return { known: false, why: `cannot ${right}: one object fills a page` }
      limit = Math.ceil(limit / 8)
      continue
    }
    if (page.value === 'changed') {
      return { known: true, value: facts, partial: `${right}: it changed while it was read` }
    }
    const items = listAt(page.value, 'items')
    seen += items.length
    for (const item of items) {
      const fact = read(item)
      if (fact !== undefined) facts.push(fact)
    }
    token = textAt(page.value, 'metadata', 'continue')
  } while (token !== '' && seen < objectsMax)
  if (token === '') return { known: true, value: facts }
  return { known: true, value: facts, partial: `${right}: only the first ${seen} were looked at` }
}

/** A page that is too large is asked for again in smaller ones; a token that has expired leaves what was read. */
function pageFailure(error: unknown, seen: number): 'too-large' | 'changed' {
  if (isExpired(error) && seen > 0) return 'changed'
  if (error instanceof CountersignError && error.code === 'kubernetes/answer') return 'too-large'
  throw error
}

/** One object, undefined where there is none. */
export function learnObject<T>(
  asker: Asker,
  { path, right }: Listed,
  read: (raw: unknown) => T,
): Promise<Fact<T | undefined>> {
  return learn(asker, right, async () => {
    try {
      const { signal } = asker
      return read(await asker.client.request({ method: 'GET', path, timeoutSeconds, signal }))
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined
      throw error
    }
  })
}

/** A fact made of another one. */
export function mapFact<T, U>(fact: Fact<T>, change: (value: T) => U): Fact<U> {
  return fact.known ? { ...fact, value: change(fact.value) } : fact
}
