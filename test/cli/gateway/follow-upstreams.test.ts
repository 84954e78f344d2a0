import assert from 'node:assert/strict'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { readConfiguration } from '../../../src/cli/configuration.ts'
import { followUpstreams } from '../../../src/cli/gateway/follow-upstreams.ts'
import { gatewaySchema } from '../../../src/cli/gateway/gateway-configuration.ts'
import { CountersignError } from '../../../src/errors.ts'
import type { ToolServer } from '../../../src/gateway/upstream/tool-server.ts'
import type { ToolServerSource } from '../../../src/gateway/upstream/tool-server-watch.ts'
import { silentLog } from '../../../src/log.ts'
import { eventually } from '../../support/eventually.ts'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-upstreams-'))
})

after(() => rm(folder, { recursive: true, force: true }))

function withServers(...servers: readonly string[]): string {
  const lines = servers.map(
    (server) =>
      `  - { server: ${server}, url: 'https://${server}.tools.svc/mcp', spiffeId: 'spiffe://agents.example/ns/tools/sa/${server}' }`,
  )
  return `
trustDomain: agents.example
credentialBundle: /var/run/countersign/credential-bundle.pem
trustBundle: /var/run/countersign/trust-bundle.pem
hosts: [gateway.example]
production: false
decisionLog: { file: decisions.jsonl }
upstreams:
${lines.join('\n')}
`
}

/** Nobody sees it half written, as with a ConfigMap. */
async function written(name: string, text: string): Promise<string> {
  const file = join(folder, name)
  await writeFile(`${file}.new`, text)
  await rename(`${file}.new`, file)
  return file
}

test('tool servers are followed in the configuration file, and what is wrong there changes nothing', async () => {
  const file = await written('a.yaml', withServers('one'))
  const config = { ...(await readConfiguration(file, gatewaySchema)), file }
  await using followed = await followUpstreams(config, { log: silentLog })
  const seen: string[][] = []
  followed.follow((configs) => void seen.push(configs.map(({ server }) => server)))
  assert.deepEqual(
    followed.conditions().map(({ ok }) => ok),
    [true],
  )
  await written('a.yaml', withServers('one', 'two'))
  await eventually('it is told', () => seen.at(-1)?.length === 2)
  assert.deepEqual(seen.at(-1), ['one', 'two'])
  await written('a.yaml', withServers('two', 'two'))
  await eventually('it is said what is wrong', () => followed.conditions()[0]?.ok === false)
  const [condition] = followed.conditions()
  assert.equal(condition?.optional, true)
  assert.match(condition.reason, /those of before stay in force: .*each server named once/)
  assert.deepEqual(seen.at(-1), ['one', 'two'])
  await written('a.yaml', withServers('three'))
  await eventually('it is mended', () => seen.at(-1)?.[0] === 'three')
  assert.equal(followed.conditions()[0]?.ok, true)
})

test('tool servers that the gateway does not take are said on the admin listener', async () => {
  const file = await written('b.yaml', withServers('one'))
  const config = { ...(await readConfiguration(file, gatewaySchema)), file }
  await using followed = await followUpstreams(config, { log: silentLog })
  followed.follow(() => {
    throw new CountersignError('gateway/upstream', 'upstream two: url holds a query')
  })
  await written('b.yaml', withServers('two'))
  await eventually('it is said', () => followed.conditions()[0]?.ok === false)
  assert.match(followed.conditions()[0]?.reason ?? '', /url holds a query/)
})

test('a configuration that came from no file stands', async () => {
  const file = await written('c.yaml', withServers('one'))
  await using followed = await followUpstreams(await readConfiguration(file, gatewaySchema), {
    log: silentLog,
  })
  assert.deepEqual(
    followed.current().map(({ server }) => server),
    ['one'],
  )
  assert.deepEqual(followed.conditions(), [])
})

function cluster(
  ...names: readonly string[]
): ToolServerSource & { set(...names: string[]): void } {
  const listeners = new Set<() => void>()
  let there = names
  const toolServer = (name: string, index: number): ToolServer => ({
    namespace: 'research',
    name,
    createdAt: index,
    generation: 1,
    spec: {
      namespace: undefined,
      service: { name, port: 443, path: '/mcp' },
      serviceAccount: 'finder',
      eras: ['modern'],
      timeoutSeconds: 60,
      pins: undefined,
      trustOnFirstUse: false,
      scopes: undefined,
      prompts: undefined,
      resources: undefined,
      limits: undefined,
    },
  })
  return {
    hasSynced: true,
    list: () => there.map(toolServer),
    onChange: (listener) => void listeners.add(listener),
    condition: () => ({ ok: true, reason: 'watched' }),
    set(...next) {
      there = next
      for (const listener of listeners) listener()
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

test('tool servers of the cluster are served beside those of the file, and those that are not are named', async () => {
  const file = await written('d.yaml', withServers('one'))
  const config = await readConfiguration(file, gatewaySchema)
  const toolServers = cluster('search')
  const ownNamespace = (): string => 'countersign-system'
  await using followed = await followUpstreams(config, {
    log: silentLog,
    toolServers,
    ownNamespace,
  })
  const seen: string[][] = []
  followed.follow((configs) => void seen.push(configs.map(({ server }) => server)))
  assert.deepEqual(seen, [['one', 'research--search']])
  assert.deepEqual(followed.conditions(), [
    { name: 'tool-servers', ok: true, reason: 'watched', optional: true },
  ])
  toolServers.set('search', 'twin')
  await new Promise(setImmediate)
  assert.deepEqual(seen.at(-1), ['one', 'research--search'])
  const [condition] = followed.conditions()
  assert.equal(condition?.ok, false)
  assert.match(
    condition.reason,
    /^research\/twin is not served: spec\.serviceAccount: want=a SPIFFE ID for each server/,
  )
  toolServers.set()
  await new Promise(setImmediate)
  assert.deepEqual(seen.at(-1), ['one'])
})

test('tool servers of the cluster are chosen once for many changes, and not for who asks how they are', async () => {
  const file = await written('f.yaml', withServers('one'))
  const config = await readConfiguration(file, gatewaySchema)
  const source = cluster('search')
  let looks = 0
  const toolServers = { ...source, list: () => (looks++, source.list()) }
  const ownNamespace = (): string => 'countersign-system'
  await using followed = await followUpstreams(config, {
    log: silentLog,
    toolServers,
    ownNamespace,
  })
  followed.follow(() => {})
  looks = 0
  for (let change = 0; change < 100; change += 1) source.set('search', `other-${change}`)
  await new Promise(setImmediate)
  for (let ask = 0; ask < 100; ask += 1) followed.conditions()
  assert.equal(looks, 1)
})

test('without a namespace of its own the gateway takes the word of the file alone', async () => {
  const file = await written('e.yaml', withServers('one'))
  const config = await readConfiguration(file, gatewaySchema)
  const toolServers = cluster('search')
  await using followed = await followUpstreams(config, { log: silentLog, toolServers })
  assert.deepEqual(
    followed.current().map(({ server }) => server),
    ['one'],
  )
})
