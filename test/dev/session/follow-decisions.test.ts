import assert from 'node:assert/strict'
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { followDecisions, type SeenDecision } from '../../../dev/session/follow-decisions.ts'
import { eventually } from '../../support/eventually.ts'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-follow-'))
})

after(() => rm(folder, { recursive: true, force: true }))

const subject = { id: 'spiffe://test.example/ns/acme/sa/researcher' }

test('new decisions are shown as they are written, whole lines only, and old ones are not', async () => {
  const file = join(folder, 'decisions.jsonl')
  await writeFile(file, '{"decision_id":"old"}\n{"decision_id":')
  const seen: SeenDecision[] = []
  const stop = new AbortController()
  const following = await followDecisions(file, (decision) => seen.push(decision), stop.signal)
  const call = JSON.stringify({
    decision_id: 'a',
    input: { subject, action: { name: 'tools/call' }, resource: { id: 'issues_list' } },
    result: { allow: true },
  })
  const list = JSON.stringify({
    decision_id: 'b',
    input: { subject, action: { name: 'tools/list' } },
    result: { count: 5 },
    list: { asked: 5, shown: 2 },
  })
  const refused = JSON.stringify({ decision_id: 'c', result: { allow: 'true' } })
  await appendFile(file, `"older"}\n${call.slice(0, 20)}`)
  await appendFile(file, `${call.slice(20)}\n${list}\n${refused}\n`)
  await eventually('three decisions', () => seen.length === 3)
  stop.abort()
  await following.ended
  assert.deepEqual(seen, [
    {
      decisionId: 'a',
      caller: subject.id,
      method: 'tools/call',
      target: 'issues_list',
      allowed: true,
    },
    {
      decisionId: 'b',
      caller: subject.id,
      method: 'tools/list',
      target: '2 of 5 tools',
      allowed: true,
    },
    { decisionId: 'c', caller: 'unknown caller', method: '', target: '', allowed: false },
  ])
})
