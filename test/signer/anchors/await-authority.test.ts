import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CountersignError } from '../../../src/errors.ts'
import { silentLog } from '../../../src/log.ts'
import { staticAuthoritySource } from '../../../src/pki/authority.ts'
import { awaitAuthority } from '../../../src/signer/anchors/await-authority.ts'
import { authorityCondition } from '../../../src/signer/anchors/authority-condition.ts'
import { eventually } from '../../support/eventually.ts'
import { createTestAuthority } from '../../support/test-authority.ts'

const missing = new CountersignError('pki/authority', 'secret a/b: not found', {
  hint: 'the chart makes it',
})

test('an authority that cannot be opened yet says why and what to do, and is there when it can', async () => {
  const { authority } = createTestAuthority()
  let there = false
  let waits = 0
  let go = (): void => {}
  const delay = (_milliseconds: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      waits += 1
      go = resolve
      signal.addEventListener('abort', () => resolve())
    })
  const open = async (): Promise<ReturnType<typeof staticAuthoritySource>> => {
    if (!there) throw missing
    return staticAuthoritySource(authority)
  }
  await using source = awaitAuthority(open, { log: silentLog, delay })
  let changes = 0
  source.onChange(() => (changes += 1))
  await eventually('a failure', () => waits === 1)
  assert.throws(() => source.current(), { code: 'pki/authority-unavailable' })
  assert.deepEqual(authorityCondition(source, Date.now()), {
    name: 'authority',
    ok: false,
    reason: 'secret a/b: not found. the chart makes it',
  })
  there = true
  go()
  await eventually('told', () => changes === 1)
  assert.equal(source.current(), authority)
  assert.match(
    authorityCondition(source, Date.now()).reason,
    /^signs until .*, when its path ends$/,
  )
})

test('a defect is no reason to wait, and harms nobody else', async () => {
  const errors: unknown[] = []
  const log = { ...silentLog, error: (fields: object) => void errors.push(fields) }
  await using source = awaitAuthority(() => Promise.reject(new TypeError('a defect')), { log })
  await eventually('logged', () => errors.length === 1)
  assert.throws(() => source.current(), { message: 'authority cannot be read' })
})
