import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { takeTurns, type Handshakes } from '../../../src/gateway/door/handshakes.ts'
import { defaultLimits } from '../../../src/gateway/limits.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'

/** A connection without a network: its address is its tenant’s name and a number. */
class Raw extends EventEmitter {
  readonly remoteAddress: string
  readonly remotePort: number
  destroyed = false
  constructor(remoteAddress: string, remotePort: number) {
    super()
    this.remoteAddress = remoteAddress
    this.remotePort = remotePort
  }
  destroy(): void {
    if (this.destroyed) return
    this.destroyed = true
    this.emit('close')
  }
}

interface Stage {
  readonly handshakes: Handshakes
  /** Those whose handshakes have begun, in their order. */
  readonly begun: Raw[]
  come(address: string, times: number): readonly Raw[]
  /** From the same port as another. */
  comeAs(raw: Raw): Raw
  done(raw: Raw): void
}

function openStage(
  more: {
    readonly turnMilliseconds?: number
    readonly waitMilliseconds?: number
    readonly onBegin?: (raw: Raw) => void
  } = {},
): Stage {
  const server = new EventEmitter()
  const begun: Raw[] = []
  server.on('connection', (raw: Raw) => {
    begun.push(raw)
    more.onBegin?.(raw)
  })
  const handshakes = takeTurns(server, {
    ...defaultLimits,
    handshakesMax: 16,
    waitingMax: 1024,
    waitMilliseconds: 10_000,
    turnMilliseconds: 10_000,
    accountOf: (address) => [address.split(' ')[0] ?? '', address, address],
    ...more,
  })
  let port = 0
  return {
    handshakes,
    begun,
    come(address, times) {
      const raws = Array.from({ length: times }, () => new Raw(address, (port += 1)))
      for (const raw of raws) server.emit('connection', raw)
      return raws
    },
    comeAs({ remoteAddress, remotePort }) {
      const raw = new Raw(remoteAddress, remotePort)
      server.emit('connection', raw)
      return raw
    },
    done: (raw) => handshakes.done(raw as unknown as Socket),
  }
}

/** Until none begins any more. */
async function settled({ begun }: Stage): Promise<void> {
  for (let before = -1; before !== begun.length; await nextTurn()) before = begun.length
}

const crowd = Array.from({ length: 20 }, (_, at) => `greedy ${at}`)
const addressesOf = (raws: readonly Raw[]): readonly string[] =>
  raws.map(({ remoteAddress }) => remoteAddress)

