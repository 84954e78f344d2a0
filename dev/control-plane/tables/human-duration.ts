interface Step {
  /** Seconds from which this step no longer holds. */
  readonly below: number
  readonly format: (seconds: number) => string
}

const minute = 60
const hour = 60 * minute
const day = 24 * hour
const year = 365 * day

function two(seconds: number, big: readonly [number, string], small: [number, string]): string {
  const rest = Math.floor((seconds % big[0]) / small[0])
  const first = `${Math.floor(seconds / big[0])}${big[1]}`
  return rest === 0 ? first : `${first}${rest}${small[1]}`
}

/** Two or three figures at most: the smaller unit goes when the bigger one says enough. */
const steps: readonly Step[] = [
  { below: -1, format: () => '<invalid>' },
  { below: 0, format: () => '0s' },
  { below: 2 * minute, format: (seconds) => `${Math.floor(seconds)}s` },
  { below: 10 * minute, format: (seconds) => two(seconds, [minute, 'm'], [1, 's']) },
  { below: 3 * hour, format: (seconds) => `${Math.floor(seconds / minute)}m` },
  { below: 8 * hour, format: (seconds) => two(seconds, [hour, 'h'], [minute, 'm']) },
  { below: 2 * day, format: (seconds) => `${Math.floor(seconds / hour)}h` },
  { below: 8 * day, format: (seconds) => two(seconds, [day, 'd'], [hour, 'h']) },
  { below: 2 * year, format: (seconds) => `${Math.floor(seconds / day)}d` },
  { below: 8 * year, format: (seconds) => two(seconds, [year, 'y'], [day, 'd']) },
]

/** An age as kubectl's tables show it; clocks a little ahead are now, further ahead they are wrong. */
export function humanDuration(seconds: number): string {
  const step = steps.find(({ below }) => seconds < below)
  return step?.format(seconds) ?? `${Math.floor(seconds / year)}y`
}
