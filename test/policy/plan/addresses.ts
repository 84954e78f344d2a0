/** Spellings of addresses and of ranges, good and odd, and the calls in which each of them is asked about. */

export type Call = readonly [
  name: 'net.cidr_contains' | 'net.cidr_intersects',
  one: string,
  other: string,
]

const v4 = ['10.0.0.1', '10.0.0.0', '0.0.0.0', '0.0.0.1', '192.0.2.7', '255.255.255.255']

const mapped = [
  '::ffff:10.0.0.1',
  '::FFFF:10.0.0.1',
  '::ffff:a00:1',
  '0:0:0:0:0:ffff:10.0.0.1',
  '0::ffff:a00:0',
  '::ffff:0:0',
  '::ffff:0.0.0.0',
  '::ffff:255.255.255.255',
  '0000:0000:0000:0000:0000:ffff:0a00:0001',
]

const v6 = [
  '::',
  '::1',
  '::10.0.0.1',
  '::a00:0',
  '::fffe:0:0',
  '::ffff:0:0:0',
  '64:ff9b::10.0.0.1',
  '2001:db8::1',
  '2001:DB8:0::0:1',
  '1:2:3:4:5:6:7::',
  '::2:3:4:5:6:7:8',
  '1:2:3:4:5:6:1.2.3.4',
  'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
]

/** What is no address, or is one for some readers only. */
const odd = [
  '',
  ' 10.0.0.1',
  '10.0.0.1 ',
  '10.0.0.1\n',
  '10.0.0.1\0',
  '10.0.0',
  '10.0.0.',
  '.10.0.0.1',
  '10..0.1',
  '10.0.0.1.2',
  '10.0.0.256',
  '10.0.0.01',
  '010.0.0.1',
  '10.0.0.00',
  '0x0a.0.0.1',
  '+10.0.0.1',
  '-1.0.0.1',
  '167772161',
  '10.1',
  '１0.0.0.1',
  '10。0.0.1',
  '::ffff:10.0.0.01',
  '::ffff:10.0.0',
  '::ffff:10.0.0.256',
  '::ffff:10.0.0.1.1',
  '::10.0.0.1:1',
  '10.0.0.1::',
  '1:2:3:4:5:6:7:1.2.3.4',
  '1:2:3:4:5:1.2.3.4',
  '1:2:3:4:5:6::1.2.3.4',
  '::1%lo',
  '::1%',
  '::ffff:10.0.0.1%1',
  '10.0.0.1%lo',
  'fe80::1%eth0',
  ':',
  ':::',
  ':1',
  '1:',
  '1::2::3',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '1:2:3:4:5:6:7:8::',
  '::1:2:3:4:5:6:7:8',
  '1:2:3:4::5:6:7:8',
  '1::00001',
  '1::fffff',
  '::g',
  '::+1',
  '::0x1',
  '[::1]',
  '::1]',
  'localhost',
]

const lengthsOf4 = [
  '0',
  '00',
  '7',
  '8',
  '08',
  '008',
  '00000000000000000000000000000008',
  '24',
  '31',
  '32',
  '032',
  '33',
  '128',
]
const lengthsOf6 = ['0', '8', '90', '95', '96', '096', '97', '104', '127', '128', '0128', '129']
const oddLengths = [
  '',
  ' 8',
  '8 ',
  '+8',
  '-1',
  '-0',
  '8.0',
  '8e0',
  '0x8',
  '8/8',
  '/8',
  '８',
  '255.0.0.0',
  '16777216',
  '99999999999999999999',
  '8\n',
]

export const spellings: readonly string[] = [
  ...v4,
  ...mapped,
  ...v6,
  ...odd,
  ...v4.flatMap((address) => lengthsOf4.map((length) => `${address}/${length}`)),
  ...[...mapped, ...v6].flatMap((address) => lengthsOf6.map((length) => `${address}/${length}`)),
  ...odd.flatMap((address) => [`${address}/8`, `${address}/128`]),
  ...oddLengths.flatMap((length) => [`10.0.0.0/${length}`, `::ffff:10.0.0.0/${length}`]),
]

const ranges = [
  '10.0.0.0/8',
  '10.0.0.1/08',
  '0.0.0.0/0',
  '0.0.0.0/8',
  '::ffff:10.0.0.0/104',
  '::ffff:0:0/96',
  '::ffff:0:0/95',
  '::/0',
  '::/96',
  '2001:db8::/32',
]

export function callsAbout(spelling: string): readonly Call[] {
  return [
    ...['10.0.0.1', '::ffff:10.0.0.1', spelling].map((address): Call => [
      'net.cidr_contains',
      spelling,
      address,
    ]),
    ...ranges.flatMap((range): readonly Call[] => [
      ['net.cidr_contains', range, spelling],
      ['net.cidr_intersects', range, spelling],
      ['net.cidr_intersects', spelling, range],
    ]),
  ]
}

/** The answers in one text: yes, no, or none. */
export function textOfAnswers(answers: readonly unknown[]): string {
  return answers
    .map((answer) => (answer === undefined ? '-' : answer === true ? 'y' : 'n'))
    .join('')
}
