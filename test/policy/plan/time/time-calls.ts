import { fromJson } from '../../../../src/policy/plan/json.ts'
import { randomOf } from '../random.ts'
import type { Call } from '../random.ts'

/** Calls of the functions on times, made of a seed and always the same of one. */

const instants = [
  '0',
  '1',
  '-1',
  '999999999',
  '1000000000',
  '-1000000001',
  '1709164800000000000',
  '1735689599999999999',
  '1785542400123456789',
  '1785542400123000000',
  '1582934400000000000',
  '951782400000000000',
  '-2208988800000000000',
  '9223372036854775807',
  '-9223372036854775808',
  '9223372036854775808',
  '-9223372036854775809',
  '1e18',
  '1.5',
  '0.5',
  '1.00000000000000000000001',
  '1785542400123456789.01',
  '1785542400123456789.5',
  '9223372036854775807.9',
  '1e400',
]
const zones = [
  '',
  'UTC',
  'Etc/UTC',
  'Zulu',
  'Etc/Universal',
  'UCT',
  'GMT',
  'Etc/GMT',
  'Greenwich',
  'GMT0',
  'Etc/GMT-0',
  'Etc/GMT+5',
  'Etc/GMT-14',
  'Etc/GMT+12',
  'Etc/GMT-9',
  'Etc/GMT+13',
  'Etc/GMT-15',
  '+02:00',
  'utc',
  'Nowhere/City',
]
const named = [
  'ANSIC',
  'UnixDate',
  'RubyDate',
  'RFC822',
  'RFC822Z',
  'RFC850',
  'RFC1123',
  'RFC1123Z',
  'RFC3339',
  'RFC3339Nano',
]
const elements =
  '2006|06|01|1|Jan|January|02|2|_2|__2|002|Mon|Monday|15|03|3|04|4|05|5|PM|pm|MST|Z07:00|Z0700|Z07|Z070000|Z07:00:00|-07:00|-0700|-07|-070000|-07:00:00|.000|,000000|.999999999|,9|.0|.0000000000|.00000000001|_2006|__2006|Month|Mond|Janu|Jans|JanX'.split(
    '|',
  )
const separators = ['-', ' ', '  ', ':', '/', 'T', ', ', '', '', '.', 'é', '0', '7', '_', 'x']
const durations =
  '0|-0|+0|1h|1h30m|-1.5h|300ms|1us|1µs|1μs|2ns|1d|1.5d|-2w|1y|1y2w3d4h5m6s|0.0000000001d|.5s|5.s|.s|1|h|1h-2m|1x|1xd|1..2h|1.2.3d|9223372036854775807ns|9223372036854775808ns|-9223372036854775808ns|9223372036854775808ns9223372036854775808ns|293y|292y|106751d|3000000h|0.1h|0.123456789123456789123s|1e3s|1 h| 1h|1h |1msd|1dms|1dus2w|1µsd|1μsd|١h|00000000000000000000000001h|99999999999999999999999999h|1.0000000000000000000000000000000001h|+1d|--1d|d|-|+'.split(
    '|',
  )

export const timeShapes: Readonly<Record<string, number>> = {
  'time.parse_ns': 2,
  'time.parse_rfc3339_ns': 1,
  'time.parse_duration_ns': 1,
  'time.format': 1,
  'time.date': 1,
  'time.clock': 1,
  'time.weekday': 1,
  'time.add_date': 4,
  'time.diff': 2,
}

