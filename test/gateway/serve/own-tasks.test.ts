import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createOwnTasks } from '../../../src/gateway/serve/own-tasks.ts'
import { accountOf } from '../../../src/gateway/shares.ts'

test('of an owner that is no more no task is known, and of others all are', () => {
  const shares = { tenantSharePercent: 50, namespaceSharePercent: 25, identitySharePercent: 10 }
  const tasks = createOwnTasks({ shares, now: () => 0 })
  const account = accountOf({ namespace: { name: 'team-a' }, spiffeId: { uri: 'spiffe://x/a' } })
  const task = (owner: string, taskId: string): Parameters<typeof tasks.note>[0] => ({
    owner,
    account,
    taskId,
    door: 'mcp/files',
    spiffeId: 'spiffe://x/files',
    server: 'files',
    tool: 'echo',
    shown: `sealed ${taskId}`,
    until: 1000,
  })
  for (const [owner, taskId] of [
    ['gone', 'one'],
    ['gone', 'two'],
    ['here', 'three'],
  ] as const) {
    tasks.note(task(owner, taskId))
  }
  tasks.endOwner('gone')
  assert.equal(tasks.find(task('gone', 'one')), undefined)
  assert.deepEqual(tasks.listOf(task('gone', 'one')), [])
  assert.equal(tasks.find(task('here', 'three'))?.shown, 'sealed three')
})
