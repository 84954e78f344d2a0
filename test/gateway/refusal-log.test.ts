import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { createRefusalLog, type RefusalLog } from '../../src/gateway/refusal-log.ts'
import { requirement } from '../requirements.ts'
import { modern } from './world/client.ts'
import { openWorld } from './world/world.ts'

interface Line {
  readonly message: string
  readonly peer: string | undefined
  readonly check: string
  readonly code: number
  readonly suppressed: number | undefined
}

function record(): { readonly lines: Line[]; readonly log: RefusalLog } {
  const lines: Line[] = []
  const note = (fields: object, message: string): void => {
    lines.push({ ...(fields as Line), message })
  }
  const log = createRefusalLog({
    log: { debug: note, info: note, warn: note, error: note },
  })
  return { lines, log }
}

const refusal = { check: 'policy', code: -31403, peer: 'spiffe://a/ns/b/sa/c', why: 'no' } as const
const seconds = 60_000

function fakeTimers(t: TestContext): void {
  t.mock.timers.enable({ apis: ['setTimeout'] })
}

describe('the log of refusals', () => {
  test('the first of a kind are logged whole, and of the rest one line says how many', (t) => {
    requirement('gateway.refusals-logged-bounded')
    fakeTimers(t)
    const { lines, log } = record()
    for (let count = 0; count < 1000; count += 1) log.note(refusal)
    assert.equal(lines.length, 5)
    assert.deepEqual(lines[0], { ...refusal, message: 'request refused' })
    t.mock.timers.tick(seconds)
    const { check, code, peer } = refusal
    const message = 'refusals suppressed'
    assert.deepEqual(lines.slice(5), [{ check, code, peer, suppressed: 995, message }])
  })

  test('after a minute they are logged again', (t) => {
    fakeTimers(t)
    const { lines, log } = record()
    for (let minute = 0; minute < 3; minute += 1) {
      log.note(refusal)
      t.mock.timers.tick(seconds)
    }
    assert.deepEqual(
      lines.map(({ message }) => message),
      Array.from({ length: 3 }, () => 'request refused'),
    )
  })

  test('nobody’s refusals keep another’s out of the log, and no kind those of another', (t) => {
    fakeTimers(t)
    const { lines, log } = record()
    for (let count = 0; count < 100; count += 1) log.note(refusal)
    log.note({ ...refusal, peer: 'spiffe://a/ns/b/sa/other' })
    log.note({ ...refusal, check: 'peer' })
    log.note({ ...refusal, code: -32600 })
    assert.equal(lines.length, 8)
  })

  test('peers without number are one peer', (t) => {
    requirement('gateway.refusals-logged-bounded')
    fakeTimers(t)
    const { lines, log } = record()
    for (let count = 0; count < 3000; count += 1) log.note({ ...refusal, peer: `peer ${count}` })
    assert.equal(lines.length, 1024 + 5)
    t.mock.timers.tick(seconds)
    assert.equal(lines.at(-1)?.peer, 'many')
    assert.equal(lines.at(-1)?.suppressed, 3000 - 1024 - 5)
  })

  test('what has not been said is said when the gateway closes', async () => {
    requirement('gateway.refusals-logged-bounded')
    const told: string[] = []
    const note = (fields: object, message: string): void => {
      told.push(`${message} ${(fields as Line).suppressed ?? ''}`)
    }
    const world = await openWorld({
      log: { debug: () => {}, info: note, warn: () => {}, error: () => {} },
    })
    const agent = await world.agent()
    const secret = modern('tools/call', { name: 'secret', arguments: {} })
    for (let count = 0; count < 9; count += 1) {
      await agent.post('/mcp/files', secret.body, secret.headers)
    }
    await world[Symbol.asyncDispose]()
    const refusals = told.filter((line) => line.includes('refus'))
    assert.deepEqual(refusals, [
      ...Array.from({ length: 5 }, () => 'request refused '),
      'refusals suppressed 4',
    ])
  })
})
