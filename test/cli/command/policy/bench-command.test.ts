import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { archiveOf, shippedFiles } from '../../../policy/archive.ts'
import { linesOf } from '../../../policy/author/logged-events.ts'
import { loadPolicyBundle } from '../../../support/load-policy.ts'
import { runPolicy, type Ended } from './run-policy.ts'

let folder: string
let bundle: string
let log: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-policy-bench-'))
  bundle = join(folder, 'bundle.tar.gz')
  log = join(folder, 'decisions.jsonl')
  await writeFile(bundle, await archiveOf(await shippedFiles()))
  const engine = await loadPolicyBundle({ data: {} })
  const lines = linesOf(engine, [{ tool: 'read' }, { tool: 'write' }])
  await writeFile(log, `${lines.join('\n')}\n`)
})

after(() => rm(folder, { recursive: true, force: true }))

async function bench(...words: readonly string[]): Promise<Ended> {
  return runPolicy('bench', ...words)
}

test('what a decision takes is told, and which rules take it', async () => {
  const words = ['--log', log, '--bundle', bundle, '--rounds', '2'] as const
  const { code, out, err } = await bench(...words)
  assert.deepEqual([code, err], [0, ''])
  assert.match(out, /^2 decisions, 2 times each, of \d+\.\d\d steps\np50 \d+\.\d\d µs, p99 /)
  assert.match(out, /^ +\d+\.\d\d +1\.00 +\d+\.\d\d {2}countersign\/mcp\/decision$/m)
  const json = await bench(...words, '--decisions', '1', '--json')
  const document = JSON.parse(json.out) as { ok: boolean; decisions: number; rules: object[] }
  assert.deepEqual([json.code, document.ok, document.decisions], [0, true, 1])
  assert.deepEqual(Object.keys(document.rules[0] ?? {}), [
    'path',
    'microseconds',
    'evaluations',
    'steps',
  ])
})

test('a log of which nothing can be asked is no success', async () => {
  const empty = join(folder, 'empty.jsonl')
  await writeFile(empty, '')
  const { code, out } = await bench('--log', empty, '--bundle', bundle)
  assert.deepEqual([code, out], [1, 'none of 0 decisions can be asked about again\n'])
})

test('no log, no bundle and no count are wrong usage', async () => {
  for (const words of [
    ['--bundle', bundle],
    ['--log', log],
    ['--log', log, '--bundle', bundle, '--rounds', '0'],
    ['--log', log, '--bundle', bundle, '--decisions', 'all'],
  ]) {
    const { code, err } = await bench(...words)
    assert.equal(code, 2)
    assert.match(err, /^countersign: error: --\w+: want=.*\(cli\/usage\)\nhint: /)
  }
})