export function timeCalls(seed: number, count: number): readonly Call[] {
  const below = randomOf(seed)
  const one = <T>(of: readonly T[]): T => of[below(of.length)] as T
  const text = (value: string): string => JSON.stringify(value)
  const digits = (count: number): string => Array.from({ length: count }, () => below(10)).join('')
  const padded = (n: number, width: number): string => String(n).padStart(width, '0')

  function layout(): string {
    const kind = below(6)
    if (kind === 0) return one(named)
    if (kind < 3) {
      return one([
        '2006-01-02T15:04:05Z07:00',
        '2006-01-02',
        '2006-01-02 15:04:05',
        'Jan _2 15:04:05 2006',
        '02.01.06 3:04PM',
        '2006-002 15:04',
        '2006 __2 03:4:5pm',
        'Monday, 2 January 2006 15:04:05.000 MST',
        '15:04:05,999 02/1/2006 -0700',
      ])
    }
    const parts = Array.from({ length: 1 + below(7) }, () => one(elements) + one(separators))
    return one(['', '2006-1-2 ', '2006 ']) + parts.join('')
  }

  /** What a layout would write of a time, now and then with a fault. */
  function written(of: string): string {
    const values: readonly (readonly [RegExp, string, string])[] = [
      [/2006/, '1970|2024|2026|1900|2262|1678', '1677|2263|0000|9999|20_4'],
      [/January/, 'January|february|MAY', 'Foo'],
      [/Jan/, 'Jan|mar|DEC', 'Foo|Ja'],
      [/Monday/, 'Monday|sunday', 'Mon'],
      [/Mon/, 'Mon|TUE|Fri', 'Foo'],
      [
        /MST/,
        'MST|UTC|CET|CEST|ChST|GMT|GMT+3|GMT-25|+05|WITA|ABCDT|-04|GMTX|+00',
        '+5|ABCDE|ABCDEF|UT|Xyz|+24|+0000000000000000000000000001|GMT+|ABCDTX|',
      ],
      [/(Z|-)07:00:00/, 'Z|+01:02:03|-00:00:01|-00:00:00|+24:60:60', '+25:00:00|+1:00:00|+010203'],
      [/(Z|-)070000/, 'Z|+010203|-000001|+246060', '+246160|01:02:03'],
      [/(Z|-)07:00/, 'Z|+01:00|-09:30|+24:60', '+24:61|+0100|z|+ab:cd|−01:00'],
      [/(Z|-)0700/, 'Z|+0100|-0930', '0100|+01:00'],
      [/(Z|-)07/, 'Z|+01|-09', '+1'],
      [/__2/, '  1| 60|060|365|12', '366|  0|400|   1'],
      [/002/, '001|060|365|061', '366|000|12'],
      [/_2/, ' 1|31|7', ' 0|  7'],
      [/[.,]0+/, '.123|,123|.123456789|.000', '.1|.+5|.-5|.1234567890|.12345678901|.||.-0|.12a'],
      [/[.,]9+/, '.123|,1||.1234567890123', '.|.x'],
      [/0[1-6]/, '01|02|10|11|12|03', '00|13|31|59|60|69|+5|-5|7| 7'],
      [/15/, '00|7|12|23', '24|x'],
      [/PM/, 'AM|PM', 'pm|XM'],
      [/pm/, 'am|pm', 'PM|a'],
      [/[1-5]/, '1|2|10|12|03', '0|13|31|60| 4'],
    ]
    const pattern = new RegExp(
      values.map(([{ source }]) => source.replace('(', '(?:')).join('|'),
      'g',
    )
    const filled = of.replace(pattern, (found) => {
      const [, good = '', faulty = ''] =
        values.find(([{ source }]) => new RegExp(`^(?:${source})$`).test(found)) ?? []
      return one((below(16) === 0 ? faulty : good).split('|'))
    })
    const seconds = below(12) === 0 ? one(['.5', ',123456', ' ', 'x', '.']) : ''
    return filled + seconds
  }

  const timestamp = (): string =>
    `${padded(one([1677, 1678, 1970, 2000, 2024, 2026, 2100, 2262, 2263, 0]), 4)}-${padded(below(14), 2)}-${padded(below(33), 2)}${one(['T', 'T', 'T', 't', ' '])}${padded(below(25), 2)}:${padded(below(61), 2)}:${padded(below(61), 2)}${one(['', '', '.', '.5', ',5', `.${digits(9)}`, `.${digits(12)}`])}${one(['Z', 'Z', 'Z', 'z', '+01:00', '-09:30', '+24:00', '+0100', ''])}`

  const instant = (): string =>
    below(3) === 0 ? one(instants) : `${one(['', '-'])}${1 + below(8)}${digits(below(19))}`

  function moment(): string {
    const kind = below(14)
    if (kind < 4) return instant()
    if (kind < 7) return `[${instant()},${text(one(zones))}]`
    if (kind < 12)
      return `[${instant()},${text(one(zones))},${text(below(8) === 0 ? '' : layout())}]`
    return one([
      '[]',
      `[${instant()}]`,
      '"x"',
      'null',
      '["x"]',
      '[1,2]',
      '[1,null]',
      '[1,"UTC",3]',
      `[${instant()},"UTC","RFC3339",7]`,
      '{}',
      'true',
    ])
  }
  const whole = (): string =>
    one([
      '0',
      '1',
      '-1',
      '12',
      '-13',
      '30',
      '400',
      '-400',
      String(below(100_000)),
      '1.5',
      '10000000000',
      '-120000000000',
      '9223372036854775808',
      '"1"',
    ])

  function call(): string {
    const kind = below(12)
    if (kind < 4) {
      const own = layout()
      const known = named.includes(own) ? '2006-01-02T15:04:05Z07:00' : own
      return `["time.parse_ns",${text(own)},${text(written(known))}]`
    }
    if (kind < 5) return `["time.parse_rfc3339_ns",${text(timestamp())}]`
    if (kind < 6) {
      return `["time.parse_duration_ns",${text(below(3) === 0 ? one(durations) + one(durations) : one(durations))}]`
    }
    if (kind < 8) return `["time.format",${moment()}]`
    if (kind < 9) return `["${one(['time.date', 'time.clock', 'time.weekday'])}",${moment()}]`
    if (kind < 10) return `["time.diff",${moment()},${moment()}]`
    return `["time.add_date",${moment()},${whole()},${whole()},${whole()}]`
  }
  return Array.from({ length: count }, () => fromJson(call()) as unknown as Call)
}

/** Those that are kept with what opa answers. */
export const timeVectorCalls: readonly Call[] = timeCalls(1, 3000)
