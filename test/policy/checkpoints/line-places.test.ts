import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LinePlaces, type PublishedLeaves } from '../../../src/policy/checkpoints/line-places.ts'
import { hashLeaf } from '../../../src/tlog/merkle-tree.ts'
import { requirement } from '../../requirements.ts'

const lines = 2000

function leafOf(text: string): Buffer {
  return hashLeaf(Buffer.from(text))
}

const written = Array.from({ length: lines }, (_, n) => leafOf(`line ${n}`).toString('latin1'))

/** A file of so many lines, all of which were published. */
function published(): { readonly places: LinePlaces; readonly asked: () => number } {
  let asked = 0
  const leaves: Pick<PublishedLeaves, 'at'> = {
    at(index) {
      asked += 1
      assert.ok(asked < 8 * lines, 'asked too often')
      return Promise.resolve(written[index])
    },
  }
  const range = { firstIndex: 0, until: lines }
  return { places: new LinePlaces('log', range, leaves as PublishedLeaves), asked: () => asked }
}

for (const [what, lineAt] of [
  ['every line', (n: number) => `forged ${n}`],
  ['every other line', (n: number) => (n % 2 === 0 ? `forged ${n}` : `line ${n}`)],
] as const) {
  test(`a log of which ${what} is forged costs a look or two for each line, and no thousand`, async () => {
    requirement('policy.log-tampering-shows')
    const { places, asked } = published()
    for (let n = 0; n < lines; n += 1) await places.look(leafOf(lineAt(n)))
    const problems = await places.end()
    assert.deepEqual(problems[0], { place: 'log:1', problem: 'is not the line that was written' })
    assert.ok(asked() < 4 * lines, `asked ${asked()} times`)
  })
}

test('a line is found where it went, also among many that were looked at before', async () => {
  requirement('policy.log-tampering-shows')
  const { places } = published()
  const order = [...Array(lines).keys()].toSpliced(1500, 2, 1501, 1500)
  for (const n of order.toSpliced(10, 1)) await places.look(leafOf(`line ${n}`))
  assert.deepEqual(await places.end(), [
    { place: 'log:11', problem: 'a line is missing here' },
    { place: 'log:1500', problem: 'a line is missing here' },
    { place: 'log:1501', problem: 'is out of its place: it was line 1501' },
  ])
})
