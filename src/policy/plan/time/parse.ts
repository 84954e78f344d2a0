import { daysIn, monthNames, nanosecondsOf, weekdayNames, utc } from './instant.ts'
import { fractionDigits, isFraction } from './layout.ts'
import type { Part } from './layout.ts'

/** What was read so far. */
interface Fields {
  year: number
  month?: number
  day?: number
  dayOfYear?: number
  hour: number
  minute: number
  second: number
  nanosecond: number
  isMorning: boolean
  isEvening: boolean
  isUtc: boolean
  offsetSeconds: number
}

/** Reads an element from where a text begins, and gives what is behind it; undefined where it does not stand there. */
type Read = (text: string, fields: Fields, next: string | undefined) => string | undefined

/**
 * The nanoseconds since 1970 of a text in a layout, as Go's package `time` reads it on a machine whose clock shows UTC; undefined of one that
 * is in another layout, is no time, or is beyond 64 bits.
 */
export function parseTime(layout: readonly Part[], given: string): bigint | undefined {
  const fields: Fields = {
    year: 0,
    hour: 0,
    minute: 0,
    second: 0,
    nanosecond: 0,
    isMorning: false,
    isEvening: false,
    isUtc: false,
    offsetSeconds: 0,
  }
  let text: string | undefined = given
  for (const [at, part] of layout.entries()) {
    text = behindText(text, part.text)
    const { element } = part
    if (text === undefined || element === undefined) break
    const read = isFraction(element) ? fraction(element) : readers[element]
    text = read?.(text, fields, layout[at + 1]?.element)
    if (text === undefined) break
  }
  return text === '' ? momentOf(fields) : undefined
}

/** Spaces are as one another, however many there are. */
function behindText(text: string, wanted: string): string | undefined {
  let [at, rest] = [0, 0]
  while (at < wanted.length) {
    if (wanted[at] === ' ') {
      if (rest < text.length && text[rest] !== ' ') return undefined
      while (wanted[at] === ' ') at += 1
      while (text[rest] === ' ') rest += 1
      continue
    }
    if (text[rest] !== wanted[at]) return undefined
    at += 1
    rest += 1
  }
  return text.slice(rest)
}

function momentOf(fields: Fields): bigint | undefined {
  const { year, isMorning, isEvening, offsetSeconds, isUtc } = fields
  let { hour } = fields
  if (isEvening && hour < 12) hour += 12
  else if (isMorning && hour === 12) hour = 0
  const date = dateOf(fields)
  if (date === undefined || date.day < 1 || date.day > daysIn(year, date.month)) return undefined
  // Go has -1 stand for no offset at all.
  const zone = { ...utc, offsetSeconds: isUtc || offsetSeconds === -1 ? 0 : offsetSeconds }
  const [month, day] = [BigInt(date.month), BigInt(date.day)]
  return nanosecondsOf({ year: BigInt(year), month, day }, { ...fields, hour }, zone)
}

/** A day of the year says the month and the day, and may not say others than they do themselves. */
function dateOf({
  year,
  month,
  day,
  dayOfYear,
}: Fields): { readonly month: number; readonly day: number } | undefined {
  if (dayOfYear === undefined) return { month: month ?? 1, day: day ?? 1 }
  let [ownMonth, ownDay] = [1, dayOfYear]
  while (ownMonth < 12 && ownDay > daysIn(year, ownMonth)) {
    ownDay -= daysIn(year, ownMonth)
    ownMonth += 1
  }
  if ((month ?? ownMonth) !== ownMonth || (day ?? ownDay) !== ownDay) return undefined
  return { month: ownMonth, day: ownDay }
}

/** A number in its form, and within its range. */
function number(form: RegExp, [min, max]: readonly [number, number], name: keyof Fields): Read {
  return (text, fields) => {
    const [found] = form.exec(text) ?? []
    const value = Number(found)
    // Written so that no NaN passes.
    if (found === undefined || !(value >= min && value <= max)) return undefined
    Object.assign(fields, { [name]: value })
    return text.slice(found.length)
  }
}

const oneOrTwo = /^\d\d?/
const two = /^\d\d/
const anyNumber = [0, 99] as const

/** The number of a name among names, in any case. */
function named(
  names: readonly string[],
  length: number,
): (text: string) => readonly [number, string] | undefined {
  const known = names.map((name) => name.slice(0, length).toLowerCase())
  return (text) => {
    const at = known.findIndex((name) => text.slice(0, name.length).toLowerCase() === name)
    return at < 0 ? undefined : [at, text.slice(known[at]?.length)]
  }
}

function monthIn(length: number): Read {
  const find = named(monthNames, length)
  return (text, fields) => {
    const found = find(text)
    if (found === undefined) return undefined
    fields.month = found[0] + 1
    return found[1]
  }
}

/** Which day of the week it is, nobody asks. */
function weekdayIn(length: number): Read {
  const find = named(weekdayNames, length)
  return (text) => find(text)?.[1]
}