describe('handshakes', () => {
  test('one tenant keeps its own others waiting, from however many addresses, and nobody else', async () => {
    requirement('gateway.handshakes-take-turns')
    const stage = openStage()
    for (const address of crowd) stage.come(address, 10)
    await settled(stage)
    assert.equal(stage.begun.length, 7)
    stage.come('other 1', 1)
    await settled(stage)
    assert.deepEqual(addressesOf(stage.begun.slice(7)), ['other 1'])
  })

  test('those who wait take turns by tenant, and then by address', async () => {
    requirement('gateway.handshakes-take-turns')
    const stage = openStage()
    for (const address of crowd) stage.come(address, 10)
    for (const address of crowd) stage.come(address.replace('greedy', 'other'), 1)
    await settled(stage)
    const before = stage.begun.length
    for (const raw of stage.begun.slice()) stage.done(raw)
    await settled(stage)
    for (const raw of stage.begun.slice(before)) stage.done(raw)
    await settled(stage)
    const tenants = new Map<string, number>()
    for (const address of addressesOf(stage.begun.slice(before))) {
      const [tenant = ''] = address.split(' ')
      tenants.set(tenant, (tenants.get(tenant) ?? 0) + 1)
    }
    const [greedy = 0, other = 0] = [tenants.get('greedy'), tenants.get('other')]
    assert.ok(greedy > 0 && greedy <= other + 2, `got=${greedy} of the many, ${other} of the few`)
  })

  test('few begin in one turn of the loop, so that what is open has its own between them', async () => {
    requirement('gateway.handshakes-take-turns')
    const stage = openStage()
    for (const tenant of 'abcdefgh') stage.come(`${tenant} 1`, 1)
    assert.equal(stage.begun.length, 0)
    await nextTurn()
    assert.equal(stage.begun.length, 4)
    await nextTurn()
    assert.equal(stage.begun.length, 8)
  })

  test('one that seats another while it begins makes no second turn of its own', async () => {
    requirement('gateway.handshakes-take-turns')
    const onBegin = ({ remoteAddress }: Raw): void => {
      if (remoteAddress !== 'a 1') return
      for (const tenant of 'bcdefghij') stage.come(`${tenant} 1`, 1)
    }
    const stage = openStage({ onBegin })
    stage.come('a 1', 1)
    await nextTurn()
    assert.equal(stage.begun.length, 1)
    await nextTurn()
    assert.equal(stage.begun.length, 5)
    await nextTurn()
    assert.equal(stage.begun.length, 9)
  })

  test('one that takes long leaves its place, and as many of a party as its share is may go on', async () => {
    requirement('gateway.handshakes-take-turns')
    const stage = openStage({ turnMilliseconds: 50, waitMilliseconds: 600_000 })
    const silent = 'abcdefgh'.split('').flatMap((tenant) => stage.come(`${tenant} 1`, 8))
    await settled(stage)
    const [late] = stage.come('late 1', 1)
    assert.ok(late !== undefined)
    await eventually('the newcomer has its turn', () => stage.begun.includes(late))
    stage.done(late)
    await eventually('the shares of the slow are used up', () =>
      silent.some(({ destroyed }) => destroyed),
    )
    const left = silent.filter((raw) => stage.begun.includes(raw) && !raw.destroyed)
    assert.ok(left.length <= 32, `got=${left.length}`)
    for (const raw of silent) raw.destroy()
    // Whoever was slow has given back its place.
    const again = stage.come('a 1', 1)
    await eventually('there is one for the next', () => stage.begun.includes(again[0] as Raw))
    for (const raw of again) raw.destroy()
  })

  test('who has waited for too long is ended, and what has ended begins nothing', async () => {
    const stage = openStage({ waitMilliseconds: 20 })
    const raws = stage.come('greedy 1', 10)
    await eventually('those without a place are ended', () =>
      raws.some(({ destroyed }) => destroyed),
    )
    await settled(stage)
    assert.deepEqual(
      raws.filter(({ destroyed }) => !destroyed),
      stage.begun,
    )
    for (const raw of stage.begun) stage.done(raw)
    const [leaver, stayer] = [...stage.come('x 1', 1), ...stage.come('y 1', 1)]
    leaver?.destroy()
    await settled(stage)
    assert.equal(stage.begun.includes(leaver as Raw), false)
    assert.equal(stage.begun.includes(stayer as Raw), true)
  })

  test('a port that is used again before its last connection is known to have ended has a place of its own', async () => {
    const stage = openStage()
    const [first] = stage.come('a 1', 1)
    await settled(stage)
    assert.ok(first !== undefined)
    const again = stage.comeAs(first)
    first.destroy()
    await settled(stage)
    assert.deepEqual(stage.begun, [first, again])
    stage.done(again)
    for (let at = 0; at < 100; at += 1) {
      const [next] = stage.come('a 1', 1)
      await settled(stage)
      assert.equal(stage.begun.at(-1), next)
      next?.destroy()
    }
  })

  test('when all closes, those who wait are ended, and those under way are not', async () => {
    const stage = openStage()
    const raws = stage.come('greedy 1', 10)
    await settled(stage)
    stage.handshakes.close()
    assert.deepEqual(
      raws.filter(({ destroyed }) => !destroyed),
      stage.begun,
    )
    for (const raw of raws) raw.destroy()
  })
  test('when all closes, those that have a place and have not begun are ended, and none begins after it', async () => {
    requirement('gateway.handshakes-take-turns')
    const stage = openStage()
    const raws = 'abcdefgh'.split('').flatMap((tenant) => stage.come(`${tenant} 1`, 2))
    await nextTurn()
    const begun = stage.begun.slice()
    assert.equal(begun.length, 4)
    stage.handshakes.close()
    await settled(stage)
    assert.deepEqual(stage.begun, begun)
    assert.deepEqual(
      raws.filter(({ destroyed }) => !destroyed),
      begun,
    )
    for (const raw of raws) raw.destroy()
  })
})
