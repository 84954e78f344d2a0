import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { readConfiguration } from '../../src/cli/configuration.ts'
import { followUpstreams } from '../../src/cli/follow-upstreams.ts'
import { gatewaySchema } from '../../src/cli/gateway-configuration.ts'
import { CountersignError } from '../../src/errors.ts'
import { silentLog } from '../../src/log.ts'
import { eventually } from '../support/eventually.ts'

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
decisionLog: { file: decisions.jsonl }
upstreams:
${lines.join('\n')}
`
}

async function written(name: string, text: string): Promise<string> {
  const file = join(folder, name)
  await writeFile(file, text)
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
