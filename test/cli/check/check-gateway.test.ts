import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { stringify } from 'yaml'
import type { GatewayReport } from '../../../src/cli/check/check-gateway.ts'
import { run } from '../../../src/cli/program.ts'
import { createIdentities } from '../../gateway/world/identities.ts'
import { alsoListing, answerBoth } from '../../gateway/world/upstream.ts'
import { files, ofFolder, openToolServerFolder } from '../tool-server-folder.ts'
import { requirement } from '../../requirements.ts'
import { listAnswer, startFakeApiServer } from '../../support/fake-api-server.ts'

const digest = 'a'.repeat(64)

const prompts = ['release_notes', 'secret'].map((name) => ({ name }))
/** As a test wants it at the time. */
let lists: Readonly<Record<string, object>> = {}
const stage = await openToolServerFolder((message, response, request) =>
  alsoListing(answerBoth(), lists)(message, response, request),
)
const { folder, upstream } = stage
after(() => stage[Symbol.asyncDispose]())

const server = (): Record<string, unknown> => ({
  server: 'files',
  url: upstream.url,
  spiffeId: files.svid.spiffeId.uri,
  eras: ['modern', 'legacy'],
})

interface Checked {
  readonly code: number
  readonly report: GatewayReport
  readonly progress: string
}

/** Runs the command over a configuration that is good but for these fields. */
async function check(fields: Record<string, unknown> = {}): Promise<Checked> {
  const file = join(folder, 'gateway.yaml')
  const config = {
    ...ofFolder,
    hosts: ['gateway.test'],
    upstreams: [server()],
    decisionLog: { file: 'decisions.jsonl' },
    ...fields,
  }
  await writeFile(file, stringify(config))
  let out = ''
  let progress = ''
  const code = await run(['gateway', 'check', file, '--json'], {
    out: (text) => (out += text),
    err: (text) => (progress += text),
    signal: new AbortController().signal,
  })
  return { code, report: JSON.parse(out) as GatewayReport, progress }
}

const found = ({ report }: Checked, name: string): GatewayReport['checks'][number] => {
  const one = report.checks.find((each) => each.name === name)
  assert.ok(one, `want=${name} got=${report.checks.map((each) => each.name).join(', ')}`)
  return one
}

test('a configuration that is as it should be is no problem, and its tool servers were asked', async () => {
  const checked = await check()
  assert.deepEqual(
    checked.report.checks.map(({ name, status }) => `${name}: ${status}`),
    [
      'configuration: ok',
      'credential: ok',
      'trust-bundle: ok',
      'handle-keys: warning',
      'policy: ok',
      'decision-log: ok',
      'upstream files: ok',
    ],
  )
  assert.equal(checked.code, 0)
  assert.match(checked.progress, /^asking files$/m)
  assert.equal(
    found(checked, 'upstream files').summary,
    `proved to be ${files.svid.spiffeId.uri}, 4 tools`,
  )
  assert.ok(upstream.received.every(({ body }) => !body.includes('tools/call')))
})

test('two servers of one SPIFFE ID are a problem that names both', async () => {
  requirement('gateway.upstream-told-apart')
  const checked = await check({ upstreams: [server(), { ...server(), server: 'mirror' }] })
  assert.equal(checked.code, 1)
  const { evidence } = found(checked, 'configuration')
  assert.match(evidence.join('\n'), /want=a SPIFFE ID for each server got=\S+ of files and mirror/)
})

test('of a tool server that is somebody else, it says whose certificate was shown', async () => {
  const wanted = files.svid.spiffeId.uri.replace('/files', '/notes')
  const checked = await check({ upstreams: [{ ...server(), spiffeId: wanted }] })
  assert.equal(checked.code, 1)
  const { summary, evidence } = found(checked, 'upstream files')
  assert.match(summary, /upstream is somebody else/)
  assert.match(
    evidence.join('\n'),
    new RegExp(`certificate shown: ${files.svid.spiffeId.uri}, valid until`),
  )
})

test('a tool server that is not there is a problem, and the others are asked all the same', async () => {
  const gone = {
    server: 'gone',
    url: 'https://127.0.0.1:1/mcp',
    spiffeId: files.svid.spiffeId.uri.replace('/files', '/gone'),
  }
  const checked = await check({ upstreams: [gone, server()] })
  assert.equal(checked.code, 1)
  assert.match(found(checked, 'upstream gone').summary, /ECONNREFUSED/)
  assert.equal(found(checked, 'upstream files').status, 'ok')
})

test('pins that name no tool of the server, or another definition, are told', async () => {
  const checked = await check({
    upstreams: [{ ...server(), pins: { echo: digest, ecko: digest } }],
  })
  assert.equal(checked.code, 0)
  const { status, evidence } = found(checked, 'upstream files')
  assert.equal(status, 'warning')
  const text = evidence.join('\n')
  assert.match(text, /pinned and not there: ecko/)
  assert.match(text, /changed since it was pinned, so not served: echo [0-9a-f]{64}/)
  assert.match(text, /not pinned, so not served: delete [0-9a-f]{64}/)
})

