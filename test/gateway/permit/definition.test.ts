import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Call } from '../../../src/gateway/call.ts'
import type { Catalogue } from '../../../src/gateway/catalogue/catalogue.ts'
import { refuseUnknown } from '../../../src/gateway/permit/definition.ts'

const there = { failure: undefined } as Catalogue

test('a tool that is not there is told by the name that was asked for', () => {
  const target = { kind: 'tool', tool: 'echo' }
  const call = { message: { name: 'files_echo' }, target } as Call
  assert.equal(refuseUnknown(call, there).refusal.message, 'Unknown tool: files_echo')
})

test('of a task whose tool is gone the tool is told and logged, and not what is shown of the task', () => {
  const target = { kind: 'tool', tool: 'echo' }
  const call = { message: { name: 'sealed' }, target, taskId: 't-1' } as Call
  assert.equal(refuseUnknown(call, there).refusal.message, 'Unknown tool: echo')
})
