import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { archiveOf, shippedAs } from '../../../policy/archive.ts'
import { linesOf } from '../../../policy/author/logged-events.ts'
import { requirement } from '../../../requirements.ts'
import { loadPolicyBundle } from '../../../support/load-policy.ts'
import { runPolicy, type Ended } from './run-policy.ts'

let folder: string
let bundle: string
let log: string

const grantsOf = (tools: object): object => ({
  grants: { tenants: { acme: { files: { tools } } } },
})

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-policy-replay-'))
  bundle = join(folder, 'bundle.tar.gz')
  log = join(folder, 'decisions.jsonl')
  await writeFile(bundle, await archiveOf(await shippedAs('candidate')))
  const engine = await loadPolicyBundle({ data: grantsOf({ read: {} }) })
  const lines = linesOf(engine, [{ tool: 'read' }, { tool: 'write' }])
  await writeFile(log, `${lines.join('\n')}\n{"half an ev`)
})

after(() => rm(folder, { recursive: true, force: true }))

async function replay(tools: object, ...words: readonly string[]): Promise<Ended> {
  const data = join(folder, 'data.json')
  await writeFile(data, JSON.stringify(grantsOf(tools)))
  return runPolicy('replay', '--candidate', bundle, '--data', data, ...words)
}

test('a candidate that decides alike ends with 0, and an event that is still being written is told and left alone', async () => {
  const { code, out, err } = await replay({ read: {} }, '--log', log)
  assert.equal(code, 0)
  assert.match(err, /^last line is cut and not read, got=".*decisions\.jsonl:4"\n$/)
  assert.match(
    out,
    /^2 decisions: 2 same, 0 widened, .*; 1 events more hold no decision of rules\n$/,
  )
})

test('a candidate that allows more ends with 1 unless that is wanted', async () => {
  requirement('policy.replay-never-guesses')
  const { code, out } = await replay({ read: {}, write: {} }, '--log', log)
  assert.equal(code, 1)
  assert.match(
    out,
    /^WIDENED 1 × spiffe:\/\/\S+ files:write\n {2}deny \S+ -> allow\n {2}such as d-1\n/,
  )
  const words = ['--log', log, '--allow-widening', '--json']
  const wanted = await replay({ read: {}, write: {} }, ...words)
  assert.equal(wanted.code, 0)
  const { ok, counts } = JSON.parse(wanted.out) as { ok: boolean; counts: { widened: number } }
  assert.deepEqual([ok, counts.widened], [true, 1])
})

test('a log of which nothing can be asked is no success', async () => {
  const empty = join(folder, 'empty.jsonl')
  await writeFile(empty, '')
  assert.equal((await replay({}, '--log', empty)).code, 1)
})

test('a last line that is whole is read, though no end of a line comes after it', async () => {
  const [first = '', second = ''] = (await readFile(log, 'utf8')).split('\n')
  const file = join(folder, 'last.jsonl')
  await writeFile(file, `${first}\n${second}`)
  const { code, out, err } = await replay({ read: {}, write: {} }, '--log', file)
  assert.deepEqual([code, err], [1, ''])
  assert.match(out, /^2 decisions: 1 same, 1 widened/m)
  await writeFile(file, `${first}\n{}`)
  assert.equal((await replay({ read: {} }, '--log', file)).code, 2)
})

test('what a log holds moves no terminal', async () => {
  const moving = '\u001B[2J\u009B\u202Ename\n'
  const engine = await loadPolicyBundle({ data: grantsOf({ read: {} }) })
  const [first = ''] = linesOf(engine, [{ tool: moving }])
  const event = JSON.parse(first) as { result: object }
  const file = join(folder, 'moving.jsonl')
  const result = { ...event.result, allow: true, obligations: [{ id: moving }] }
  await writeFile(file, `${JSON.stringify({ ...event, decision_id: moving, result })}\n`)
  const { out } = await replay({ read: {} }, '--log', file)
  assert.match(out, /^NARROWED 1 × spiffe:\/\/\S+ "files:\\u001b\[2J\\u009b\\u202ename\\n"\n/)
  assert.doesNotMatch(out.replaceAll('\n', ''), /\p{C}/u)
})

test('what is not replayable or was lost is no success unless that is wanted', async () => {
  requirement('policy.replay-never-guesses')
  const whole = await readFile(log, 'utf8')
  const [first = ''] = whole.split('\n')
  const event = JSON.parse(first) as object
  const lost = { decision_id: 'l', path: 'countersign/log/lost', lost: { events: 1000 } }
  const cases = [
    [{ ...event, masked: ['/result/reasons'] }, /, 1 not replayable; 0 events more/],
    [{ ...event, error: { mask: 'policy/fuel' } }, /, 1 not replayable; 0 events more/],
    [lost, /, 0 not replayable; 0 events more .*\n1000 events more were lost by the log/],
  ] as const
  for (const [unknown, want] of cases) {
    const file = join(folder, 'unknown.jsonl')
    await writeFile(file, `${first}\n${JSON.stringify(unknown)}\n`)
    const { code, out } = await replay({ read: {} }, '--log', file)
    assert.equal(code, 1)
    assert.match(out, want)
  }
  const words = ['--log', join(folder, 'unknown.jsonl'), '--allow-unknown'] as const
  assert.equal((await replay({ read: {} }, ...words)).code, 0)
  assert.equal((await replay({ read: {}, write: {} }, ...words, '--log', log)).code, 1)
})

test('a line that is no event is told with its file and its number', async () => {
  const broken = join(folder, 'broken.jsonl')
  for (const line of ['not JSON', '{"a":1}']) {
    await writeFile(broken, `\n${line}\n`)
    const { code, err } = await replay({}, '--log', broken)
    assert.equal(code, 2)
    assert.match(
      err,
      /line is no event of a decision log, got=".*broken\.jsonl:2".*\(policy\/replay\)/,
    )
  }
})

test('without a log, a candidate or a file that is there it is wrong usage', async () => {
  assert.equal((await replay({})).code, 2)
  assert.equal((await replay({}, '--log', join(folder, 'absent'))).code, 2)
})
