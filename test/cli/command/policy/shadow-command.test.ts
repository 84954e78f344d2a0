import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { run } from '../../../../src/cli/program.ts'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-policy-shadow-'))
})

after(() => rm(folder, { recursive: true, force: true }))

const narrowed = {
  of: 'd-1',
  change: 'narrowed',
  rule: 'ticket-missing',
  from: 'allow',
  to: 'deny ticket-missing',
  subject: 'spiffe://x/a',
  resource: 'github:issues_create',
  candidate: { revision: 'two', digest: 'ab' },
}

const widened = { ...narrowed, change: 'widened', from: 'deny not-granted', to: 'allow' }

function told(shadow: object): object {
  return { decision_id: 'n', path: 'countersign/shadow/difference', shadow }
}

interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function shadow(events: readonly object[], ...words: readonly string[]): Promise<Ended> {
  const log = join(folder, 'decisions.jsonl')
  await writeFile(log, events.map((event) => `${JSON.stringify(event)}\n`).join(''))
  const said = { out: '', err: '' }
  const code = await run(['policy', 'shadow', '--log', log, ...words], {
    out: (text) => void (said.out += text),
    err: (text) => void (said.err += text),
    signal: new AbortController().signal,
  })
  return { code, ...said }
}

const decision = { decision_id: 'd-1', path: 'countersign/mcp/decision', input: {} }

test('what a candidate decides otherwise is told in groups, and ends with 0 where nothing widens', async () => {
  const { code, out } = await shadow([decision, told(narrowed), told({ ...narrowed, of: 'd-2' })])
  assert.equal(code, 0)
  assert.equal(
    out,
    'NARROWED 2 × spiffe://x/a github:issues_create\n  allow -> deny ticket-missing\n  such as d-1\n1 ways in which a candidate decides otherwise\n',
  )
})

test('a candidate that allows more, or fails, ends with 1 unless that is wanted', async () => {
  for (const change of ['widened', 'errors']) {
    const events = [told(narrowed), told({ ...widened, change })]
    assert.equal((await shadow(events)).code, 1)
    assert.equal((await shadow(events, '--allow-widening')).code, 0)
    const one = await shadow(events, '--revision', 'three', '--json')
    assert.equal(one.code, 0)
    assert.deepEqual(JSON.parse(one.out), { version: 1, ok: true, groups: [], ungrouped: 0 })
  }
})

test('names of a log move no terminal, and memory does not grow with it', async () => {
  const loud = await shadow([told({ ...narrowed, resource: 'a\u001b[2J', change: 'x\u001b' })])
  assert.ok(!loud.out.includes('\u001b'))
  const many = Array.from({ length: 1100 }, (_, index) =>
    told({ ...narrowed, resource: `github:t${index}` }),
  )
  const { code, out } = await shadow(many, '--json')
  const document = JSON.parse(out) as { groups: unknown[]; ungrouped: number }
  assert.deepEqual([document.groups.length, document.ungrouped], [1000, 100])
  assert.equal(code, 1)
})

test('a line that is no event, and no log, are wrong usage', async () => {
  const { code, err } = await shadow([{ a: 1 }])
  assert.equal(code, 2)
  assert.match(err, /line is no event of a decision log, got=".*decisions\.jsonl:1"/)
})
