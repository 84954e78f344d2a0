import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import {
  keyOfThisStart,
  openHandleKeys,
  type OpenHandleKeys,
} from '../../../src/cli/gateway/handle-keys.ts'
import { CountersignError } from '../../../src/errors.ts'
import { createHandleKey, settleMilliseconds } from '../../../src/gateway/handle/keys.ts'
import { silentLog, type Log } from '../../../src/log.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-handle-keys-'))
})

after(() => rm(folder, { recursive: true, force: true }))

const octetsOf = (each: number): Buffer => Buffer.alloc(32, each)
const idOf = (each: number): string => createHandleKey(octetsOf(each)).id
const ofThisStart = octetsOf(99)

type Keys = Readonly<Record<string, Buffer | string>>

/** A mounted Secret, as kubelet writes it: links into `..data`, and that one is swapped. */
async function mountSecret(
  keys: Keys,
): Promise<{ path: string; swap: (keys: Keys) => Promise<void> }> {
  const path = await mkdtemp(join(folder, 'secret-'))
  let generation = 0
  const swap = async (next: Keys): Promise<void> => {
    generation += 1
    const content = `..${generation}`
    await mkdir(join(path, content))
    for (const [name, octets] of Object.entries(next)) {
      await writeFile(join(path, content, name), octets, { mode: 0o444 })
      await symlink(join('..data', name), join(path, name)).catch(() => {})
    }
    await symlink(content, join(path, '..data_tmp'))
    await rename(join(path, '..data_tmp'), join(path, '..data'))
  }
  await swap(keys)
  return { path, swap }
}

async function openAt(
  path: string,
  now: () => number = () => Date.now() + settleMilliseconds,
): Promise<OpenHandleKeys> {
  return openHandleKeys(
    { handleKeys: path, production: true },
    { ofThisStart, now, log: silentLog },
  )
}

const opens = (keys: OpenHandleKeys, each: number): boolean =>
  keys.current().find(idOf(each)) !== undefined

test('of the keys of a Secret all open, and the last by name seals', async () => {
  const { path } = await mountSecret({ '2026-02-01': octetsOf(2), '2026-01-01': octetsOf(1) })
  await using keys = await openAt(path)
  assert.deepEqual([opens(keys, 1), opens(keys, 2), opens(keys, 3)], [true, true, false])
  assert.equal(keys.current().sealing.id, idOf(2))
  assert.deepEqual(keys.condition(), {
    ok: true,
    reason: `2 keys, ${idOf(2)} seals, ${idOf(1)} opens`,
  })
})

test('a key that comes opens at once and seals later, and one that goes opens nothing any more', async () => {
  requirement('gateway.handle-keys-rotate')
  const { path, swap } = await mountSecret({ a: octetsOf(1) })
  let ahead = 0
  await using keys = await openAt(path, () => Date.now() + ahead)
  assert.equal(keys.current().sealing.id, idOf(1), 'a key that stands alone seals at once')
  await swap({ a: octetsOf(1), b: octetsOf(2) })
  await eventually('the new key is there', () => opens(keys, 2))
  assert.equal(keys.current().sealing.id, idOf(1))
  ahead = settleMilliseconds
  assert.equal(keys.current().sealing.id, idOf(2))
  await swap({ b: octetsOf(2) })
  await eventually('the old key is gone', () => !opens(keys, 1))
  assert.equal(keys.current().sealing.id, idOf(2))
})

test('a start right after a change of the Secret does not seal with what others have not got yet', async () => {
  const { path } = await mountSecret({ a: octetsOf(1), b: octetsOf(2) })
  await using keys = await openAt(path, Date.now)
  assert.equal(keys.current().sealing.id, idOf(1))
})

test('one file is one key', async () => {
  const file = join(folder, 'one.key')
  await writeFile(file, octetsOf(7), { mode: 0o600 })
  await using keys = await openAt(file)
  assert.equal(keys.current().sealing.id, idOf(7))
})

