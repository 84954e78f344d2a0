import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collectAnswer, type CollectOptions } from '../../../src/gateway/upstream/collect.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { fakeUpstream } from '../world/fake-upstream.ts'

const text = '{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","tools":[]}}'

function collect(takeTurn?: CollectOptions['takeTurn']): ReturnType<typeof collectAnswer> {
  return collectAnswer({
    upstream: fakeUpstream(() => ({ body: text })),
    asked: { era: 'modern', method: 'tools/list', id: { value: 1 } },
    request: { headers: [], body: Buffer.from('{}') },
    answerBytesMax: 1024,
    takeTurn,
  })
}

test('an answer is read in its turn, which is asked for by how long it is', async () => {
  requirement('gateway.lists-take-turns')
  const asked: number[] = []
  let begin = (): void => {}
  let isRead = false
  const answer = collect((octets) => {
    asked.push(octets)
    return new Promise((resolve) => (begin = resolve))
  }).finally(() => (isRead = true))
  await eventually('it has come', () => asked.length > 0)
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual([asked, isRead], [[text.length], false])
  begin()
  const read = await answer
  assert.ok('verdict' in read && read.verdict.kind === 'response')
  for (const atOnce of [undefined, () => undefined]) assert.ok('verdict' in (await collect(atOnce)))
})
