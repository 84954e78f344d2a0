import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { inspect } from 'node:util'
import { createChangeHook, type ChangeHook } from '../../../src/cli/agent/change-hook.ts'
import { CountersignError } from '../../../src/errors.ts'
import { silentLog } from '../../../src/log.ts'
import { eventually } from '../../support/eventually.ts'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'change-hook-'))
})
after(() => rm(folder, { recursive: true, force: true }))

interface World {
  readonly hook: ChangeHook
  readonly failures: unknown[]
  readonly stop: AbortController
}

/** A hook in a shell, whose first argument is a file. */
function hookOf(script: string, file = '', timeoutSeconds = 30): World {
  const failures: unknown[] = []
  const stop = new AbortController()
  const log = {
    ...silentLog,
    error: (fields: object) => {
      failures.push((fields as { error: unknown }).error)
    },
  }
  const command = ['sh', '-c', script, 'sh', file, 'an argument that is a secret']
  const hook = createChangeHook({ command, timeoutSeconds }, { log, signal: stop.signal })
  return { hook, failures, stop }
}

const textOf = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '')

async function isOver(pidFile: string): Promise<void> {
  const pid = Number(await textOf(pidFile))
  assert.ok(pid > 1)
  await eventually('it is over', async () => {
    const stat = await textOf(`/proc/${pid}/stat`)
    return stat === '' || /\) Z /.test(stat)
  })
}

/** It ignores what asks it to end, and so does what it starts. */
const stubborn =
  'trap "" TERM; (trap "" TERM; while :; do sleep 1; done) & echo $! > "$1"; while :; do sleep 1; done'

test('one that does not end is killed in time, with all that it has started', async () => {
  const pid = join(folder, 'late')
  const { hook, failures } = hookOf(stubborn, pid, 1)
  hook.changed()
  await hook.idle()
  const [error] = failures
  assert.ok(error instanceof CountersignError)
  assert.equal(error.code, 'renewal/hook')
  assert.match(error.message, /not ended in time/)
  await isOver(pid)
})

test('one that does not end keeps nobody from stopping', async () => {
  const pid = join(folder, 'stopped')
  const { hook, failures, stop } = hookOf(stubborn, pid)
  hook.changed()
  await eventually('it runs', async () => (await textOf(pid)) !== '')
  stop.abort()
  await hook.idle()
  assert.deepEqual(failures, [])
  await isOver(pid)
})

test('however often something changes meanwhile, it runs once more afterwards, and never twice at once', async () => {
  const file = join(folder, 'runs')
  const { hook } = hookOf(
    'echo begins >> "$1"; while [ ! -e "$1.go" ]; do sleep 0.02; done; echo ends >> "$1"',
    file,
  )
  hook.changed()
  await eventually('it runs', async () => (await textOf(file)) !== '')
  for (let count = 0; count < 5; count += 1) hook.changed()
  assert.equal(await textOf(file), 'begins\n')
  await writeFile(`${file}.go`, '')
  await hook.idle()
  assert.equal(await textOf(file), 'begins\nends\nbegins\nends\n')
  hook.changed()
  await hook.idle()
  assert.equal((await textOf(file)).match(/begins/g)?.length, 3)
})

test('of a failure is told how it ended, and neither what it said nor its arguments', async () => {
  const { hook, failures } = hookOf('echo PRIVATE KEY; echo PRIVATE KEY >&2; exit 7')
  hook.changed()
  await hook.idle()
  const log = { ...silentLog, error: (fields: object) => void failures.push(fields) }
  for (const command of [
    [join(folder, 'none'), 'an argument that is a secret'],
    ['sh', 'an argument that is a secret\0'],
  ]) {
    const { signal } = new AbortController()
    const none = createChangeHook({ command, timeoutSeconds: 1 }, { log, signal })
    none.changed()
    await none.idle()
  }
  const [failed, missing, odd] = failures.map((each) => inspect(each, { depth: 9 }))
  assert.match(failed ?? '', /renewal\/hook/)
  assert.match(failed ?? '', /got=7/)
  assert.match(missing ?? '', /got=ENOENT/)
  assert.match(odd ?? '', /got=ERR_INVALID_ARG_VALUE/)
  for (const text of [failed, missing, odd]) {
    assert.doesNotMatch(text ?? '', /PRIVATE KEY|a secret/)
  }
})
