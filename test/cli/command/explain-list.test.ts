import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { stringify } from 'yaml'
import { run } from '../../../src/cli/program.ts'
import { answerBoth, sendJson, toolTexts, type Answer } from '../../gateway/world/upstream.ts'
import { digestDefinition } from '../../support/digest-definition.ts'
import { files, identities, ofFolder, openToolServerFolder } from '../tool-server-folder.ts'
import { startFakeApiServer } from '../../support/fake-api-server.ts'
import { requirement } from '../../requirements.ts'

const crawler = `spiffe://${ofFolder.trustDomain}/ns/research/sa/crawler`

const prompts = ['{"name":"review"}', '{"name":"triage_all"}', '{"title":"no name"}']
const resources = ['{"uri":"file:///srv/docs/a"}', '{"uri":"file:///srv/keys"}']

/** Prompts and resources beside its tools; it knows no templates. */
const answer: Answer = (message, response, request) => {
  const lists: Readonly<Record<string, string>> = {
    'prompts/list': `"prompts":[${prompts.join()}]`,
    'resources/list': `"resources":[${resources.join()}]`,
  }
  const list = lists[message.method]
  const id = JSON.stringify(message.id)
  if (list !== undefined) {
    sendJson(response, `{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete",${list}}}`)
  } else if (message.method === 'resources/templates/list') {
    const text = `{"jsonrpc":"2.0","id":${id},"error":{"code":${templatesError},"message":"no"}}`
    sendJson(response, text)
  } else answerBoth()(message, response, request)
}
let templatesError = -32601

const stage = await openToolServerFolder(answer)
const { folder, upstream } = stage
const file = join(folder, 'gateway.yaml')

before(async () => {
  const granted = {
    tools: { echo: {}, big: {} },
    prompts: { names: { review: {} } },
    resources: { prefixes: { 'file:///srv/docs/': {} } },
  }
  const grants = { tenants: { acme: { files: granted } } }
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
    upstreams: [
      { ...server, scopes: ['echo', 'big', 'delete'], resources: ['file:///srv/docs/*'] },
    ],
    policy: { data: ['grants.json'] },
    decisionLog: { file: 'decisions.jsonl' },
  }
  await writeFile(file, stringify(config))
})

after(() => stage[Symbol.asyncDispose]())

function explain(...more: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  return explainOf(crawler, ...more)
}

