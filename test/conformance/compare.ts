/** One check of a scenario, as the suite writes it. */
export interface Check {
  readonly id: string
  readonly status: string
  readonly description?: string
  readonly errorMessage?: string
}

/** What the suite says of a server: the checks of each scenario that it ran. */
export type Results = ReadonlyMap<string, readonly Check[]>

/** A scenario that a server passes directly, and that is not the same through the gateway. */
export interface Difference {
  readonly scenario: string
  /** Hollow: nothing fails, but less is checked than directly. */
  readonly verdict: 'fails' | 'hollow'
  readonly why: string
}

/** A scenario passes when something of it does and nothing fails. */
export function passes(checks: readonly Check[] = []): boolean {
  return (
    checks.some(({ status }) => status === 'SUCCESS') &&
    checks.every(({ status }) => status !== 'FAILURE')
  )
}

/** What of a scenario does not pass. */
export function whyNot(checks: readonly Check[] = []): string {
  const failed = checks.find(({ status }) => status === 'FAILURE')
  return failed === undefined ? 'nothing of it is checked' : sayCheck(failed)
}

/** What of a scenario is other through the gateway; undefined where it passes just as it does directly, or does not pass directly. */
export function compare(
  scenario: string,
  direct: readonly Check[] | undefined,
  through: readonly Check[] | undefined,
): Difference | undefined {
  if (direct === undefined || !passes(direct)) return undefined
  if (through === undefined)
    return { scenario, verdict: 'fails', why: 'the suite gives no checks of it' }
  const failed = through.find(({ status }) => status === 'FAILURE')
  if (failed !== undefined) return { scenario, verdict: 'fails', why: sayCheck(failed) }
  const had = countPassed(through)
  for (const [id, count] of countPassed(direct)) {
    const now = had.get(id) ?? 0
    if (now >= count) continue
    const shown = through.find((check) => check.id === id && check.status !== 'SUCCESS')
    const why = shown === undefined ? `${id}: passed ${now} of ${count}` : sayCheck(shown)
    return { scenario, verdict: 'hollow', why }
  }
  return undefined
}

/** How often each check passed: some are made once for each of several things. */
function countPassed(checks: readonly Check[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { id, status } of checks) {
    if (status === 'SUCCESS') counts.set(id, (counts.get(id) ?? 0) + 1)
  }
  return counts
}

function sayCheck({ id, status, errorMessage, description = '' }: Check): string {
  const mark = status === 'FAILURE' ? '' : ` is ${status}`
  return `${id}${mark}: ${(errorMessage ?? description).replaceAll(/\s+/g, ' ').trim()}`
}
