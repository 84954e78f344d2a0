import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cancelTasks } from '../../../src/gateway/serve/cancel-tasks.ts'
import { createOwnTasks } from '../../../src/gateway/serve/own-tasks.ts'
import { accountOf } from '../../../src/shares.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { legacy } from '../world/client.ts'
import { openTaskClient, scopes, taskOf, type TaskClient } from '../world/legacy-tasks.ts'
import { openSession } from '../world/session.ts'

test('of an owner that is no more no task is known, and of others all are', () => {
  requirement('gateway.tasks-end-with-identity')
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
  const lastIn = cancelTasks(tasks.endOwner('gone'), () => 7)
  const session = { id: 's', version: '2025-11-25' }
  assert.deepEqual(lastIn({ ...session, spiffeId: 'spiffe://x/web' }), [])
  assert.deepEqual(
    lastIn({ ...session, spiffeId: 'spiffe://x/files' }).map(String),
    ['one', 'two'].map(
      (taskId) =>
        `{"jsonrpc":"2.0","id":7,"method":"tasks/cancel","params":{"taskId":"${taskId}"}}`,
    ),
  )
  assert.equal(tasks.find(task('gone', 'one')), undefined)
  assert.deepEqual(tasks.listOf(task('gone', 'one')), [])
  assert.equal(tasks.find(task('here', 'three'))?.shown, 'sealed three')
})

/** What the server is told in order in the session of the first call: of the cancelled tasks, and of its end. */
function endsIn({ world }: TaskClient): readonly string[] {
  const { received = [] } = world.upstreams['files'] ?? {}
  const name = 'mcp-session-id'
  const session = received.find(({ body }) => body.includes('"method":"tools/call"'))?.headers[name]
  return received.flatMap(({ method, body, headers }) => {
    if (session === undefined || headers[name] !== session) return []
    if (method === 'DELETE') return ['DELETE']
    return /"method":"tasks\/cancel","params":\{"taskId":"([^"]+)"/.exec(body)?.slice(1, 2) ?? []
  })
}

const task = { ttl: 60_000 }

test('what an agent has running when it is no more is cancelled at its server, before its session ends', async () => {
  requirement('gateway.tasks-end-with-identity')
  for (const path of ['/mcp/files', '/mcp']) {
    const client = await openTaskClient({}, path)
    await using world = client.world
    taskOf(await client.call())
    taskOf(await client.call())
    // The session of another pod, which has a task at the same server.
    const other = await world.agent({ ...scopes, podUid: crypto.randomUUID() })
    const session = await openSession(other, '/mcp/files')
    const own = legacy('tools/call', { name: 'work', arguments: {}, task }, { session })
    const kept = taskOf(await other.post('/mcp/files', own.body, own.headers))
    world.gone.set(new Set([client.podUid]))
    await eventually('its session is over', () => endsIn(client).includes('DELETE'))
    assert.deepEqual(endsIn(client), ['task-1', 'task-2', 'DELETE'])
    assert.equal(client.asked('tasks/cancel').length, 2)
    const get = legacy('tasks/get', { taskId: kept }, { session })
    assert.equal((await other.post('/mcp/files', get.body, get.headers)).json.error, undefined)
  }
})

test('so many of one agent are cancelled, and no server is told of those of another', async () => {
  requirement('gateway.tasks-end-with-identity')
  const client = await openTaskClient({}, '/mcp')
  await using world = client.world
  for (let number = 1; number <= 18; number += 1) taskOf(await client.call())
  world.gone.set(new Set([client.podUid]))
  await eventually('its session is over', () => endsIn(client).includes('DELETE'))
  assert.equal(endsIn(client).length, 17)
  const others = world.upstreams['web']!.received.filter(({ body }) => body.includes('tasks/'))
  assert.deepEqual(others, [])
})

test('what its server does not answer keeps no session from its end', async () => {
  requirement('gateway.tasks-end-with-identity')
  const client = await openTaskClient()
  await using world = client.world
  taskOf(await client.call())
  client.answers['tasks/cancel'] = (_, response) => void response.destroy()
  world.gone.set(new Set([client.podUid]))
  await eventually('its session is over', () => endsIn(client).includes('DELETE'))
})