async function explainOf(
  ...words: readonly string[]
): Promise<{ code: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const code = await run(['gateway', 'explain-list', '--config', file, ...words], {
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

interface Told {
  readonly identity: string
  readonly role: string | null
  readonly tenant: string | null
  readonly toolScopes: readonly string[]
  readonly tools: readonly Explained[]
}

interface Offers {
  readonly prompts: readonly ExplainedOffer[]
  readonly resources: readonly ExplainedOffer[]
  readonly resourceTemplates: readonly ExplainedOffer[]
}

type ExplainedOffer = Omit<Explained, 'tool'> & { readonly name: string }

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

test('prompts, resources and templates are explained as their lists are decided', async () => {
  requirement('gateway.lists-explained')
  const of = async (...more: readonly string[]): Promise<readonly string[]> => {
    const document = JSON.parse((await explain('--json', ...more)).out) as Offers
    assert.deepEqual(document.resourceTemplates, [])
    return [...document.prompts, ...document.resources].map(({ name, shown, by, reasons }) =>
      shown ? `${name} shown` : `${name} ${by} ${reasons[0]?.code}`,
    )
  }
  assert.deepEqual(await of('--tenant', 'acme', '--tool-scopes', 'files:none'), [
    'review shown',
    'triage_all policy not-granted',
    'file:///srv/docs/a shown',
    'file:///srv/keys ceiling outside-server-scopes',
  ])
  assert.deepEqual(await of('--tenant', 'acme', '--tool-scopes', 'web:*'), [
    'review ceiling outside-ceiling',
    'triage_all ceiling outside-ceiling',
    'file:///srv/docs/a ceiling outside-ceiling',
    'file:///srv/keys ceiling outside-ceiling',
  ])
})

test('a list that fails is told, and is no empty one', async (t) => {
  t.after(() => (templatesError = -32601))
  templatesError = -32603
  const { code, out, err } = await explain('--json')
  assert.equal(code, 1)
  assert.match(err, /files: modern: resources\/templates\/list: bad answer/)
  assert.equal((JSON.parse(out) as { failures: readonly unknown[] }).failures.length, 1)
})

const identity = { name: 'crawler', tenant: 'acme', scopes: 'files:*,web:find' }

/** What `kubectl get ns/… sa/… pod/… -o json` prints. */
function objects({
  labels = {},
  asks = { 'countersign.dev/tool-scopes': 'files:echo' },
}: { readonly labels?: object; readonly asks?: object } = {}): readonly object[] {
  const metadata = (name: string, more: object): object => ({
    name,
    uid: `${name}-uid`,
    resourceVersion: '1',
    ...more,
  })
  const granted = {
    'countersign.dev/tenant': identity.tenant,
    'roles.countersign.dev/agent': 'allow',
    'tools.countersign.dev/files': 'allow',
    ...labels,
  }
  const role = { 'countersign.dev/role': 'agent' }
  const annotations = { 'countersign.dev/tool-scopes': identity.scopes }
  const source = { signerName: 'countersign.dev/identity', keyType: 'ECDSAP256' }
  const podCertificate = { ...source, userAnnotations: asks }
  const volumes = [{ name: 'identity', projected: { sources: [{ podCertificate }] } }]
  const namespace = 'research'
  return [
    { kind: 'Namespace', metadata: metadata('research', { labels: granted }) },
    {
      kind: 'ServiceAccount',
      metadata: metadata('crawler', { namespace, labels: role, annotations }),
    },
    {
      kind: 'Pod',
      metadata: metadata('crawler-0', { namespace }),
      spec: { serviceAccountName: 'crawler', volumes },
    },
  ]
}

async function lookedUp(
  name: string,
  items: readonly object[] = objects(),
): Promise<{ code: number; err: string; told: string; tools: readonly string[] }> {
  const given = join(folder, 'objects.json')
  await writeFile(given, JSON.stringify({ kind: 'List', items }))
  const { code, out, err } = await explainOf(name, '--objects', given, '--json')
  if (code !== 0) return { code, err, told: '', tools: [] }
  const { identity: id, role, tenant, toolScopes, tools } = JSON.parse(out) as Told
  const told = [id, role, tenant, ...toolScopes].join(' ')
  return { code, err, told, tools: tools.filter(({ shown }) => shown).map(({ tool }) => tool) }
}

test('a workload is looked up: what its namespace and its service account prove, and of a pod what it asks for', async () => {
  requirement('gateway.lists-explained')
  const any = await lookedUp('research/crawler')
  assert.equal(any.told, `${crawler} agent acme files:*`, any.err)
  assert.deepEqual(any.tools, ['echo'])
  const pod = await lookedUp('research/pods/crawler-0')
  assert.equal(pod.told, `${crawler} agent acme files:echo`, pod.err)
  const bare = await lookedUp(
    'research/crawler',
    objects({ labels: { 'roles.countersign.dev/agent': 'yes' } }),
  )
  assert.equal(bare.told, `${crawler}  acme files:*`)
  assert.deepEqual(bare.tools, [])
})

test('a pod that asks for more than is proved gets no certificate, and that is said', async () => {
  requirement('gateway.lists-explained')
  for (const [asks, what] of [
    [
      { 'countersign.dev/tool-scopes': 'web:find' },
      /its toolScopes "web:find" is not proved: label tools/,
    ],
    [{ 'countersign.dev/role': 'tool-broker' }, /its role "tool-broker" is not proved/],
    [{ 'countersign.dev/tenant': 'other' }, /its tenant "other" is not proved/],
    [{ 'countersign.dev/models': 'large' }, /its models "large" is not proved: /],
  ] as const) {
    const { code, err } = await lookedUp('research/pods/crawler-0', objects({ asks }))
    assert.equal(code, 2)
    assert.match(err, what)
  }
})

test('the API server is asked where no objects are given, and a missing right is named', async (t) => {
  const server = await startFakeApiServer()
  t.after(() => server[Symbol.asyncDispose]())
  const [ofNamespace, ofAccount] = objects()
  const look = ['research/crawler', '--kubeconfig', server.kubeconfig]
  server.script({ body: ofNamespace }, { body: ofAccount })
  const found = await explainOf(...look)
  assert.match(found.out, /role agent, tenant acme, tool scopes files:\*\n/, found.err)
  assert.deepEqual(
    server.requests.map(({ method, path }) => `${method} ${path}`),
    ['GET /api/v1/namespaces/research', 'GET /api/v1/namespaces/research/serviceaccounts/crawler'],
  )
  const forbidden = { kind: 'Status', reason: 'Forbidden', message: 'no', code: 403 }
  server.script({ body: ofNamespace }, { status: 403, body: forbidden })
  const refused = await explainOf(...look)
  assert.equal(refused.code, 2)
  assert.match(
    refused.err,
    /no right to get serviceaccounts here.*\nhint: kubectl get ns\/<namespace> sa/,
  )
})

test('a certificate is read, and it is of the identity that was named', async () => {
  const { chainPem, svid } = identities.issue({
    namespace: 'research',
    serviceAccount: 'crawler',
    role: 'agent',
    tenant: 'acme',
    toolScopes: 'files:echo',
  })
  const certificate = join(folder, 'crawler.pem')
  await writeFile(certificate, chainPem)
  const { out, err } = await explainOf('--certificate', certificate)
  assert.match(
    out,
    /^spiffe:.*: role agent, tenant acme, tool scopes files:echo\nshown .* files:echo\n/,
    err,
  )
  assert.equal((await explainOf(svid.spiffeId.uri, '--certificate', certificate)).code, 0)
  assert.equal((await explainOf(`${crawler}2`, '--certificate', certificate)).code, 2)
  assert.match((await explainOf('--certificate', file)).err, /has no certificate/)
})

for (const [what, words, message] of [
  ['nobody', [], /identity is missing/],
  ['no identity', ['Research Crawler'], /no identity: "Research Crawler"/],
  ['a pod without its namespace', ['pods/crawler-0'], /there is no Namespace "pods"/],
  ['another service account', ['research/other'], /there is no ServiceAccount "research\/other"/],
  ['another pod', ['research/pods/other'], /there is no Pod "research\/other"/],
  ['what is proved and told', ['research/crawler', '--role', 'agent'], /--role is not for/],
] as const) {
  test(`${what} is an error of usage`, async () => {
    const given = join(folder, 'objects.json')
    await writeFile(given, JSON.stringify({ kind: 'List', items: objects() }))
    const { code, err } = await explainOf(...words, '--objects', given)
    assert.equal(code, 2)
    assert.match(err, message)
  })
}

test('without --json it is a page for people', async () => {
  const { out } = await explain('--tenant', 'acme', '--tool-scopes', 'files:*')
  const who = `${crawler}: role agent, tenant acme, tool scopes files:*`
  assert.equal(out.split('\n')[0], who)
  assert.match(out, /^shown {17}modern {2}tool {6}files:echo$/m)
  assert.match(out, /^hidden by policy {6}modern {2}tool {6}files:delete {2}not-granted: /m)
  assert.match(out, /^shown {17}modern {2}prompt {4}files:review$/m)
})

test('what is no identity, no server or no scope is an error of usage', async () => {
  assert.equal((await explain('--server', 'web')).code, 2)
  assert.match((await explain('--server', 'web')).err, /no tool server "web"/)
  assert.notEqual((await explain('--tool-scopes', '*')).code, 0)
})