test('of a tool server with scopes it says how many of its tools are within', async () => {
  const some = await check({ upstreams: [{ ...server(), scopes: ['e*', 'big'] }] })
  const { status, summary } = found(some, 'upstream files')
  assert.equal(status, 'ok')
  assert.match(summary, /, 4 tools, 2 of them within its scopes$/)
  const none = await check({ upstreams: [{ ...server(), scopes: ['other'] }] })
  assert.equal(found(none, 'upstream files').status, 'warning')
  assert.match(found(none, 'upstream files').evidence.join('\n'), /outside of its scopes: echo/)
})

test('what else a tool server lists is told, and a scope that covers nothing of it is warned of', async (t) => {
  lists = {
    'prompts/list': { prompts },
    'resources/list': { resources: [{ uri: 'repo://docs/a' }, { uri: 'repo://keys/b' }] },
    'resources/templates/list': { resourceTemplates: [{ uriTemplate: 'repo://docs/{path}' }] },
  }
  t.after(() => (lists = {}))
  const all = found(await check(), 'upstream files')
  assert.equal(all.status, 'ok')
  assert.match(all.summary, /, 4 tools, 2 prompts, 2 resources, 1 template$/)
  const scoped = { ...server(), prompts: ['release_*'], resources: ['repo://docs/*'] }
  const some = found(await check({ upstreams: [scoped] }), 'upstream files')
  assert.equal(some.status, 'ok')
  assert.match(some.summary, /, 1 template, 3 of these within its scopes$/)
  assert.deepEqual(some.evidence, [
    'outside of its scopes: prompt secret',
    'outside of its scopes: resource repo://keys/b',
  ])
  const idle = {
    ...scoped,
    prompts: ['relaese_*', 'secret'],
    resources: ['repo://docs/*', 'x://y'],
  }
  const misspelt = found(await check({ upstreams: [idle] }), 'upstream files')
  assert.equal(misspelt.status, 'warning')
  assert.deepEqual(misspelt.evidence, [
    'prompts cover nothing: relaese_*',
    'resources cover nothing: x://y',
    'outside of its scopes: prompt release_notes',
    'outside of its scopes: resource repo://keys/b',
  ])
  assert.match(misspelt.hint ?? '', /release_\*/)
})

test('a list that is none is a warning, and tools are judged all the same', async (t) => {
  lists = { 'resources/list': { resources: 'many' } }
  t.after(() => (lists = {}))
  const { status, summary, evidence } = found(await check(), 'upstream files')
  assert.equal(status, 'warning')
  assert.match(summary, /, 4 tools$/)
  assert.match(evidence.join('\n'), /^modern: resources\/list: bad answer: /)
})

for (const [method, unjudged, judged] of [
  ['resources/list', 'resources', 'prompts'],
  ['resources/templates/list', 'resources', 'prompts'],
  ['prompts/list', 'prompts', 'resources'],
] as const) {
  test(`of ${unjudged} no scope is told to cover nothing where ${method} is none`, async (t) => {
    lists = { [method]: {} }
    t.after(() => (lists = {}))
    const scoped = { ...server(), prompts: ['a*'], resources: ['x://y'] }
    const { evidence } = found(await check({ upstreams: [scoped] }), 'upstream files')
    assert.deepEqual(
      evidence.filter((line) => line.includes('cover nothing')).map((line) => line.split(' ')[0]),
      [judged],
    )
    assert.match(evidence.join('\n'), new RegExp(`modern: ${method}: bad answer: `))
  })
}

/** A cluster that gives these rights, and has two ToolServers of one SPIFFE ID. */
async function withCluster<T>(
  held: (verb: string) => boolean,
  use: (kubeconfig: string) => Promise<T>,
): Promise<T> {
  await using cluster = await startFakeApiServer()
  const spec = { service: { name: 'search', port: 8443 }, serviceAccount: 'search' }
  const items = ['search', 'twin'].map((name) => ({
    metadata: { name, namespace: 'research', uid: name, resourceVersion: '1', generation: 1 },
    spec,
  }))
  cluster.otherwise(({ path, body }) => {
    if (path.endsWith('/toolservers')) return listAnswer(items, '1')
    const asked = body as { spec?: { resourceAttributes?: { verb?: string } } }
    return { body: { status: { allowed: held(asked.spec?.resourceAttributes?.verb ?? '') } } }
  })
  return await use(cluster.kubeconfig)
}

test('ToolServers are judged as the gateway does, and what is wrong with one is no problem of the gateway', async () => {
  const checked = await withCluster(
    () => true,
    (kubeconfig) => check({ toolServers: true, kubeconfig }),
  )
  assert.equal(checked.code, 0)
  const { status, summary, evidence } = found(checked, 'tool-servers')
  assert.equal(status, 'warning')
  assert.equal(summary, '2 ToolServers, 1 of them accepted')
  assert.match(evidence.join('\n'), /^research\/twin: SpiffeIdTaken: spec\.serviceAccount: want=/)
  // Nothing of that name is known here.
  const { status: reached, hint } = found(checked, 'upstream research--search')
  assert.equal(reached, 'warning')
  assert.match(hint ?? '', /^spec\.service of its ToolServer/)
  assert.equal(found(checked, 'upstream files').status, 'ok')
})

