import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createQuarantinedTools } from '../../../src/gateway/catalogue/quarantined-tools.ts'
import type { UpstreamConfig } from '../../../src/gateway/upstream/upstream.ts'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'
import { requirement } from '../../requirements.ts'

const files: UpstreamConfig = {
  server: 'files',
  url: 'https://files.test/mcp',
  spiffeId: parseSpiffeId('spiffe://test.example/ns/tools/sa/files'),
  eras: ['modern'],
}
const web: UpstreamConfig = { ...files, server: 'web' }
const now = { era: 'modern', digest: 'b', approved: 'a', why: 'definition-changed' } as const
const approved = { era: 'modern', digest: 'a' } as const

function opened(): { told: string[]; tools: ReturnType<typeof createQuarantinedTools> } {
  const told: string[] = []
  const tools = createQuarantinedTools(({ kind, server, tool, digest }) => {
    told.push(`${kind} ${server} ${tool} ${digest}`)
  })
  return { told, tools }
}

test('each change is told once, however often it is seen', () => {
  requirement('gateway.quarantine-told')
  const { told, tools } = opened()
  tools.add(files, 'echo', now)
  tools.add(files, 'echo', now)
  tools.add(files, 'echo', { ...now, digest: 'c' })
  tools.allowed(files, 'echo', approved)
  tools.allowed(files, 'echo', approved)
  tools.allowed(files, 'other', approved)
  assert.deepEqual(told, [
    'quarantined files echo b',
    'quarantined files echo c',
    'served files echo a',
  ])
  assert.equal(tools.size, 0)
})

test('a pin of what is quarantined approves it, and another pin or none does not', () => {
  requirement('gateway.quarantine-told')
  const { told, tools } = opened()
  tools.add(files, 'echo', now)
  tools.follow([files, web])
  tools.follow([
    { ...files, pins: { echo: 'a' } },
    { ...web, pins: { echo: 'b' } },
  ])
  assert.deepEqual(told, ['quarantined files echo b'])
  tools.follow([{ ...files, pins: { echo: 'b' } }])
  assert.deepEqual(told.slice(1), ['served files echo b'])
})

test('a tool that is quarantined in one era is served there, and not because the other era has an approved one', () => {
  requirement('gateway.quarantine-told')
  const { told, tools } = opened()
  tools.add(files, 'echo', now)
  tools.allowed(files, 'echo', { era: 'legacy', digest: 'a' })
  assert.deepEqual(told, ['quarantined files echo b'])
  assert.equal(tools.size, 1)
  tools.add(files, 'echo', { ...now, era: 'legacy', digest: 'c' })
  tools.allowed(files, 'echo', { era: 'legacy', digest: 'a' })
  tools.allowed(files, 'echo', approved)
  assert.deepEqual(told.slice(1), [
    'quarantined files echo c',
    'served files echo a',
    'served files echo a',
  ])
})

test('one definition that both eras give is told of once', () => {
  requirement('gateway.quarantine-told')
  const { told, tools } = opened()
  tools.add(files, 'echo', now)
  tools.add(files, 'echo', { ...now, era: 'legacy' })
  tools.follow([{ ...files, pins: { echo: 'b' } }])
  assert.deepEqual(told, ['quarantined files echo b', 'served files echo b'])
  assert.equal(tools.size, 0)
})

test('of a server that is gone nothing is kept, and of one as much as is told of', () => {
  const { told, tools } = opened()
  for (let index = 0; index < 100; index += 1) tools.add(files, `tool-${index}`, now)
  tools.allowed(files, 'tool-0', approved)
  assert.equal(told.length, 100, 'the first is forgotten')
  tools.allowed(files, 'tool-99', approved)
  assert.equal(told.length, 101)
  tools.follow([web])
  assert.equal(tools.size, 0)
})
