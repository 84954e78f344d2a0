import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { runPolicy, type Ended } from './run-policy.ts'

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
  candidate: { revision: 'two', digest: 'ab' },
}

const widened = { ...narrowed, change: 'widened', from: 'deny not-granted', to: 'allow' }

function told(shadow: object): object {
  return { decision_id: 'n', path: 'countersign/shadow/difference', shadow }
}

async function shadow(events: readonly object[], ...words: readonly string[]): Promise<Ended> {
  const log = join(folder, 'decisions.jsonl')
  await writeFile(log, events.map((event) => `${JSON.stringify(event)}\n`).join(''))
  return runPolicy('shadow', '--log', log, ...words)
}

function decided(id: string, resource: object = { id: 'issues_create' }): object {
  const input = { resource: { properties: { server: 'github' }, ...resource } }
  const path = 'countersign/mcp/decision'
  return { decision_id: id, path, requested_by: 'spiffe://x/a', input }
}

function extent(shadow: object): object {
  const told = { candidate: narrowed.candidate, ...shadow }
  return { decision_id: 'n', path: 'countersign/shadow/extent', shadow: told }
}

test('what a candidate decides otherwise is told in groups, and ends with 0 where nothing widens', async () => {
  const { code, out } = await shadow([
    decided('d-1'),
    told(narrowed),
    told({ ...narrowed, of: 'd-2' }),
    decided('d-2'),
  ])
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
  }
})

test('a candidate of which the log tells nothing ends with 1, and one that decides alike with 0', async () => {
  const events = [told(narrowed), extent({ asked: 40 })]
  const other = await shadow(events, '--revision', 'three', '--json', '--allow-widening')
  assert.equal(other.code, 1)
  const nothing = { version: 1, ok: false, asked: 0, groups: [], ungrouped: 0, untold: [] }
  assert.deepEqual(JSON.parse(other.out), nothing)
  assert.equal((await shadow([decided('d-1')])).code, 1)
  assert.equal((await shadow([extent({ asked: 40 })])).code, 0)
})

test('where more is not told it ends with 1', async () => {
  const { code, out } = await shadow([told(narrowed), extent({ untold: 'widened' })])
  assert.equal(code, 1)
  assert.match(out, /more is widened than was told/)
})

test('who asked and for what is told as the event of the decision shows it', async () => {
  const masked = await shadow([told(narrowed), decided('d-1', { id: '**REDACTED**' })])
  assert.match(masked.out, /spiffe:\/\/x\/a github:\*\*REDACTED\*\*\n/)
  assert.match((await shadow([told(narrowed)])).out, /not-shown not-shown/)
})

test('names of a log move no terminal, and memory does not grow with it', async () => {
  const loud = await shadow([
    decided('d-1', { id: 'a\u001b[2J' }),
    told({ ...narrowed, change: 'x\u001b' }),
  ])
  assert.ok(!loud.out.includes('\u001b'))
  const many = Array.from({ length: 1100 }, (_, index) => [
    decided(`d-${index}`, { id: `t${index}` }),
    told({ ...narrowed, of: `d-${index}` }),
  ]).flat()
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
