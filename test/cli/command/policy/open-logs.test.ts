import assert from 'node:assert/strict'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openLogs, type OpenLog } from '../../../../src/cli/command/policy/open-logs.ts'

let folder: string
let log: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-open-logs-'))
  log = join(folder, 'decisions.jsonl')
  for (const [name, text] of [
    [log, 'now'],
    [`${log}.1`, 'before'],
    [`${log}.3`, 'long ago'],
    [`${log}.bak`, 'another'],
  ] as const) {
    await writeFile(name, text)
  }
})

after(() => rm(folder, { recursive: true, force: true }))

async function* noInput(): AsyncGenerator<Buffer> {}

async function textOf({ read }: OpenLog): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of read()) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

test('a log is read with what it was moved to, oldest first, each file once', async () => {
  await using handles = new AsyncDisposableStack()
  const parts = { handles, known: new Set<string>(), stdin: noInput }
  const opened = await openLogs(log, parts)
  // It moves on before anything is read.
  await rename(`${log}.1`, `${log}.2`)
  await rename(log, `${log}.1`)
  await writeFile(log, 'later')
  assert.deepEqual(await Promise.all(opened.map(textOf)), ['long ago', 'before', 'now'])
  const again = await openLogs(log, parts)
  assert.deepEqual(await Promise.all(again.map(textOf)), ['later'])
})

test('a log that is not there is an error that names it', async () => {
  await using handles = new AsyncDisposableStack()
  const parts = { handles, known: new Set<string>(), stdin: noInput }
  await assert.rejects(openLogs(join(folder, 'none'), parts), {
    code: 'policy/replay',
    message: /^log cannot be read, got=".*none"$/,
  })
})

test('- is what comes in', async () => {
  await using handles = new AsyncDisposableStack()
  const [opened] = await openLogs('-', { handles, known: new Set(), stdin: noInput })
  assert.equal(opened?.name, 'standard input')
  assert.equal(opened.read, noInput)
})
