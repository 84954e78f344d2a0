import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { endianness } from 'node:os'
import { test } from 'node:test'
import { parseListening, readListening } from '../../src/guard/listening.ts'

const isLittle = endianness() === 'LE'

/** A line as this machine writes it, from an address in network order. */
function line(address: string, port: number, state = '0A'): string {
  const words = address.match(/.{8}/g) ?? []
  const written = isLittle
    ? words.map((word) => (word.match(/../g) ?? []).toReversed().join('')).join('')
    : address
  const local = `${written}:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return `   0: ${local} ${'0'.repeat(address.length)}:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 1\n`
}

const loopback = { onLoopback: true, elsewhere: false }
const nothing = { onLoopback: false, elsewhere: false }
const exposed = { onLoopback: false, elsewhere: true }

for (const [what, text, wanted] of [
  ['127.0.0.1', line('7F000001', 8000), loopback],
  ['no address', '', nothing],
  ['another port', line('00000000', 8001), nothing],
  ['a connection, and nothing that listens', line('0A000007', 8000, '01'), nothing],
  ['0.0.0.0', line('00000000', 8000), exposed],
  ["the pod's own address", line('0A000007', 8000), exposed],
  ['an address that has 127 in another place', line('0100007F', 8000), exposed],
  ['::', line('0'.repeat(32), 8000), exposed],
  ['::1 alone, where nothing is sent', line(`${'0'.repeat(31)}1`, 8000), nothing],
  ['::ffff:127.0.0.1', line('00000000000000000000FFFF7F000001', 8000), nothing],
  ['::ffff:10.0.0.7', line('00000000000000000000FFFF0A000007', 8000), exposed],
  ['an address of IPv6 that begins like loopback', line(`7F${'0'.repeat(30)}`, 8000), exposed],
] as const) {
  test(`a port that is bound to ${what} is seen as that`, () => {
    assert.deepEqual(parseListening(text, 8000), wanted)
  })
}

test('loopback and another address beside it is seen as both', () => {
  const text = line('7F000001', 8000) + line('0A000007', 8000)
  assert.deepEqual(parseListening(text, 8000), { onLoopback: true, elsewhere: true })
})

for (const [host, wanted] of [
  ['127.0.0.1', loopback],
  ['0.0.0.0', exposed],
  ['::', exposed],
] as const) {
  test(`a real listener on ${host} is found in the tables of this machine`, async (t) => {
    const server = createServer().listen(0, host)
    t.after(() => server.close())
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    assert.deepEqual(await readListening(port), wanted)
  })
}
