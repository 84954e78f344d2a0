import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { stringify } from 'yaml'
import { run } from '../../../src/cli/program.ts'
import { answerBoth, toolTexts } from '../../gateway/world/upstream.ts'
import { digestDefinition } from '../../support/digest-definition.ts'
import { files, ofFolder, openToolServerFolder } from '../tool-server-folder.ts'
import { requirement } from '../../requirements.ts'

const crawler = `spiffe://${ofFolder.trustDomain}/ns/research/sa/crawler`

const stage = await openToolServerFolder(answerBoth())
const { folder, upstream } = stage
const file = join(folder, 'gateway.yaml')

before(async () => {
  const grants = { tenants: { acme: { files: { tools: { echo: {}, big: {} }, prefixes: {} } } } }
  await writeFile(join(folder, 'grants.json'), JSON.stringify({ grants }))
  const [echo = '', big = '', remove = ''] = toolTexts
  const pins = {
    echo: digestDefinition(echo),
    big: digestDefinition(remove),
    delete: digestDefinition(remove),
    other: digestDefinition(big),
  }
  const server = { server: 'files', url: upstream.url, spiffeId: files.svid.spiffeId.uri, pins }
  const config = {
    ...ofFolder,
    hosts: ['gateway.test'],
    upstreams: [{ ...server, scopes: ['echo', 'big', 'delete'] }],
    policy: { data: ['grants.json'] },
    decisionLog: { file: 'decisions.jsonl' },
  }
  await writeFile(file, stringify(config))
})

after(() => stage[Symbol.asyncDispose]())

async function explain(
  ...more: readonly string[]
): Promise<{ code: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const code = await run(['gateway', 'explain-list', crawler, '--config', file, ...more], {
    out: (text) => (out += text),
    err: (text) => (err += text),
    signal: new AbortController().signal,
  })
  return { code, out, err }
}

interface Explained {
  readonly tool: string
  readonly shown: boolean
  readonly by?: string
  readonly reasons: readonly { readonly code: string }[]
}

async function explained(...more: readonly string[]): Promise<readonly string[]> {
  const { code, out, err } = await explain('--json', ...more)
  assert.equal(code, 0, err)
  const { tools } = JSON.parse(out) as { readonly tools: readonly Explained[] }
  return tools.map(({ tool, shown, by, reasons }) =>
    shown
      ? `${tool} shown`
      : `${tool} ${by} ${[...new Set(reasons.map(({ code: why }) => why))].join()}`,
  )
}

test('of each tool the first thing that hides it is told: ceiling, definition, policy', async () => {
  requirement('gateway.lists-explained')
  assert.deepEqual(await explained('--tenant', 'acme', '--tool-scopes', 'files:*'), [
    'echo shown',
    'big definition definition-changed',
    'delete policy not-granted',
    'secret ceiling outside-server-scopes',
  ])
  assert.deepEqual(await explained('--tenant', 'acme', '--tool-scopes', 'files:echo'), [
    'echo shown',
    'big ceiling outside-ceiling',
    'delete ceiling outside-ceiling',
    'secret ceiling outside-ceiling',
  ])
  const [echo] = await explained('--tenant', 'other', '--tool-scopes', 'files:*')
  assert.equal(echo, 'echo policy not-granted')
  const [ofWorker] = await explained(
    '--tenant',
    'acme',
    '--role',
    'inference-worker',
    '--tool-scopes',
    'files:*',
  )
  assert.match(ofWorker ?? '', /^echo policy role-not-allowed/)
  assert.ok(upstream.received.every(({ body }) => !body.includes('tools/call')))
})

test('without --json it is a page for people', async () => {
  const { out } = await explain('--tenant', 'acme', '--tool-scopes', 'files:*')
  assert.match(out, /^shown {17}modern {2}files:echo$/m)
  assert.match(out, /^hidden by policy {6}modern {2}files:delete {2}not-granted: /m)
})

test('what is no identity, no server or no scope is an error of usage', async () => {
  assert.equal((await explain('--server', 'web')).code, 2)
  assert.match((await explain('--server', 'web')).err, /no tool server "web"/)
  assert.notEqual((await explain('--tool-scopes', '*')).code, 0)
})
