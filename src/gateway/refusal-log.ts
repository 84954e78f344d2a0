import type { Log } from '../log.ts'
import type { CheckName } from './refusal.ts'

export interface LoggedRefusal {
  readonly check: CheckName
  readonly code: number
  /** SPIFFE ID; undefined where no certificate could be read. */
  readonly peer: string | undefined
  readonly [more: string]: unknown
}

/** Logs refusals, those of one kind at a bounded rate: metrics count them all, and the log must not be what a caller fills. */
export interface RefusalLog {
  note(refusal: LoggedRefusal): void
  /** Says what has not been said. */
  close(): void
}

/** So many of one peer, check and code are logged whole, in so long; of the rest one line says how many. */
const wholeMax = 5
const windowMilliseconds = 60_000

/** Of more peers than this, those that are new are counted as one. */
const kindsMax = 1024

interface Kind {
  count: number
  /** Says how many were not logged, and begins anew. */
  readonly end: () => void
}

export function createRefusalLog({ log }: { readonly log: Log }): RefusalLog {
  const kinds = new Map<string, Kind>()

  function kindOf(refusal: LoggedRefusal): Kind {
    const isKnown = kinds.has(keyOf(refusal))
    const told = isKnown || kinds.size < kindsMax ? refusal : { ...refusal, peer: 'many' }
    const key = keyOf(told)
    const known = kinds.get(key)
    if (known !== undefined) return known
    const { check, code, peer } = told
    const end = (): void => {
      clearTimeout(timer)
      kinds.delete(key)
      const suppressed = kind.count - wholeMax
      if (suppressed > 0) log.info({ check, code, peer, suppressed }, 'refusals suppressed')
    }
    const timer = setTimeout(end, windowMilliseconds).unref()
    const kind = { count: 0, end }
    kinds.set(key, kind)
    return kind
  }
  return {
    note(refusal) {
      const kind = kindOf(refusal)
      kind.count += 1
      if (kind.count <= wholeMax) log.info(refusal, 'request refused')
    },
    close() {
      for (const { end } of kinds.values()) end()
    },
  }
}

function keyOf({ check, code, peer }: LoggedRefusal): string {
  return `${code} ${check} ${peer ?? ''}`
}
