/** The file at its path: what is renamed, removed or out of reach while the log is open. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { openEventFile } from '../../src/policy/event-file.ts'
import type { EventFile } from '../../src/policy/event-file.ts'
import { silentLog } from '../../src/log.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'

interface Opened extends AsyncDisposable {
  readonly path: string
  readonly file: EventFile
  /** Lets the clock go on, without a look. */
  readonly wait: (milliseconds: number) => void
  /** Lets a second pass, and the path be looked at. */
  readonly look: () => void
}

async function open(isMoved?: () => Promise<boolean>): Promise<Opened> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-events-'))
  const path = join(folder, 'log', 'decisions.jsonl')
  await mkdir(dirname(path))
  let elapsed = 0
  let due = (): void => {}
  const file = await openEventFile({
    file: path,
    bufferOctetsMax: 1000,
    log: silentLog,
    elapsed: () => elapsed,
    looking: () => new Promise<void>((resolve) => (due = resolve)),
    ...(isMoved === undefined ? {} : { isMoved }),
  })
  return {
    path,
    file,
    wait: (milliseconds) => void (elapsed += milliseconds),
    look() {
      elapsed += 1000
      due()
    },
    async [Symbol.asyncDispose]() {
      await file[Symbol.asyncDispose]()
      await rm(folder, { recursive: true })
    },
  }
}

const movings: readonly (readonly [string, (path: string) => Promise<unknown>, string?])[] = [
  ['renamed', (path) => rename(path, `${path}.1`), '.1'],
  ['removed', (path) => rm(path)],
  [
    'moved with its folder, and another folder is in its place',
    async (path) => {
      await rename(dirname(path), `${dirname(path)}.old`)
      await mkdir(dirname(path))
    },
  ],
]

for (const [what, moveAway, old] of movings) {
  test(`a log that was ${what} is opened anew at its path with the next line, a second later`, async () => {
    requirement('policy.log-follows-its-path')
    await using opened = await open()
    const { file, path, wait } = opened
    file.append('one')
    await file.flush()
    await moveAway(path)
    wait(999)
    file.append('two')
    await file.flush()
    wait(1)
    file.append('three')
    await file.flush()
    assert.equal(await readFile(path, 'utf8'), 'three\n')
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    if (old !== undefined) assert.equal(await readFile(`${path}${old}`, 'utf8'), 'one\ntwo\n')
  })

  test(`a log that was ${what} is there again within a second, though nothing is decided`, async () => {
    requirement('policy.log-follows-its-path')
    await using opened = await open()
    const { path, look } = opened
    await moveAway(path)
    await eventually('a new file', async () => {
      look()
      return (await stat(path).catch(() => undefined)) !== undefined
    })
    assert.equal(await readFile(path, 'utf8'), '')
    assert.equal((await stat(path)).mode & 0o777, 0o600)
  })
}

test('a log whose place is gone is not available, though nothing is decided, until the place is there', async () => {
  requirement('policy.log-follows-its-path')
  await using opened = await open()
  const { file, path, look } = opened
  await rm(dirname(path), { recursive: true })
  await eventually('it is noticed', () => {
    look()
    return !file.available
  })
  file.append('one')
  await mkdir(dirname(path))
  await file.flush()
  assert.equal(file.available, true)
  assert.equal(await readFile(path, 'utf8'), 'one\n')
})

test('a path that may not be looked at any more is no place for decisions', async () => {
  requirement('policy.log-follows-its-path')
  let refused = true
  await using opened = await open(async () => {
    if (refused) throw new Error('EACCES: permission denied')
    return false
  })
  const { file, look } = opened
  await eventually('it is noticed', () => {
    look()
    return !file.available
  })
  file.append('one')
  await assert.rejects(file.flush(), { code: 'policy/log' })
  refused = false
  await file.flush()
  assert.equal(await readFile(opened.path, 'utf8'), 'one\n')
})
