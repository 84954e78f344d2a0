/** A part of a layout: text that stands for itself, and behind it an element, or the end. */
export interface Part {
  readonly text: string
  /** As it is written: `2006` is the year, `.000` a fraction of a second. */
  readonly element: string | undefined
}

/** Layouts that have a name, as OPA knows them. */
const named: Readonly<Record<string, string>> = {
  ANSIC: 'Mon Jan _2 15:04:05 2006',
  UnixDate: 'Mon Jan _2 15:04:05 MST 2006',
  RubyDate: 'Mon Jan 02 15:04:05 -0700 2006',
  RFC822: '02 Jan 06 15:04 MST',
  RFC822Z: '02 Jan 06 15:04 -0700',
  RFC850: 'Monday, 02-Jan-06 15:04:05 MST',
  RFC1123: 'Mon, 02 Jan 2006 15:04:05 MST',
  RFC1123Z: 'Mon, 02 Jan 2006 15:04:05 -0700',
  RFC3339: '2006-01-02T15:04:05Z07:00',
  RFC3339Nano: '2006-01-02T15:04:05.999999999Z07:00',
}

/** Go's elements: parts of the time 2006-01-02T15:04:05-07:00. The first that fits counts. */
const elements = new RegExp(
  [
    'January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|0[1-6]|002|15|1|2006|2|_2006|_2|__2|3|4|5|PM|pm',
    '-070000|-07:00:00|-0700|-07:00|-07|Z070000|Z07:00:00|Z0700|Z07:00|Z07',
    String.raw`[.,]0+(?!\d)|[.,]9+(?!\d)`,
  ].join('|'),
  'g',
)

/** A layout in the manner of Go's package `time`, or the name of one. Nothing is no layout: all of it may be text. */
export function parseLayout(given: string): readonly Part[] {
  const layout = Object.hasOwn(named, given) ? (named[given] ?? '') : given
  const parts: Part[] = []
  let end = 0
  for (const { 0: found, index } of layout.matchAll(elements)) {
    // Before a year of four digits the line is a line.
    const element = found === '_2006' ? '2006' : found
    const begin = index + found.length - element.length
    parts.push({ text: layout.slice(end, begin), element })
    end = index + found.length
  }
  return [...parts, { text: layout.slice(end), element: undefined }]
}

/** How many digits a fraction of a second has; Go keeps twelve bits of that. */
export function fractionDigits(element: string): number {
  return (element.length - 1) & 0xfff
}

export function isFraction(element: string | undefined): element is string {
  return element !== undefined && /^[.,]/.test(element)
}
