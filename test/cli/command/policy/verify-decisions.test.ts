import assert from 'node:assert/strict'
import { appendFile, copyFile, readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { run } from '../../../../src/cli/program.ts'
import { openFolder, openSignedLog, verifierKey } from '../../../policy/checkpoints/signed-log.ts'
import { requirement } from '../../../requirements.ts'

async function verify(
  ...words: readonly string[]
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const said = { out: '', err: '' }
  const code = await run(['decisions', 'verify', ...words], {
    out: (text) => void (said.out += text),
    err: (text) => void (said.err += text),
    signal: new AbortController().signal,
  })
  return { code, ...said }
}

async function writeLog(file: string): Promise<void> {
  await using log = await openSignedLog(file)
  await log.write(60)
}

test('exits 0 for a log as it was written, and says what it has read', async () => {
  await using place = await openFolder()
  await writeLog(place.file)
  const { code, out } = await verify(place.file, '--key', verifierKey)
  assert.equal(code, 0)
  assert.match(out, /: 62 lines, root [0-9a-f]{64}\n/)
  assert.match(out, /decisions\.jsonl\.1: \d+ lines from 0 on\n/)
  assert.match(out, /example\.test\/decisions\/gateway-0, 62 lines, signed\n/)
  assert.match(out, /nothing was changed or cut, as far as these say\n$/)
  const unsigned = await verify(place.file)
  assert.match(unsigned.out, /62 lines, signature not checked: no --key\n/)
})

test('exits 1 with the file and line that was changed, for people and for programs', async () => {
  requirement('policy.log-tampering-shows')
  await using place = await openFolder()
  await writeLog(place.file)
  const path = `${place.file}.1`
  await writeFile(path, (await readFile(path, 'utf8')).replace('xx', 'xy'))
  const { code, out } = await verify(place.file, '--key', verifierKey)
  assert.equal(code, 1)
  assert.ok(out.includes(`  PROBLEM at ${path}:2: is not the line that was written\n`))
  const told = await verify(place.file, '--json', '--key', verifierKey)
  assert.equal(told.code, 1)
  const { version, log } = JSON.parse(told.out) as {
    readonly version: number
    readonly log: { readonly problems: readonly object[] }
  }
  const problem = { place: `${path}:2`, problem: 'is not the line that was written' }
  assert.deepEqual([version, log.problems], [1, [problem]])
})

test('holds a log against a checkpoint that was kept, and says what no checkpoint covers', async () => {
  await using place = await openFolder()
  await writeLog(place.file)
  const kept = `${place.folder}/kept`
  await copyFile(`${place.file}.log/checkpoint`, kept)
  await appendFile(place.file, '{"path":"later"}\n{"pa')
  const { code, out } = await verify(place.file, '--key', verifierKey, '--checkpoint', kept)
  assert.equal(code, 0)
  assert.match(out, /  1 lines are covered by no checkpoint yet\n  4 octets of a write that is/)
  const none = await verify(place.file, '--checkpoint', `${place.folder}/none`)
  assert.equal(none.code, 1)
  assert.match(none.out, /PROBLEM at .*none: checkpoint is not read: got=ENOENT\n/)
})

test('exits 2 for a key that is none, and for a log without checkpoints', async () => {
  await using place = await openFolder()
  await writeFile(place.file, '{"path":"test"}\n')
  const without = await verify(place.file)
  assert.equal(without.code, 2)
  assert.match(without.err, /decision log has no checkpoints/)
  assert.match(without.err, /hint: decisionLog\.checkpoints/)
  assert.equal((await verify(place.file, '--key', 'none')).code, 2)
})
