import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Definition } from '../../../src/gateway/catalogue/definition.ts'
import { parseDefinition } from '../../../src/gateway/catalogue/definition.ts'
import { createPages, type Pages } from '../../../src/gateway/catalogue/pages.ts'
import type { Account } from '../../../src/shares.ts'
import { createTurns } from '../../../src/gateway/turns.ts'
import type { OctetRoom } from '../../../src/shares.ts'
import type { Soon } from '../../../src/gateway/soon.ts'
import { passList } from '../../../src/mcp/listed.ts'
import { requirement } from '../../requirements.ts'
import { boundless, roomFor } from '../world/room.ts'

interface Stage {
  readonly pages: Pages
  /** Definitions that were read, in all. */
  readonly counted: { read: number }
  /** Lets the next turn of the loop come; false where nobody waits for it. */
  turn(): Promise<boolean>
}

function open(room: OctetRoom = boundless): Stage {
  const counted = { read: 0 }
  const queue: (() => void)[] = []
  const pages = createPages({
    read({ octets, values }, compared) {
      counted.read += 1
      const definition = parseDefinition(octets, { values, compared })
      return typeof definition === 'string' ? undefined : definition
    },
    complain: () => {},
    turns: createTurns((next) => queue.push(next)),
    room,
  })
  return {
    pages,
    counted,
    async turn() {
      const next = queue.shift()
      next?.()
      await new Promise((resolve) => setImmediate(resolve))
      return next !== undefined
    },
  }
}

const acme: Account = ['acme', 'research', 'agent']

function read(
  { pages }: Stage,
  text: string,
  account: Account = acme,
): Soon<readonly Definition[]> {
  const octets = Buffer.from(text)
  const recognizer = pages.recognizer()
  const room = { left: 1_000_000 }
  const list = passList(octets, 0, { room, elementsMax: 10_000, recognizer })
  assert.ok(typeof list !== 'number')
  return pages.read(octets, list, account)
}

const toolOf = (name: string, more = ''): string =>
  `{"name":"${name}","description":"${'a'.repeat(1000)}${more}"}`
const listOf = (more = ''): string =>
  `[${Array.from({ length: 100 }, (_, at) => toolOf(`t${at}`, more)).join(',')}]`

test('a list that is new is read in pieces, one in a turn of the loop, and other lists have theirs between', async () => {
  requirement('gateway.lists-take-turns')
  const stage = open()
  const [one, other] = [read(stage, listOf('1')), read(stage, listOf('2'))]
  await new Promise((resolve) => setImmediate(resolve))
  const pieces: number[] = []
  let before = 0
  do {
    pieces.push(stage.counted.read - before)
    before = stage.counted.read
  } while (await stage.turn())
  assert.ok(Math.max(...pieces) < 40, pieces.join(' '))
  assert.equal(stage.counted.read, 200)
  assert.equal((await one).length, 100)
  assert.equal((await other).length, 100)
})

test('a list that several are given at once is read once', async () => {
  const stage = open()
  const all = [1, 2, 3].map(async () => read(stage, listOf()))
  while (await stage.turn());
  const [first, ...more] = await Promise.all(all)
  for (const each of more) assert.equal(each, first)
  assert.equal(stage.counted.read, 100)
})

/** How many turns of the loop it takes until something is there. */
async function turnsUntil(stage: Stage, soon: Soon<unknown>): Promise<number> {
  const told = { isThere: false }
  void Promise.resolve(soon).then(() => (told.isThere = true))
  let turns = 0
  while (!told.isThere && (await stage.turn())) turns += 1
  return turns
}

test('many lists of one identity keep those of another waiting for a piece at a time, and so do many of one tenant', async () => {
  requirement('gateway.lists-take-turns')
  for (const other of [
    ['acme', 'research', 'other'],
    ['acme', 'sales', 'agent'],
    ['globex', 'research', 'agent'],
  ] as const) {
    const stage = open()
    const many = Array.from({ length: 50 }, (_, at) => read(stage, listOf(`many ${at}`)))
    const one = read(stage, listOf('one'), other)
    const turns = await turnsUntil(stage, one)
    assert.ok(turns < 20, `got=${turns}`)
    while (await stage.turn());
    await Promise.all([...many, one])
  }
})

test('nobody waits for a list in the line of another tenant that is given the same', async () => {
  requirement('gateway.lists-take-turns')
  const stage = open()
  const many = Array.from({ length: 50 }, (_, at) => read(stage, listOf(`many ${at}`)))
  const same = read(stage, listOf('same'))
  const one = read(stage, listOf('same'), ['globex', 'a', 'b'])
  const turns = await turnsUntil(stage, one)
  assert.ok(turns < 20, `got=${turns}`)
  while (await stage.turn());
  await Promise.all([...many, same, one])
})

test('of a list that has changed only that is read which has', async () => {
  const stage = open()
  const first = read(stage, listOf())
  while (await stage.turn());
  const known = await first
  const texts = Array.from({ length: 100 }, (_, at) => toolOf(`t${at}`))
  for (const [changed, readAnew] of [
    [texts, 0],
    [texts.with(50, toolOf('t50', 'new')), 1],
    [texts.with(0, toolOf('t0', 'new')), 1],
    [texts.toSpliced(30, 1), 0],
    [texts.toSpliced(30, 0, toolOf('more')), 1],
    [texts.toSpliced(99, 1), 0],
    [[...texts, toolOf('last')], 1],
  ] as const) {
    const before = stage.counted.read
    const reading = read(stage, `[${changed.join(', ')}]`)
    while (await stage.turn());
    const definitions = await reading
    assert.equal(stage.counted.read - before, readAnew)
    const same = definitions.filter((definition) => known.includes(definition)).length
    assert.equal(same, changed.length - readAnew)
    // What is compared with is the first list again.
    await read(stage, listOf())
  }
})

test('a list that is no longer known when it is read is read all the same', async () => {
  const stage = open()
  const reading = read(stage, listOf())
  while (await stage.turn());
  await reading
  const octets = Buffer.from(listOf())
  const room = { left: 1_000_000 }
  const recognizer = stage.pages.recognizer()
  const list = passList(octets, 0, { room, elementsMax: 10_000, recognizer })
  assert.ok(typeof list !== 'number')
  assert.equal(list.elements, 'known')
  for (let at = 0; at < 8; at += 1) {
    const other = read(stage, `[${toolOf(`other${at}`)}]`)
    while (await stage.turn());
    await other
  }
  const again = stage.pages.read(octets, list, acme)
  while (await stage.turn());
  assert.equal((await again).length, 100)
})

test('what is kept of lists takes room, and a list for which there is none is read each time', async () => {
  requirement('gateway.catalogues-bounded')
  const one = `[${toolOf('a')}]`
  const room = roomFor(2 * one.length)
  const stage = open(room)
  await read(stage, one)
  assert.equal(room.left, 0)
  const other = `[${toolOf('b')}]`
  for (const times of [2, 3]) {
    await stage.turn()
    await read(stage, other)
    assert.equal(stage.counted.read, times)
  }
  const wide = roomFor(1_000_000)
  const next = open(wide)
  for (let at = 0; at < 20; at += 1) {
    await next.turn()
    await read(next, `[${toolOf(`t${at % 10}`)}]`)
  }
  assert.equal(wide.left, 1_000_000 - 8 * 2 * `[${toolOf('t0')}]`.length)
})
