import { civilOf, dayOfYear, monthNames, weekdayOf } from './instant.ts'
import type { Civil, Zone } from './instant.ts'
import { fractionDigits, isFraction } from './layout.ts'
import type { Part } from './layout.ts'

type Write = (civil: Civil, zone: Zone) => string

/** A moment in a layout. */
export function formatTime(nanoseconds: bigint, zone: Zone, layout: readonly Part[]): string {
  const civil = civilOf(nanoseconds, zone)
  return layout
    .map(({ text, element }) => {
      if (element === undefined) return text
      if (isFraction(element)) return text + fractionOf(civil, element)
      return text + (writers[element]?.(civil, zone) ?? '')
    })
    .join('')
}

function padded(n: number, width: number): string {
  return String(n).padStart(width, '0')
}

const hour12 = ({ hour }: Civil): number => hour % 12 || 12

/** Hours and minutes, or seconds too, east of Greenwich. */
function offset(separator: string, parts: 1 | 2 | 3): Write {
  return (_, { offsetSeconds }) => {
    const seconds = Math.abs(offsetSeconds)
    const all = [Math.trunc(seconds / 3600), Math.trunc(seconds / 60) % 60, seconds % 60]
    const shown = all.slice(0, parts).map((part) => padded(part, 2))
    return `${offsetSeconds < 0 ? '-' : '+'}${shown.join(separator)}`
  }
}

/** Nothing behind nine digits is known. */
function fractionOf({ nanosecond }: Civil, element: string): string {
  const [point = '', kind] = element
  const digits = fractionDigits(element)
  const shown = padded(nanosecond, 9).slice(0, digits)
  if (kind === '0') return point + shown
  const trimmed = shown.replace(/0+$/, '')
  return trimmed === '' ? '' : point + trimmed
}

const offsets: Readonly<Record<string, Write>> = {
  '-07': offset('', 1),
  '-0700': offset('', 2),
  '-07:00': offset(':', 2),
  '-070000': offset('', 3),
  '-07:00:00': offset(':', 3),
}

const writers: Readonly<Record<string, Write>> = {
  '2006': ({ year }) => padded(year, 4),
  '06': ({ year }) => padded(year % 100, 2),
  January: ({ month }) => monthNames[month - 1] ?? '',
  Jan: ({ month }) => (monthNames[month - 1] ?? '').slice(0, 3),
  '1': ({ month }) => String(month),
  '01': ({ month }) => padded(month, 2),
  Monday: (civil) => weekdayOf(civil),
  Mon: (civil) => weekdayOf(civil).slice(0, 3),
  '2': ({ day }) => String(day),
  _2: ({ day }) => String(day).padStart(2),
  '02': ({ day }) => padded(day, 2),
  __2: (civil) => String(dayOfYear(civil)).padStart(3),
  '002': (civil) => padded(dayOfYear(civil), 3),
  '15': ({ hour }) => padded(hour, 2),
  '3': (civil) => String(hour12(civil)),
  '03': (civil) => padded(hour12(civil), 2),
  '4': ({ minute }) => String(minute),
  '04': ({ minute }) => padded(minute, 2),
  '5': ({ second }) => String(second),
  '05': ({ second }) => padded(second, 2),
  PM: ({ hour }) => (hour < 12 ? 'AM' : 'PM'),
  pm: ({ hour }) => (hour < 12 ? 'am' : 'pm'),
  MST: (_, { name }) => name,
  ...offsets,
  // With a Z before it an offset of nothing is nothing else.
  ...Object.fromEntries(
    Object.entries(offsets).map(([element, write]): [string, Write] => [
      element.replace('-', 'Z'),
      (civil, zone) => (zone.offsetSeconds === 0 ? 'Z' : write(civil, zone)),
    ]),
  ),
}
