import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { run } from '../../../src/cli/program.ts'
import { defaultLimits } from '../../../src/gateway/limits.ts'
import { modern, whyOf } from '../../gateway/world/client.ts'
import { openWorld, type World } from '../../gateway/world/world.ts'
import { requirement } from '../../requirements.ts'

const approver = 'spiffe://test.example/ns/ops/sa/oncall'
const oncall = { namespace: 'ops', serviceAccount: 'oncall', tenant: 'ops' } as const

interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs `countersign approve` with the files of this identity. */
async function approve(
  world: World,
  words: readonly string[],
  wanted: Parameters<World['identities']['issue']>[0] = oncall,
): Promise<Ran> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-approve-'))
  const [key, trust] = [join(folder, 'key.pem'), join(folder, 'trust.pem')]
  const { privateKeyPem, chainPem } = world.identities.issue(wanted)
  await writeFile(key, `${privateKeyPem}${chainPem}`, { mode: 0o600 })
  await writeFile(trust, world.identities.bundle.pem)
  const told = { out: '', err: '' }
  const target = [
    '--url',
    `https://127.0.0.1:${world.gateway.port}/mcp`,
    '--server',
    'spiffe://test.example/ns/agents/sa/gateway',
    '--credential-bundle',
    key,
    '--trust-bundle',
    trust,
  ]
  const code = await run(['approve', ...words, ...target], {
    out: (text) => (told.out += text),
    err: (text) => (told.err += text),
    signal: new AbortController().signal,
  })
  await rm(folder, { recursive: true })
  return { code, ...told }
}

test('an approver lists, denies and approves with its own certificate, and others are refused', async () => {
  requirement('gateway.approval-by-approvers')
  const rule = { seconds: 600, approvers: [approver], where: { tool: ['echo'] } }
  await using world = await openWorld({
    policyApprovals: { echoes: rule },
    hosts: ['gateway.test', '127.0.0.1'],
  })
  const agent = await world.agent()
  const call = async (text: string): Promise<Awaited<ReturnType<typeof agent.post>>> => {
    const { body, headers } = modern('tools/call', { name: 'echo', arguments: { text } })
    return agent.post('/mcp/files', body, headers)
  }
  assert.equal((await approve(world, ['--list'])).out, 'nothing waits that you may approve\n')
  const first = String((await call('a')).json.error?.data?.['ticket'])
  const second = String((await call('b')).json.error?.data?.['ticket'])
  const listed = await approve(world, ['--list'])
  assert.equal(listed.code, 0, listed.err)
  for (const line of [`ticket: ${first}`, `ticket: ${second}`, 'tool: echo', 'server: files']) {
    assert.ok(listed.out.includes(`${line}\n`), `${line} in ${listed.out}`)
  }
  const other = await approve(world, [first], { ...oncall, serviceAccount: 'other' })
  assert.equal(other.code, 1)
  assert.match(other.err, /the caller may not approve this/)
  const approved = await approve(world, [first])
  assert.deepEqual([approved.code, approved.err], [0, ''])
  assert.match(approved.out, /^state: approved$/m)
  const denied = await approve(world, [second, '--deny'])
  assert.match(denied.out, /^state: denied$/m)
  assert.equal((await call('a')).json.error, undefined)
  assert.match(whyOf(await call('b')) ?? '', /denied/)
  const again = await approve(world, [first])
  assert.equal(again.code, 1)
  assert.match(again.err, /no such ticket waits/)
})

test('a terminal shows the numbers of a call to their last digit', async () => {
  requirement('gateway.approver-sees-what-is-called')
  const rule = { seconds: 600, approvers: [approver], where: { tool: ['echo'] } }
  await using world = await openWorld({
    policyApprovals: { echoes: rule },
    hosts: ['gateway.test', '127.0.0.1'],
  })
  const { body, headers } = modern('tools/call', { name: 'echo', arguments: { n: 0 } })
  const agent = await world.agent()
  await agent.post('/mcp/files', body.replace('{"n":0}', '{"n":9007199254740993}'), headers)
  const { out } = await approve(world, ['--list'])
  assert.ok(out.includes('arguments: {"n":9007199254740993}\n'), out)
})

test('a ticket is given, or the list asked for, and not both', async () => {
  await using world = await openWorld()
  for (const words of [[], ['--list', 'x'], ['--list', '--deny']]) {
    const { code, err } = await approve(world, words)
    assert.equal(code, 2)
    assert.match(err, /^countersign: error: approve: /)
  }
})

test('an approver is told how much of what waits was not looked at', async () => {
  const rule = { seconds: 600, approvers: [approver], where: { tool: ['echo'] } }
  const shares = { tenantSharePercent: 90, namespaceSharePercent: 90, identitySharePercent: 90 }
  await using world = await openWorld({
    policyApprovals: { echoes: rule },
    hosts: ['gateway.test', '127.0.0.1'],
    limits: { ...defaultLimits, ...shares },
  })
  const agent = await world.agent()
  for (let count = 0; count < 67; count += 1) {
    const text = String(count)
    const { body, headers } = modern('tools/call', { name: 'echo', arguments: { text } })
    await agent.post('/mcp/files', body, headers)
  }
  const listed = await approve(world, ['--list'])
  assert.deepEqual([listed.code, listed.err], [0, '3 more wait that were not looked at\n'])
})