test('without the right to list ToolServers the check says so, and without that to say their status warns', async () => {
  const none = await withCluster(
    (verb) => verb === 'watch',
    (kubeconfig) => check({ toolServers: true, kubeconfig }),
  )
  assert.equal(none.code, 1)
  assert.equal(found(none, 'tool-servers').status, 'problem')
  assert.match(
    found(none, 'tool-servers').evidence.join('\n'),
    /^list toolservers\.countersign\.dev is missing: no tool server is served/m,
  )
  const silent = await withCluster(
    (verb) => verb !== 'patch',
    (kubeconfig) => check({ toolServers: true, kubeconfig }),
  )
  assert.equal(silent.code, 0)
  assert.match(
    found(silent, 'tool-servers').evidence.join('\n'),
    /^patch toolservers\/status\.countersign\.dev is missing/m,
  )
})

test('an API server that cannot be asked for ToolServers is a problem, and the configured servers are asked', async () => {
  const checked = await check({ toolServers: true, kubeconfig: join(folder, 'none.kubeconfig') })
  assert.equal(checked.code, 1)
  assert.equal(found(checked, 'tool-servers').status, 'problem')
  assert.equal(found(checked, 'upstream files').status, 'ok')
})

test('a trust bundle that does not lead to our own certificate is a problem, and nobody is connected to', async () => {
  await writeFile(join(folder, 'other.pem'), createIdentities().bundle.pem)
  const checked = await check({ trustBundle: 'other.pem' })
  assert.equal(checked.code, 1)
  assert.equal(found(checked, 'trust-bundle').status, 'problem')
  assert.equal(found(checked, 'upstream').status, 'warning')
})

test('a decision log that could not be written is a problem', async () => {
  const checked = await check({ decisionLog: { file: 'none/decisions.jsonl' } })
  assert.equal(checked.code, 1)
  assert.match(found(checked, 'decision-log').summary, /^decisionLog\.file: ENOENT/)
})

test('the key of the checkpoints is looked at, and none is made', async () => {
  const file = 'decisions.jsonl'
  const judged = async (checkpoints: object): Promise<string> => {
    const checked = await check({ decisionLog: { file, checkpoints } })
    const { status, summary } = found(checked, 'decision-log')
    return `${checked.code} ${status}: ${summary}`
  }
  const keyFile = 'log.pem'
  const ofKey = '1 problem: decisionLog.checkpoints.keyFile: '
  assert.ok((await judged({ keyFile })).startsWith(`${ofKey}key of the log cannot be read`))
  assert.match(await judged({ keyFile, makeKey: true }), /^0 ok: /)
  const nowhere = { keyFile: 'none/log.pem', makeKey: true }
  assert.ok((await judged(nowhere)).startsWith(`${ofKey}ENOENT`))
  await assert.rejects(stat(join(folder, keyFile)), { code: 'ENOENT' })
  await writeFile(join(folder, keyFile), 'no key', { mode: 0o600 })
  assert.ok((await judged({ keyFile, makeKey: true })).startsWith(`${ofKey}no private key in PEM`))
  const { privateKey } = generateKeyPairSync('ed25519')
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
  await writeFile(join(folder, keyFile), pem)
  assert.match(await judged({ keyFile }), /^0 ok: /)
})

test('a handle key of another length is a problem, and good ones are counted', async () => {
  await mkdir(join(folder, 'keys'))
  await writeFile(join(folder, 'keys/2026-01-01'), 'short')
  const checked = await check({ handleKeys: 'keys' })
  assert.equal(checked.code, 1)
  assert.match(found(checked, 'handle-keys').summary, /"2026-01-01": want=32 octets got=5/)
  for (const name of ['2026-01-01', '2026-02-01']) {
    await writeFile(join(folder, 'keys', name), randomBytes(32))
  }
  const good = found(await check({ handleKeys: 'keys' }), 'handle-keys')
  assert.equal(good.status, 'ok')
  assert.match(good.summary, /^2 keys, [0-9a-f]{8} seals, [0-9a-f]{8} opens$/)
})

test('without --json it is a page for people', async () => {
  await check()
  let out = ''
  const code = await run(['gateway', 'check', join(folder, 'gateway.yaml')], {
    out: (text) => (out += text),
    err: () => {},
    signal: new AbortController().signal,
  })
  assert.equal(code, 0)
  assert.match(out, /^ok {6}upstream files {11}proved to be /m)
  assert.match(out, /^6 ok, 1 warning, 0 problems$/m)
})

test('a file that is not there is an error of the command line', async () => {
  let err = ''
  const code = await run(['gateway', 'check', join(folder, 'none.yaml')], {
    out: () => {},
    err: (text) => (err += text),
    signal: new AbortController().signal,
  })
  assert.equal(code, 2)
  assert.match(err, /none\.yaml.*\(cli\/usage\)/)
})
