import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { constants } from 'node:fs'
import { copyFile, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as after } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { verifyLog, type LogFindings } from '../../../src/policy/checkpoints/verify-log.ts'
import { requirement } from '../../requirements.ts'
import { openFolder, openSignedLog, signer } from './signed-log.ts'

function verify(file: string, kept: readonly string[] = []): Promise<LogFindings> {
  return verifyLog(file, { log: signer, witnesses: [], kept })
}

async function linesOf(path: string): Promise<string[]> {
  return (await readFile(path, 'utf8')).split('\n').slice(0, -1)
}

async function change(path: string, how: (lines: string[]) => string[]): Promise<void> {
  const lines = how(await linesOf(path))
  await writeFile(path, lines.map((line) => `${line}\n`).join(''))
}

/** Three files of some forty lines. */
async function writeLog(file: string): Promise<void> {
  await using log = await openSignedLog(file)
  await log.write(110)
}

test('a log of several files is what its checkpoint says, whatever its files are called and packed with', async () => {
  requirement('policy.log-tampering-shows')
  await using place = await openFolder()
  await writeLog(place.file)
  const whole = await verify(place.file)
  assert.deepEqual(whole.problems, [])
  assert.equal(whole.segments.length, 3)
  assert.equal(whole.size, 110 + whole.segments.length)
  assert.deepEqual([whole.unsignedLines, whole.removedBefore], [0, 0])
  await rename(`${place.file}.2`, `${place.file}-20261201`)
  await writeFile(`${place.file}-20261201.gz`, gzipSync(await readFile(`${place.file}-20261201`)))
  await rm(`${place.file}-20261201`)
  const renamed = await verify(place.file)
  assert.deepEqual([renamed.problems, renamed.rootHash], [[], whole.rootHash])
})

const tamperings: Readonly<
  Record<
    string,
    readonly [how: (lines: string[]) => string[], line: number, problem: RegExp, more?: RegExp]
  >
> = {
  changed: [
    (lines) => lines.with(4, lines[4]?.replace('x', 'y') ?? ''),
    5,
    /^is not the line that was written$/,
  ],
  'taken out': [(lines) => lines.toSpliced(4, 2), 5, /^2 lines are missing here$/],
  'put in': [(lines) => lines.toSpliced(4, 0, '{"path":"forged"}'), 5, /^was put in$/],
  'cut off the end': [(lines) => lines.slice(0, 10), 11, /lines are missing here$/],
  'written to the end': [
    (lines) => [...lines, '{"path":"forged"}'],
    0,
    /^1 lines from here on are none that were signed$/,
  ],
  moved: [
    (lines) => lines.toSpliced(4, 2, lines[5] ?? '', lines[4] ?? ''),
    5,
    /^a line is missing here$/,
    /^is out of its place: it was line 5$/,
  ],
}

for (const [what, [how, line, problem, more]] of Object.entries(tamperings)) {
  test(`a line that was ${what} is told with its file and line`, async () => {
    requirement('policy.log-tampering-shows')
    await using place = await openFolder()
    await writeLog(place.file)
    const path = `${place.file}.1`
    const last = (await linesOf(path)).length
    await change(path, how)
    const { problems } = await verify(place.file)
    assert.equal(problems[0]?.place, `${path}:${line === 0 ? last + 1 : line}`)
    assert.match(problems[0]?.problem ?? '', problem)
    if (more !== undefined) assert.match(problems[1]?.problem ?? '', more)
  })
}

test('the file that is written to is no exception, nor is a tile that was changed with its line', async () => {
  requirement('policy.log-tampering-shows')
  await using place = await openFolder()
  await writeLog(place.file)
  await change(place.file, (lines) => lines.with(2, '{"path":"forged"}'))
  const { problems } = await verify(place.file)
  assert.equal(problems[0]?.place, `${place.file}:3`)
  await rm(`${place.file}.log/tile`, { recursive: true })
  const without = await verify(place.file)
  assert.equal(without.problems[0]?.place, `${place.file}:1`)
  assert.match(without.problems[1]?.problem ?? '', /lines are not those of this checkpoint/)
  await change(place.file, (lines) => lines.slice(0, 2))
  const cut = await verify(place.file)
  assert.equal(cut.problems[0]?.place, `${place.file}:3`)
  assert.match(cut.problems[0]?.problem ?? '', /lines are missing here$/)
})

