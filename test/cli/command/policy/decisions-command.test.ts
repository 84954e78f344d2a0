import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import {
  runDecisions,
  type DecisionsOptions,
} from '../../../../src/cli/command/policy/decisions-command.ts'
import { run } from '../../../../src/cli/program.ts'
import { Refused } from '../../../../src/cli/run-program.ts'
import type { Terminal } from '../../../../src/cli/terminal.ts'
import { linesOf } from '../../../policy/author/logged-events.ts'
import { loadPolicyBundle } from '../../../support/load-policy.ts'

let folder: string
let log: string
let lines: readonly string[]

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-decisions-'))
  log = join(folder, 'decisions.jsonl')
  const data = { grants: { tenants: { acme: { files: { tools: { read: {} } } } } } }
  const engine = await loadPolicyBundle({ data })
  const calls = [{ tool: 'read' }, { tool: 'write' }, { tool: '\u001B[2J\u009B\u202Ename\n' }]
  lines = linesOf(engine, calls)
  await writeFile(log, `${lines.slice(2).join('\n')}\n`)
  await writeFile(`${log}.1`, `${lines.slice(0, 2).join('\n')}\n`)
})

after(() => rm(folder, { recursive: true, force: true }))

interface Said {
  out: string
  err: string
}

function terminalOf(said: Said, signal = new AbortController().signal): Terminal {
  return {
    out: (text) => void (said.out += text),
    err: (text) => void (said.err += text),
    signal,
  }
}

async function decisions(...words: readonly string[]): Promise<Said & { readonly code: number }> {
  const said = { out: '', err: '' }
  const code = await run(['decisions', ...words], terminalOf(said))
  return { code, ...said }
}

/** What comes in on standard input, as these chunks. */
async function searchIn(chunks: readonly string[], options: DecisionsOptions = {}): Promise<Said> {
  const said = { out: '', err: '' }
  async function* stdin(): AsyncGenerator<Buffer> {
    for (const chunk of chunks) yield Buffer.from(chunk)
  }
  await runDecisions({ log: ['-'], ...options }, terminalOf(said), stdin)
  return said
}

test('decisions are told a line each, oldest first, and nothing in them moves a terminal', async () => {
  const { code, out, err } = await decisions('--log', log)
  assert.deepEqual([code, err], [0, ''])
  const time = '2026-11-22T09:00:00.000000000Z'
  const who = 'spiffe://example.test/ns/research/sa/reader'
  const [first, second, third, list, end] = out.split('\n')
  assert.equal(first, `${time} allow ${who} tools/call files:read - d-0`)
  assert.equal(second, `${time} deny  ${who} tools/call files:write not-granted d-1`)
  assert.match(third ?? '', /^\S+ deny {2}\S+ tools\/call "files:[ -~]*name\\n" [ -~]* d-2$/)
  assert.equal(list, `${time} list  ${who} tools/list - - d-list`)
  assert.equal(end, '')
})

test('--json gives the lines as they stand', async () => {
  const { code, out } = await decisions('--log', log, '--tool', 'files:write', '--json')
  assert.deepEqual([code, out], [0, `${lines[1]}\n`])
})

test('what no decision is ends with 1, and says so', async () => {
  const { code, out, err } = await decisions('--log', log, '--id', 'd-9')
  assert.deepEqual([code, out], [1, ''])
  assert.equal(err, 'countersign: no decision of the log is what was asked for\n')
})

test('a search ends after as many as are wanted', async () => {
  const { code, out, err } = await decisions('--log', log, '--outcome', 'deny', '--limit', '1')
  assert.deepEqual([code, err], [0, 'there may be more than 1\n'])
  assert.match(out, /^[^\n]* d-1\n$/)
})

test('an identity is its SPIFFE ID, or namespace and service account', async () => {
  for (const identity of ['spiffe://example.test/ns/research/sa/reader', 'research/reader']) {
    const { code } = await decisions('--log', log, '--identity', identity, '--id', 'd-0')
    assert.equal(code, 0)
  }
  assert.equal((await decisions('--log', log, '--identity', 'acme/reader')).code, 1)
})

const wrong: readonly (readonly [readonly string[], RegExp])[] = [
  [['--outcome', 'maybe'], /--outcome: want=allow or deny got="maybe"/],
  [['--identity', 'reader'], /--identity: want=SPIFFE ID or .* got="reader"/],
  [['--since', 'yesterday'], /--since: want=RFC 3339 time.* got="yesterday"/],
  [['--until', '2026-13-01T00:00:00Z'], /--until: want=RFC 3339 time/],
  [['--limit', '0'], /--limit: want=1..999999999 got="0"/],
]
for (const [words, message] of wrong) {
  test(`${words.join(' ')} is an error of usage`, async () => {
    const { code, out, err } = await decisions('--log', log, ...words)
    assert.deepEqual([code, out], [2, ''])
    assert.match(err, message)
  })
}

test('without a log, or with one that is none, it ends with 2 and the place', async () => {
  assert.equal((await decisions()).code, 2)
  const bad = join(folder, 'bad.jsonl')
  await writeFile(bad, `${lines[0]}\n{"not":"an event"}\n`)
  const { code, out, err } = await decisions('--log', bad)
  assert.equal(code, 2)
  assert.match(out, / d-0\n$/)
  assert.match(err, /line is no event of a decision log, got=".*bad\.jsonl:2"/)
})

test('what comes in is searched as a file is, however it is cut', async () => {
  const text = `${lines.join('\n')}\n`
  const chunks = [...text.matchAll(/[^]{1,100}/g)].map(String)
  assert.equal((await searchIn(chunks, { json: true })).out, text)
  await assert.rejects(searchIn(['{}\n']), { message: /got="standard input:1"$/ })
  const { err } = await searchIn([`${lines[0]}\n`, '{"decision_id'])
  assert.equal(err, 'last line is cut and not read, got="standard input:2"\n')
})

test('a line that does not end is given up', async () => {
  const endless = Array.from({ length: 17 }, () => ' '.repeat(1024 * 1024))
  await assert.rejects(searchIn(endless), { message: /^line of a decision log is too long/ })
})

test('what is not shown and what was lost is said', async () => {
  const event = JSON.parse(lines[0] ?? '') as object
  const masked = JSON.stringify({ ...event, masked: ['/input/resource/id'] })
  const lost = JSON.stringify({
    decision_id: 'd',
    path: 'countersign/log/lost',
    lost: { events: 3 },
  })
  const { err } = await searchIn([lines[0] ?? '', '\n', masked, '\n', lost, '\n'], { tool: 'read' })
  assert.match(err, /^1 events do not show whether they are what was asked for\n3 events were lost/)
})

test('whoever has enough is told no more', async () => {
  const stop = new AbortController()
  const said = { out: '', err: '' }
  const terminal = terminalOf(said, stop.signal)
  const out = (text: string): void => {
    said.out += text
    stop.abort()
  }
  await assert.rejects(runDecisions({ log: [log] }, { ...terminal, out }), Refused)
  assert.match(said.out, /^[^\n]* d-0\n$/)
})
