import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reduceEvent } from '../../../src/policy/upload/reduce-event.ts'

const call = {
  labels: { id: 'gateway' },
  decision_id: 'd-1',
  path: 'countersign/mcp/decision',
  input: {
    subject: { id: 'spiffe://a/b', properties: { role: 'agent-worker' } },
    action: { name: 'tools/call' },
    resource: { type: 'tool', id: 'read', properties: { server: 'files', annotations: {} } },
    context: { arguments: { text: 'a'.repeat(100_000) } },
  },
  result: { allow: false, reasons: [{ code: 'not-granted', message: 'b'.repeat(100_000) }] },
  erased: ['/input/context/era'],
  req_id: 7,
}

test('what is too large keeps who asked for what and the answer, and says what is gone', () => {
  assert.deepEqual(JSON.parse(reduceEvent(JSON.stringify(call))), {
    ...call,
    input: {
      subject: { id: 'spiffe://a/b' },
      action: { name: 'tools/call' },
      resource: { type: 'tool', id: 'read', properties: { server: 'files' } },
    },
    result: { allow: false },
    erased: ['/input/context/era', '/input', '/result'],
  })
})

test('names are cut, numbers stay as they are written, and what is not there stays away', () => {
  const line = `{"decision_id":"d","req_id":12345678901234567890,"input":{"action":{"name":"${'n'.repeat(5000)}"},"resources":[]},"result":{"allowed":[0]}}`
  const reduced = reduceEvent(line)
  assert.ok(reduced.includes('"req_id":12345678901234567890'))
  const { input, result } = JSON.parse(reduced) as {
    readonly input: { readonly action: { readonly name: string } }
    readonly result: unknown
  }
  assert.equal(input.action.name.length, 1024)
  assert.deepEqual(Object.keys(input), ['subject', 'action'])
  assert.equal(result, null)
  assert.deepEqual(JSON.parse(reduceEvent('{"decision_id":"d","lost":{"events":1}}')), {
    decision_id: 'd',
    lost: { events: 1 },
    erased: ['/input', '/result'],
  })
})