test('a change that is not good leaves what was, and says so', async () => {
  const { path, swap } = await mountSecret({ a: octetsOf(1) })
  await using keys = await openAt(path)
  await swap({ a: octetsOf(1), b: 'short' })
  await eventually('it is told', () => !keys.condition().ok)
  assert.equal(keys.current().sealing.id, idOf(1))
  const told = 'handleKeys: key "b": want=32 octets got=5'
  const reason = `one key, ${idOf(1)} seals; what is there now: ${told}`
  assert.deepEqual(keys.condition(), { ok: false, optional: true, reason })
})

for (const [what, keys, message] of [
  ['no key', {}, 'want=1..16 keys got=0'],
  ['a short key', { a: 'short' }, 'key "a": want=32 octets got=5'],
  ['a key as text', { a: 'ab'.repeat(32) }, 'key "a": want=32 octets got=64'],
  ['one key twice', { a: octetsOf(1), b: octetsOf(1) }, '"a" and "b" are one key'],
  [
    'too many keys',
    Object.fromEntries(Array.from({ length: 17 }, (_, each) => [`k${each}`, octetsOf(each)])),
    'want=1..16 keys got=17',
  ],
] as const) {
  test(`a start with ${what} is refused, and the field is named`, async () => {
    requirement('gateway.handle-keys-checked')
    const { path } = await mountSecret(keys)
    await assert.rejects(openAt(path), refusal(message))
    await assert.rejects(keyOfThisStart({ handleKeys: path, production: false }, silentLog))
  })
}

test('a key that everybody may write is refused', async () => {
  requirement('gateway.handle-keys-checked')
  const path = await mkdtemp(join(folder, 'open-'))
  await writeFile(join(path, 'a'), octetsOf(1))
  await chmod(join(path, 'a'), 0o666)
  const message = 'key "a" can be written by everybody, want=mode 0640 got=0666'
  await assert.rejects(openAt(path), refusal(message))
  await chmod(join(path, 'a'), 0o444)
  await utimes(join(path, 'a'), 1, 1)
  await using keys = await openAt(path)
  assert.equal(keys.current().sealing.id, idOf(1))
})

test('a folder that is not there is refused, and a folder in it', async () => {
  requirement('gateway.handle-keys-checked')
  const none = join(folder, 'none')
  await assert.rejects(openAt(none), refusal(`cannot read "${none}", got=ENOENT`))
  const path = await mkdtemp(join(folder, 'deep-'))
  await mkdir(join(path, 'a'))
  await assert.rejects(openAt(path), refusal('key "a": want=a file'))
})

function refusal(message: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof CountersignError)
    assert.equal(error.code, 'cli/configuration')
    assert.equal(error.message, `handleKeys: ${message}`)
    assert.match(error.hint ?? '', /openssl rand/)
    return true
  }
}

test('a start without keys makes one that no other start has, and says what that means, once', async () => {
  requirement('attack.made-up-authority')
  const lines: string[] = []
  const log: Log = { ...silentLog, warn: (_fields, message) => void lines.push(message) }
  const made = await keyOfThisStart({ handleKeys: undefined, production: false }, log)
  const other = await keyOfThisStart({ handleKeys: undefined, production: false }, silentLog)
  assert.equal(made.length, 32)
  assert.notDeepEqual(made, other)
  const not = 'handles do not outlive this process, and do not work on other replicas'
  assert.deepEqual(lines, [`no keys are configured: ${not}`])
  const options = { ofThisStart: made, now: Date.now, log }
  await using keys = await openHandleKeys({ handleKeys: undefined, production: false }, options)
  assert.equal(keys.current().sealing.id, createHandleKey(made).id)
  assert.equal(lines.length, 1)
})

test('production demands keys', async () => {
  requirement('gateway.handle-keys-checked')
  await assert.rejects(
    keyOfThisStart({ handleKeys: undefined, production: true }, silentLog),
    refusal('required in production'),
  )
})
