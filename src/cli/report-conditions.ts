import type { Log } from '../log.ts'
import { isReady, type Condition } from '../readiness.ts'

const lookMilliseconds = 1000

/** Logs every condition at once, and again each one that has changed: those who do not look at `/readyz` learn of it here. */
export function reportConditions(options: {
  readonly conditions: () => readonly Condition[]
  readonly log: Log
  /** Looks again whenever it is told to; gives what ends that. */
  readonly every?: (milliseconds: number, look: () => void) => () => void
}): Disposable {
  const { conditions, log, every = everySoOften } = options
  const known = new Map<string, boolean>()
  const look = (): void => {
    const current = conditions()
    const changed = current.filter(({ name, ok }) => known.get(name) !== ok)
    if (changed.length === 0) return
    for (const { name, ok } of changed) known.set(name, ok)
    const lost = changed.filter(({ ok }) => !ok)
    const fields = {
      ready: isReady(current),
      ok: changed.filter(({ ok }) => ok).map(({ name }) => name),
      ...named(
        'missing',
        lost.filter(({ optional }) => optional !== true),
      ),
      ...named(
        'warnings',
        lost.filter(({ optional }) => optional === true),
      ),
    }
    if (lost.length === 0) log.info(fields, 'conditions')
    else log.warn(fields, 'conditions')
  }
  look()
  const stop = every(lookMilliseconds, look)
  return { [Symbol.dispose]: stop }
}

function named(member: string, conditions: readonly Condition[]): object {
  if (conditions.length === 0) return {}
  return { [member]: Object.fromEntries(conditions.map(({ name, reason }) => [name, reason])) }
}

function everySoOften(milliseconds: number, look: () => void): () => void {
  const timer = setInterval(look, milliseconds).unref()
  return () => clearInterval(timer)
}
