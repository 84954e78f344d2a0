/** A moment as a calendar and a clock have it. */
export interface Civil {
  readonly year: number
  /** From 1. */
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly nanosecond: number
}

/** Where a clock hangs: one offset, all the year round. */
export interface Zone {
  /** Its abbreviation. */
  readonly name: string
  /** East of Greenwich. */
  readonly offsetSeconds: number
}

export const utc: Zone = { name: 'UTC', offsetSeconds: 0 }

const utcNames = new Set([
  '',
  ...['UTC', 'UCT', 'Universal', 'Zulu'].flatMap((name) => [name, `Etc/${name}`]),
])

const gmtNames = new Set(
  ['GMT', 'GMT0', 'GMT+0', 'GMT-0', 'Greenwich'].flatMap((name) => [name, `Etc/${name}`]),
)

/** POSIX counts to the west. */
const westOfGreenwich = /^Etc\/GMT(?:\+([1-9]|1[0-2])|-([1-9]|1[0-4]))$/

/**
 * A zone of the tz database whose clocks have never been changed; undefined of the others. What those had when is another thing in each
 * release of the database, and a decision must be the same wherever it is replayed.
 */
export function zoneOf(name: string): Zone | undefined {
  if (utcNames.has(name)) return utc
  if (gmtNames.has(name)) return { name: 'GMT', offsetSeconds: 0 }
  const [, west, east] = westOfGreenwich.exec(name) ?? []
  const hours = west ?? east
  if (hours === undefined) return undefined
  const sign = west === undefined ? 1 : -1
  const abbreviation = `${sign < 0 ? '-' : '+'}${hours.padStart(2, '0')}`
  return { name: abbreviation, offsetSeconds: sign * Number(hours) * 3600 }
}

const nanosecondsPerSecond = 1_000_000_000n
const millisecondsPerDay = 86_400_000

/** Of nanoseconds since 1970: those that 64 bits hold, which are the years from 1677 to 2262. */
export function civilOf(nanoseconds: bigint, { offsetSeconds }: Zone): Civil {
  const nanosecond = modulo(nanoseconds, nanosecondsPerSecond)
  const seconds = Number((nanoseconds - nanosecond) / nanosecondsPerSecond)
  const date = new Date((seconds + offsetSeconds) * 1000)
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    nanosecond: Number(nanosecond),
  }
}

/** A date whose month and day may be any: the thirteenth month is January of the next year. */
export interface AnyDate {
  readonly year: bigint
  readonly month: bigint
  readonly day: bigint
}

/** Nanoseconds since 1970; undefined beyond 64 bits. */
export function nanosecondsOf(
  date: AnyDate,
  clock: Pick<Civil, 'hour' | 'minute' | 'second' | 'nanosecond'>,
  { offsetSeconds }: Zone,
): bigint | undefined {
  const days = daysBefore(date.year * 12n + date.month - 1n) + date.day - 1n
  const seconds = clock.hour * 3600 + clock.minute * 60 + clock.second - offsetSeconds
  const all = (days * 86_400n + BigInt(seconds)) * nanosecondsPerSecond + BigInt(clock.nanosecond)
  return isInt64(all) ? all : undefined
}

export function isInt64(n: bigint): boolean {
  return BigInt.asIntN(64, n) === n
}

/** The Gregorian calendar comes again after so many months, and so many days. */
const cycleMonths = 4800n
const cycleDays = 146_097n

/** Days from 1970 to the first day of a month, counted from January of the year 0. */
function daysBefore(months: bigint): bigint {
  const rest = modulo(months, cycleMonths)
  const cycles = (months - rest) / cycleMonths
  return BigInt(Date.UTC(2000, Number(rest)) / millisecondsPerDay) + (cycles - 5n) * cycleDays
}

function modulo(n: bigint, by: bigint): bigint {
  return ((n % by) + by) % by
}

export function daysIn(year: number, month: number): number {
  return Number(daysBefore(BigInt(year * 12 + month)) - daysBefore(BigInt(year * 12 + month - 1)))
}

/** From 1. */
export function dayOfYear({ year, month, day }: Pick<Civil, 'year' | 'month' | 'day'>): number {
  return Number(daysBefore(BigInt(year * 12 + month - 1)) - daysBefore(BigInt(year * 12))) + day
}

export const monthNames: readonly string[] = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]

export const weekdayNames: readonly string[] = [
  'Sunday',
  'Monday',
  'Tuesday',
  'Wednesday',
  'Thursday',
  'Friday',
  'Saturday',
]

export function weekdayOf({ year, month, day }: Civil): string {
  // The first of January 1970 was a Thursday.
  const days = daysBefore(BigInt(year * 12 + month - 1)) + BigInt(day - 1)
  return weekdayNames[Number(modulo(days + 4n, 7n))] ?? ''
}
