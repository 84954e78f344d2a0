import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { run } from '../../../dev/session/program.ts'
import type { ExitCode } from '../../../src/cli/terminal.ts'
import { acquireLock } from '../../../src/ledger/lock.ts'

async function dev(...argv: string[]): Promise<{ code: ExitCode; out: string; err: string }> {
  const seen = { out: '', err: '' }
  const code = await run(argv, {
    out: (text) => void (seen.out += text),
    err: (text) => void (seen.err += text),
    signal: new AbortController().signal,
  })
  return { code, ...seen }
}

test('--help has an example and exits 0', async () => {
  const { code, out } = await dev('--help')
  assert.equal(code, 0)
  assert.match(out, /Examples:\n {2}npm run dev /)
})

const misused: readonly [readonly string[], RegExp][] = [
  [['--twice'], /unknown option '--twice'/],
  [['extra'], /too many arguments/],
  [['--once', '--dir', '/proc/nope'], /--dir cannot be used: "\/proc\/nope": ENOENT/],
  [['--once', '--dir', '/none/of/these'], /--dir cannot be used: "\/none\/of\/these": ENOENT/],
  [['--once', '--dir', '/proc'], /--dir cannot be used: "\/proc": ENOENT/],
  [['--once', '--dir', import.meta.filename], /--dir cannot be used: .*want=a folder got=a file/],
  [['--once', '--dir', ''], /--dir cannot be used: "": want=a path got=nothing/],
  [
    ['--once', '--policy', '/none/of/these'],
    /--policy cannot be read: "\/none\/of\/these": ENOENT/,
  ],
  [
    ['--once', '--policy-config', 'a', '--policy', 'b'],
    /want=--policy or --policy-config, not both/,
  ],
  [['--once', '--upstream', ''], /--upstream: want=a URL or a command got=nothing/],
  [['--once', '--upstream', 'no-such-program'], /--upstream: "no-such-program" cannot be started/],
]

for (const [argv, message] of misused) {
  test(`dev ${argv.join(' ')} is a usage error: exit 2, and says why`, async () => {
    const { code, err } = await dev(...argv)
    assert.equal(code, 2)
    assert.match(err, message)
    // One line, and one that says what to do.
    assert.match(err, /^countersign: error: .*\(cli\/usage\)\nhint: .*\n$/)
  })
}

test('a second dev session in a folder writes nothing there, and says that another one runs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-dev-twice-'))
  const lock = await acquireLock(join(folder, 'dev.lock'), { now: Date.now })
  try {
    const before = await readdir(folder)
    const { code, err } = await dev('--once', '--dir', folder)
    assert.equal(code, 2)
    assert.match(err, /another countersign dev runs in .*\(cli\/usage\)\nhint: /)
    const written = (await readdir(folder)).filter((name) => !before.includes(name))
    assert.deepEqual(written, ['countersign.log'])
  } finally {
    await lock.release()
    await rm(folder, { recursive: true, force: true })
  }
})
