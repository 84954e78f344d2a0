import { calculate } from '../arithmetic.ts'
import type { Meter } from '../meter.ts'
import { fromInteger, integerOf, isNumber, stepsOf } from '../numbers.ts'
import { parseDuration } from '../time/duration.ts'
import { formatTime } from '../time/format.ts'
import { civilOf, daysIn, isInt64, nanosecondsOf, weekdayOf, zoneOf } from '../time/instant.ts'
import type { Civil, Zone } from '../time/instant.ts'
import { parseLayout } from '../time/layout.ts'
import { parseTime } from '../time/parse.ts'
import { isArray } from '../values.ts'
import type { Value } from '../values.ts'
import { isText } from './signature.ts'
import type { Builtin, Builtins, Now } from './signature.ts'

/** A moment, and where the clock hangs that shows it. */
interface Moment {
  readonly nanoseconds: bigint
  readonly zone: Zone
  readonly layout: string
}

/** What it takes to look at a calendar. */
const calendarSteps = 4

type MomentOf = (v: Value | undefined) => Moment | undefined

/** Reads nanoseconds, or a list of these, a zone and a layout. */
function momentsPaidBy(meter: Meter): MomentOf {
  function momentOf(v: Value | undefined): Moment | undefined {
    meter.spend(calendarSteps)
    if (!isArray(v)) return inZone(v, '', '')
    const [n, zone = '', layout = ''] = v
    return isText(zone) && isText(layout) ? inZone(n, zone, layout) : undefined
  }

  function inZone(n: Value | undefined, name: string, layout: string): Moment | undefined {
    const zone = zoneOf(name)
    if (!isNumber(n) || zone === undefined) return undefined
    if (!Number.isSafeInteger(n)) meter.spend(stepsOf(n))
    // OPA reads it with 64 bits: a fraction behind them is none.
    const sum = integerOf(n) === undefined ? calculate('plus', n, 0, meter) : n
    const nanoseconds = sum === undefined ? undefined : integerOf(sum)
    if (nanoseconds === undefined || !isInt64(nanoseconds)) return undefined
    return { nanoseconds, zone, layout }
  }
  return momentOf
}

/** OPA's functions on times. `now` is the time of the decision, and nobody else's: undefined where there is none. */
export function timeBuiltins(meter: Meter, now: Now): Builtins {
  const momentOf = momentsPaidBy(meter)
  /** A text of another layout than it has is looked at, letter by letter, and so is the layout. */
  const spendTexts = (...texts: readonly string[]): void =>
    meter.spend(calendarSteps + (texts.reduce((sum, { length }) => sum + length, 0) >>> 2))

  const shown =
    (show: (civil: Civil) => Value): Builtin =>
    (v) => {
      const moment = momentOf(v)
      return moment && show(civilOf(moment.nanoseconds, moment.zone))
    }

  const parsed = (layout: string, text: string): Value | undefined => {
    spendTexts(layout, text)
    const nanoseconds = parseTime(parseLayout(layout), text)
    return nanoseconds === undefined ? undefined : fromInteger(nanoseconds)
  }

  return {
    'time.now_ns': now,
    'time.parse_ns': (layout, text) =>
      isText(layout) && isText(text) ? parsed(layout, text) : undefined,
    'time.parse_rfc3339_ns': (text) => (isText(text) ? parsed('RFC3339', text) : undefined),
    'time.parse_duration_ns': (text) => {
      if (!isText(text)) return undefined
      spendTexts(text)
      const nanoseconds = parseDuration(text)
      return nanoseconds === undefined ? undefined : fromInteger(nanoseconds)
    },
    'time.format': (v) => {
      const moment = momentOf(v)
      if (moment === undefined) return undefined
      const layout = moment.layout || 'RFC3339Nano'
      spendTexts(layout)
      return formatTime(moment.nanoseconds, moment.zone, parseLayout(layout))
    },
    'time.date': shown(({ year, month, day }) => [year, month, day]),
    'time.clock': shown(({ hour, minute, second }) => [hour, minute, second]),
    'time.weekday': shown(weekdayOf),
    'time.add_date': (v, ...more) => {
      const moment = momentOf(v)
      const [years, months, days] = more.map((each) => wholeOf(each, meter))
      if (moment === undefined) return undefined
      if (years === undefined || months === undefined || days === undefined) return undefined
      const civil = civilOf(moment.nanoseconds, moment.zone)
      const date = {
        year: BigInt(civil.year) + years,
        month: BigInt(civil.month) + months,
        day: BigInt(civil.day) + days,
      }
      const nanoseconds = nanosecondsOf(date, civil, moment.zone)
      return nanoseconds === undefined ? undefined : fromInteger(nanoseconds)
    },
    'time.diff': (a, b) => {
      const [one, other] = [momentOf(a), momentOf(b)]
      return one && other && difference(one, other)
    },
  }
}

function wholeOf(v: Value | undefined, meter: Meter): bigint | undefined {
  if (!isNumber(v)) return undefined
  if (!Number.isSafeInteger(v)) meter.spend(stepsOf(v))
  const n = integerOf(v)
  return n !== undefined && isInt64(n) ? n : undefined
}

/** Years, months, days, hours, minutes and seconds from the one that is earlier to the other, both on the first one's clock. */
function difference(one: Moment, other: Moment): Value {
  const [from, to] = [one, other]
    .map(({ nanoseconds }) => nanoseconds)
    .toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0))
    .map((nanoseconds) => civilOf(nanoseconds, one.zone)) as [Civil, Civil]
  const second = carried(to.second - from.second, 60)
  const minute = carried(to.minute - from.minute - second.borrowed, 60)
  const hour = carried(to.hour - from.hour - minute.borrowed, 24)
  const day = carried(to.day - from.day - hour.borrowed, daysIn(from.year, from.month))
  const month = carried(to.month - from.month - day.borrowed, 12)
  const year = to.year - from.year - month.borrowed
  return [year, month.left, day.left, hour.left, minute.left, second.left]
}

/** What is less than nothing borrows one of the next larger unit. */
function carried(n: number, unit: number): { readonly left: number; readonly borrowed: 0 | 1 } {
  return n < 0 ? { left: n + unit, borrowed: 1 } : { left: n, borrowed: 0 }
}
