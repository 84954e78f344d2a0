import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { run } from '../../../src/cli/program.ts'
import { writePinsOfFile } from '../../../src/cli/command/write-pins.ts'
import { requirement } from '../../requirements.ts'
import { startFakeApiServer } from '../../support/fake-api-server.ts'

let folder: string
const digest = 'b'.repeat(64)

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-pins-'))
})

after(() => rm(folder, { recursive: true, force: true }))

const toolServer = {
  apiVersion: 'countersign.dev/v1alpha1',
  kind: 'ToolServer',
  metadata: { namespace: 'research', name: 'search', uid: 'u-1', resourceVersion: '7' },
  spec: { service: { name: 'search' }, serviceAccount: 'search', pins: { other: digest } },
}

async function listed(): Promise<string> {
  const file = join(folder, 'search.json')
  const definition = { name: 'find', inputSchema: {} }
  const tool = { name: 'find', era: 'modern', digest, state: 'definition-changed', pinned: null }
  const at = { toolServer: 'research/search' }
  const tools = [{ ...tool, definition }]
  const document = {
    version: 1,
    server: 'research--search',
    trustOnFirstUse: false,
    pinsAt: at,
    tools,
  }
  await writeFile(file, JSON.stringify(document))
  return file
}

async function approve(kubeconfig: string): Promise<{ code: number; err: string }> {
  let err = ''
  const file = await listed()
  const words = ['tools', 'approve', 'research--search', '--listed', file]
  const code = await run([...words, '--kubeconfig', kubeconfig], {
    out: () => {},
    err: (text) => (err += text),
    signal: new AbortController().signal,
  })
  return { code, err }
}

test('pins of a ToolServer are merged into the very object that was read, and no other is taken away', async () => {
  requirement('gateway.approval-is-of-what-was-seen')
  await using api = await startFakeApiServer()
  api.otherwise(() => ({ body: toolServer }))
  const { code, err } = await approve(api.kubeconfig)
  assert.equal(code, 0, err)
  const path = '/apis/countersign.dev/v1alpha1/namespaces/research/toolservers/search'
  assert.deepEqual(
    api.requests.map((request) => [request.method, request.path, request.body]),
    [
      ['GET', path, undefined],
      [
        'PATCH',
        path,
        { metadata: { uid: 'u-1', resourceVersion: '7' }, spec: { pins: { find: digest } } },
      ],
    ],
  )
})

test('a ToolServer that is not there is told', async () => {
  await using api = await startFakeApiServer()
  api.otherwise(() => ({ status: 404, body: { kind: 'Status', code: 404, reason: 'NotFound' } }))
  const { code, err } = await approve(api.kubeconfig)
  assert.equal(code, 2)
  assert.match(err, /no ToolServer "research\/search" in the cluster/)
})

test('a file keeps its mode, and one of another server is left as it is', async () => {
  const file = join(folder, 'gateway.yaml')
  await writeFile(file, 'upstreams: # all\n  - server: files\n')
  await chmod(file, 0o640)
  await assert.rejects(
    writePinsOfFile(file, 'web', { echo: digest }),
    /no server "web" in upstreams/,
  )
  assert.equal(await readFile(file, 'utf8'), 'upstreams: # all\n  - server: files\n')
  await writePinsOfFile(file, 'files', { echo: digest, 'odd: name': digest })
  const text = await readFile(file, 'utf8')
  assert.match(text, /# all/)
  assert.match(text, new RegExp(`pins:\\n {6}echo: ${digest}\\n {6}"odd: name": ${digest}\\n`))
})