test('a file that is missing is told, and one that rotation wrote over is not', async () => {
  requirement('policy.log-tampering-shows')
  await using place = await openFolder()
  {
    await using log = await openSignedLog(place.file)
    await log.write(400)
  }
  const whole = await verify(place.file)
  assert.deepEqual([whole.problems, whole.segments.length], [[], 4])
  assert.ok(whole.removedBefore > 0)
  for (const gone of [`${place.file}.1`, `${place.file}.2`, place.file]) {
    await copyFile(gone, `${place.folder}/copy`)
    await rm(gone)
    const { problems } = await verify(place.file)
    assert.match(problems[0]?.problem ?? '', /is missing$|lines are missing/, gone)
    await rename(`${place.folder}/copy`, gone)
  }
  assert.deepEqual((await verify(place.file)).problems, [])
})

test('a log that was written anew, or cut with its checkpoint, is not the one of a checkpoint that was kept', async () => {
  requirement('policy.log-tampering-shows')
  await using place = await openFolder()
  const kept = `${place.folder}/kept`
  await writeLog(place.file)
  await copyFile(`${place.file}.log/checkpoint`, kept)
  assert.deepEqual((await verify(place.file, [kept])).problems, [])
  for (const path of [`${place.file}.log`, `${place.file}.1`, `${place.file}.2`, place.file]) {
    await rm(path, { recursive: true })
  }
  await writeLog(place.file)
  assert.deepEqual((await verify(place.file)).problems, [])
  const { problems } = await verify(place.file, [kept])
  assert.match(problems.at(-1)?.problem ?? '', /^the first \d+ lines are not those of this checkp/)
})

test('a checkpoint of another key is none, and a log without any is not verified', async () => {
  await using place = await openFolder()
  await writeFile(place.file, '{"path":"old"}\n')
  await assert.rejects(verify(place.file), { code: 'policy/replay', message: /has no checkpoints/ })
  await writeLog(place.file)
  const file = `${place.file}.log/checkpoint`
  const text = await readFile(file, 'utf8')
  await writeFile(file, text.replace('gateway-0', 'gateway-1'))
  assert.match(
    (await verify(place.file)).problems[0]?.problem ?? '',
    /signature of .* is not its own/,
  )
  await writeFile(file, text)
  const { problems, notCovered } = await verify(place.file)
  assert.deepEqual([problems, notCovered], [[], [`${place.file}.3`]])
})

for (const [what, inFolder, expected] of [
  ['the checkpoint', 'checkpoint', [/^checkpoint is not read: got=not a regular file$/]],
  ['a tile', 'tile/0', []],
] as const) {
  test(`a pipe in the place of ${what} is none, and is not waited for`, async () => {
    requirement('policy.log-tampering-shows')
    await using place = await openFolder()
    await writeLog(place.file)
    const at = join(`${place.file}.log`, inFolder)
    const files = await readdir(at, { recursive: true }).catch(() => [''])
    const pipe = join(at, files.toSorted().at(-1) ?? '')
    await rm(pipe)
    assert.equal(spawnSync('mkfifo', [pipe]).status, 0)
    // Somebody writes to it, and says nothing.
    const writer = await open(pipe, constants.O_RDWR)
    const found = await Promise.race([verify(place.file), after(10_000, undefined, { ref: false })])
    await writer.close()
    const problems = found?.problems.map(({ problem }) => problem) ?? ['it waits']
    assert.equal(problems.length, expected.length)
    for (const [n, each] of expected.entries()) assert.match(problems[n] ?? '', each)
  })
}