/** A fraction that the layout does not have may stand behind a second. */
function secondIn(form: RegExp): Read {
  const whole = number(form, [0, 59], 'second')
  return (text, fields, next) => {
    const rest = whole(text, fields, next)
    if (rest === undefined || isFraction(next)) return rest
    const [found] = /^[.,]\d+/.exec(rest) ?? []
    return found === undefined ? rest : readFraction(rest, found.length, fields)
  }
}

function fraction(element: string): Read {
  return (text, fields) => {
    if (element[1] === '0') return readFraction(text, 1 + fractionDigits(element), fields)
    const [found] = /^[.,]\d+/.exec(text) ?? []
    return found === undefined ? text : readFraction(text, found.length, fields)
  }
}

/** Go reads a sign among the digits, and looks at no more than nine of them. */
const fractionForm = /^[.,]([+-]?\d*)$/

function readFraction(text: string, length: number, fields: Fields): string | undefined {
  if (text.length < length) return undefined
  const looked = text.slice(0, Math.min(length, 10))
  const [, digits] = fractionForm.exec(looked) ?? []
  if (digits === undefined) return undefined
  const value = /\d/.test(digits) ? Number(digits) : 0
  if (value < 0) return undefined
  fields.nanosecond = value * 10 ** (10 - looked.length)
  return text.slice(length)
}

function halfIn(morning: string, evening: string): Read {
  return (text, fields) => {
    const word = text.slice(0, 2)
    if (word === morning) fields.isMorning = true
    else if (word === evening) fields.isEvening = true
    else return undefined
    return text.slice(2)
  }
}

function offset(form: RegExp): Read {
  return (text, fields) => {
    const [found, sign, ...parts] = form.exec(text) ?? []
    if (found === undefined) return undefined
    const [hours = 0, minutes = 0, seconds = 0] = parts.map(Number)
    if (hours > 24 || minutes > 60 || seconds > 60) return undefined
    fields.offsetSeconds = ((hours * 60 + minutes) * 60 + seconds) * (sign === '-' ? -1 : 1)
    return text.slice(found.length)
  }
}

const offsets: Readonly<Record<string, Read>> = {
  '-07': offset(/^([+-])(\d\d)/),
  '-0700': offset(/^([+-])(\d\d)(\d\d)/),
  '-07:00': offset(/^([+-])(\d\d):(\d\d)/),
  '-070000': offset(/^([+-])(\d\d)(\d\d)(\d\d)/),
  '-07:00:00': offset(/^([+-])(\d\d):(\d\d):(\d\d)/),
}

/** An abbreviation says nothing of an offset, not even GMT+3 does: it has to look like one, that is all. */
const abbreviation =
  /^(?=[^]{3})(?:ChST|MeST|GMT(?:[+-]0*(?:1?\d|2[0-3])(?!\d))?|[+-]0*(?:1?\d|2[0-3])(?!\d)|(?!GMT)(?:[A-Z]{4}T(?![A-Z])|(?:[A-Z]{3}T|WITA)(?![A-Z])|[A-Z]{3}(?![A-Z])))/

const readers: Readonly<Record<string, Read>> = {
  '2006': number(/^\d{4}/, [0, 9999], 'year'),
  '06': (text, fields) => {
    const [found] = /^[+\-\d]\d/.exec(text) ?? []
    if (found === undefined) return undefined
    fields.year = Number(found) + (Number(found) >= 69 ? 1900 : 2000)
    return text.slice(2)
  },
  January: monthIn(Infinity),
  Jan: monthIn(3),
  '1': number(oneOrTwo, [1, 12], 'month'),
  '01': number(two, [1, 12], 'month'),
  Monday: weekdayIn(Infinity),
  Mon: weekdayIn(3),
  '2': number(oneOrTwo, anyNumber, 'day'),
  _2: (text, ...more) => readers['2']?.(text.replace(/^ /, ''), ...more),
  '02': number(two, anyNumber, 'day'),
  __2: (text, ...more) => readers['ordinal']?.(text.replace(/^ {1,2}/, ''), ...more),
  '002': number(/^\d{3}/, [1, 366], 'dayOfYear'),
  ordinal: number(/^\d{1,3}/, [1, 366], 'dayOfYear'),
  '15': number(oneOrTwo, [0, 23], 'hour'),
  '3': number(oneOrTwo, [0, 12], 'hour'),
  '03': number(two, [0, 12], 'hour'),
  '4': number(oneOrTwo, [0, 59], 'minute'),
  '04': number(two, [0, 59], 'minute'),
  '5': secondIn(oneOrTwo),
  '05': secondIn(two),
  PM: halfIn('AM', 'PM'),
  pm: halfIn('am', 'pm'),
  MST: (text, fields) => {
    if (text.startsWith('UTC')) {
      fields.isUtc = true
      return text.slice(3)
    }
    const [found] = abbreviation.exec(text) ?? []
    return found === undefined ? undefined : text.slice(found.length)
  },
  ...offsets,
  ...Object.fromEntries(
    Object.entries(offsets).map(([element, read]): [string, Read] => [
      element.replace('-', 'Z'),
      (text, fields, next) => {
        if (!text.startsWith('Z')) return read(text, fields, next)
        fields.isUtc = true
        return text.slice(1)
      },
    ]),
  ),
}
