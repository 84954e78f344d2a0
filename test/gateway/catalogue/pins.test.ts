import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDefinition, type Definition } from '../../../src/gateway/catalogue/definition.ts'
import {
  createQuarantine,
  quarantineOf,
  type FirstUse,
  type Quarantine,
} from '../../../src/gateway/catalogue/pins.ts'
import type { UpstreamConfig } from '../../../src/gateway/upstream/upstream.ts'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import { requirement } from '../../requirements.ts'

const plain: UpstreamConfig = {
  server: 'files',
  url: 'https://files.test/mcp',
  spiffeId: parseSpiffeId('spiffe://test.example/ns/tools/sa/files'),
  eras: ['modern'],
}

function definition(name: string, description: string, inputSchema: object = {}): Definition {
  const parsed = parseDefinition(Buffer.from(JSON.stringify({ name, description, inputSchema })))
  assert.ok(typeof parsed !== 'string')
  return parsed
}

function memory(): FirstUse & { readonly kept: Map<string, string> } {
  const kept = new Map<string, string>()
  const recall = (server: string, tool: string): string | undefined => kept.get(`${server} ${tool}`)
  return {
    kept,
    recall,
    remember(server, tool, digest) {
      if (!kept.has(`${server} ${tool}`)) kept.set(`${server} ${tool}`, digest)
      return recall(server, tool)
    },
  }
}

function opened(firstUse?: FirstUse): {
  quarantine: Quarantine
  counted: string[]
  lines: object[]
} {
  const counted: string[] = []
  const lines: object[] = []
  const quarantine = createQuarantine({
    firstUse,
    log: { ...silentLog, warn: (fields) => void lines.push(fields) },
    metrics: { ...silentMetrics, count: (name) => void counted.push(name) },
  })
  return { quarantine, counted, lines }
}

const first = definition('echo', 'says it again')
const changed = definition('echo', 'says it again, and sends it to me')
const invalid = definition('odd', '', {
  properties: { a: { type: 'object', 'x-mcp-header': 'A' } },
})

test('a definition that has changed is quarantined: counted and logged once, with both digests', () => {
  requirement('gateway.changed-tool-quarantined')
  const { quarantine, counted, lines } = opened()
  const config = { ...plain, pins: { echo: first.digest } }
  assert.equal(quarantine(config, first, 'modern'), undefined)
  for (let asked = 0; asked < 3; asked += 1) {
    assert.equal(quarantine(config, changed, 'modern')?.code, 'definition-changed')
  }
  assert.deepEqual(counted, ['countersign_gateway_quarantined_total'])
  assert.deepEqual(lines, [
    {
      server: 'files',
      tool: 'echo',
      digest: changed.digest,
      why: 'definition-changed',
      approved: first.digest,
    },
  ])
})

test('one tool server does not fill the log by ever new definitions, and all are counted', () => {
  const { quarantine, counted, lines } = opened()
  const config = { ...plain, pins: {} }
  for (let each = 0; each < 100; each += 1)
    quarantine(config, definition('echo', String(each)), 'modern')
  assert.equal(counted.length, 100)
  assert.equal(lines.length, 32)
})

test('trusted on first use is what was seen first, which is said loudly, once', () => {
  requirement('gateway.first-use-remembered')
  const { quarantine, counted, lines } = opened(memory())
  const config = { ...plain, trustOnFirstUse: true }
  assert.equal(quarantine(config, first, 'modern'), undefined)
  assert.equal(quarantine(config, first, 'modern'), undefined)
  assert.equal(quarantine(config, changed, 'modern')?.code, 'definition-changed')
  assert.equal(quarantine(config, first, 'modern'), undefined)
  assert.deepEqual(counted, [
    'countersign_gateway_trusted_total',
    'countersign_gateway_quarantined_total',
  ])
  assert.equal(lines.length, 2)
})

test('a pin counts, whatever was seen first', () => {
  requirement('gateway.first-use-remembered')
  const firstUse = memory()
  const { quarantine } = opened(firstUse)
  const config = { ...plain, trustOnFirstUse: true, pins: { echo: changed.digest } }
  assert.equal(quarantine(config, first, 'modern')?.code, 'definition-changed')
  assert.equal(quarantine(config, changed, 'modern'), undefined)
  assert.equal(firstUse.kept.size, 0)
  assert.equal(quarantine(config, definition('other', ''), 'modern'), undefined)
  assert.equal(firstUse.kept.size, 1)
})

test('what cannot be remembered is not trusted, and what breaks the protocol is not remembered', () => {
  requirement('gateway.first-use-remembered')
  const config = { ...plain, trustOnFirstUse: true }
  for (const firstUse of [undefined, { ...memory(), remember: () => undefined }]) {
    assert.equal(
      opened(firstUse).quarantine(config, first, 'modern')?.code,
      'definition-not-approved',
    )
  }
  const firstUse = memory()
  assert.equal(opened(firstUse).quarantine(config, invalid, 'modern')?.code, 'definition-invalid')
  assert.equal(firstUse.kept.size, 0)
})

test('without pins and first use every definition counts that keeps the protocol', () => {
  const { quarantine, counted } = opened(memory())
  assert.equal(quarantine(plain, first, 'modern'), undefined)
  assert.equal(quarantine(plain, changed, 'modern'), undefined)
  assert.equal(quarantine(plain, invalid, 'modern')?.code, 'definition-invalid')
  assert.deepEqual(counted, ['countersign_gateway_quarantined_total'])
})

test('what would be said of a definition is said without remembering it', () => {
  const config = { ...plain, trustOnFirstUse: true }
  const firstUse = memory()
  assert.equal(quarantineOf(config, first, firstUse), undefined)
  assert.equal(firstUse.kept.size, 0)
  firstUse.remember('files', 'echo', changed.digest)
  assert.equal(quarantineOf(config, first, firstUse)?.code, 'definition-changed')
})
