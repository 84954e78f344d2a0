import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  chooseToolServers,
  isAccepted,
  type Chosen,
  type ToolServer,
  type ToolServerSpec,
} from '../../../src/gateway/upstream/tool-server.ts'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'
import { parseTrustDomain } from '../../../src/identity/trust-domain.ts'
import { requirement } from '../../requirements.ts'

const trustDomain = parseTrustDomain('test.example')
const ownNamespace = 'countersign-system'

type Spec = Partial<ToolServerSpec>

function toolServer(place: string, spec: Spec = {}, createdAt = 1): ToolServer {
  const [namespace = '', name = ''] = place.split('/')
  return {
    namespace,
    name,
    createdAt,
    generation: 3,
    spec: {
      namespace: undefined,
      service: { name: 'tools', port: 443, path: '/mcp' },
      serviceAccount: name,
      eras: ['modern'],
      timeoutSeconds: 60,
      pins: undefined,
      trustOnFirstUse: false,
      scopes: undefined,
      prompts: undefined,
      resources: undefined,
      limits: undefined,
      ...spec,
    },
  }
}

function choose(
  toolServers: readonly ToolServer[],
  configured: Chosen['configs'] = [],
  definitions = { production: false, remembers: false },
): Chosen {
  return chooseToolServers(toolServers, { trustDomain, ownNamespace, configured, definitions })
}

function served({ configs }: Chosen): readonly string[] {
  return configs.map(({ server, url, spiffeId }) => `${server} ${url} ${spiffeId.uri}`)
}

function refusedOf({ verdicts }: Chosen): readonly string[] {
  return verdicts
    .filter((verdict) => !isAccepted(verdict))
    .map(({ object, reason, message }) => `${object} ${reason}: ${message}`)
}

test('a tool server speaks for its own namespace, which stands before its name', () => {
  requirement('gateway.tool-server-of-its-namespace')
  const chosen = choose([toolServer('research/search', { serviceAccount: 'finder' })])
  assert.deepEqual(served(chosen), [
    'research--search https://tools.research.svc:443/mcp spiffe://test.example/ns/research/sa/finder',
  ])
  assert.deepEqual(chosen.verdicts, [
    {
      object: 'research/search',
      generation: 3,
      reason: 'Accepted',
      message:
        'served as research--search, which has to prove spiffe://test.example/ns/research/sa/finder',
    },
  ])
})

test('in production each has pins or is trusted on first use, where that can be remembered', () => {
  requirement('gateway.definitions-approved-in-production')
  const pins = { find: 'a'.repeat(64) }
  const all = [
    toolServer('a/plain'),
    toolServer('a/pinned', { pins }),
    toolServer('a/first', { trustOnFirstUse: true }),
  ]
  const chosenBy = (production: boolean, remembers: boolean): readonly string[] =>
    refusedOf(choose(all, [], { production, remembers }))
  const unpinned =
    'a/plain Invalid: spec.pins: required by a gateway in production, or spec.trustOnFirstUse: true'
  const forgotten =
    'a/first Invalid: spec.trustOnFirstUse: the gateway has no firstUseFolder, where first use is remembered'
  assert.deepEqual(chosenBy(true, true), [unpinned])
  assert.deepEqual(chosenBy(false, true), [])
  assert.deepEqual(chosenBy(false, false), [forgotten])
  assert.deepEqual(chosenBy(true, false), [forgotten, unpinned])
})

test('what is known of it takes the share of its namespace, and of one in that of the gateway the share of operators', () => {
  requirement('gateway.catalogues-bounded')
  const { configs } = choose([
    toolServer('research/search', { serviceAccount: 'finder' }),
    toolServer('countersign-system/github', { namespace: 'tools', serviceAccount: 'gh' }),
  ])
  const namespaces = configs.map(({ server, namespace }) => [server, namespace])
  assert.deepEqual(Object.fromEntries(namespaces), {
    'research--search': 'research',
    github: undefined,
  })
})

test('in the namespace of the gateway it has its plain name, and may speak for another', () => {
  const chosen = choose([
    toolServer('countersign-system/github', { namespace: 'tools', serviceAccount: 'gh' }),
  ])
  assert.deepEqual(served(chosen), [
    'github https://tools.tools.svc:443/mcp spiffe://test.example/ns/tools/sa/gh',
  ])
})

for (const [what, place, spec, why] of [
  [
    'another namespace',
    'research/search',
    { namespace: 'payments' },
    'NamespaceNotAllowed: spec.namespace: want=its own, or a ToolServer in countersign-system got=payments',
  ],
  [
    'a name that says it is of another',
    'a/b--c',
    {},
    'Invalid: metadata.name: want=a name without --',
  ],
  [
    'a name that none may say',
    'countersign-system/a--b',
    {},
    'Invalid: metadata.name: want=a name without --',
  ],
  [
    'a namespace with the mark',
    'a--b/c',
    {},
    'Invalid: metadata.namespace: want=a name without --',
  ],
  [
    'too long a name',
    `research/${'x'.repeat(60)}`,
    {},
    `Invalid: metadata.name: want=at most 63 letters, digits and dashes got=research--${'x'.repeat(60)}`,
  ],
  [
    'a name with a dot',
    'research/a.b',
    {},
    'Invalid: metadata.name: want=at most 63 letters, digits and dashes got=research--a.b',
  ],
] as const) {
  test(`a tool server with ${what} is not served`, () => {
    requirement('gateway.tool-server-of-its-namespace')
    const good = toolServer('research/good')
    const chosen = choose([toolServer(place, spec), good])
    assert.deepEqual(
      chosen.configs.map(({ server }) => server),
      ['research--good'],
    )
    assert.deepEqual(refusedOf(chosen), [`${place} ${why}`])
  })
}

test('its scopes are of its own name, and what cannot be one is refused by its field', () => {
  requirement('gateway.scopes-of-a-server')
  const limits = { upstreamConnectionsMax: 2 }
  const chosen = choose([
    toolServer('research/search', { scopes: ['read_*'], limits }),
    toolServer('research/odd', { scopes: ['other:*'] }),
    toolServer('research/none', { scopes: [] }),
    toolServer('research/open', { prompts: ['a*'], resources: ['repo://docs*'] }),
  ])
  assert.deepEqual(
    chosen.configs.map(({ scopes, limits: own }) => [scopes?.map(({ text }) => text), own]),
    [[['research--search:read_*'], limits]],
  )
  assert.deepEqual(
    refusedOf(chosen).map((line) => line.slice(0, 60)),
    [
      'research/none Invalid: spec.scopes: list of tool scopes is empty',
      'research/odd Invalid: spec.scopes: tool of a tool scope is not',
      'research/open Invalid: spec.resources: prefix of resources does not',
    ].map((line) => line.slice(0, 60)),
  )
})

test('what the configuration names is taken by no tool server', () => {
  requirement('gateway.tool-server-of-its-namespace')
  const configured = {
    server: 'github',
    url: 'https://github.tools.svc/mcp',
    spiffeId: parseSpiffeId('spiffe://test.example/ns/tools/sa/github'),
    eras: ['modern'],
  } as const
  const byName = toolServer('countersign-system/github', { serviceAccount: 'other' })
  const byIdentity = toolServer('tools/mine', { serviceAccount: 'github' })
  const chosen = choose([byName, byIdentity], [configured])
  assert.deepEqual(chosen.configs, [configured])
  assert.deepEqual(refusedOf(chosen), [
    'countersign-system/github NameTaken: metadata.name: want=each server named once got=github',
    'tools/mine SpiffeIdTaken: spec.serviceAccount: want=a SPIFFE ID for each server got=spiffe://test.example/ns/tools/sa/github of github and tools--mine',
  ])
})

test("of two with one identity an operator's is served, then the older one", () => {
  const younger = toolServer('tools/younger', { serviceAccount: 'gh' }, 3)
  const older = toolServer('tools/older', { serviceAccount: 'gh' }, 2)
  const operators = toolServer(
    'countersign-system/gh',
    { namespace: 'tools', serviceAccount: 'gh' },
    9,
  )
  const names = (chosen: Chosen): readonly string[] => chosen.configs.map(({ server }) => server)
  assert.deepEqual(names(choose([younger, older])), ['tools--older'])
  assert.deepEqual(names(choose([younger, older, operators])), ['gh'])
})

test('one namespace has 32 tool servers at most, the cluster 1,000, and those beyond are named', () => {
  const greedy = Array.from({ length: 40 }, (_, at) => toolServer(`greedy/s${at}`, {}, at))
  const other = toolServer('research/good', {}, 99)
  const few = choose([...greedy, other])
  assert.equal(few.configs.length, 33)
  assert.equal(few.configs.at(-1)?.server, 'research--good')
  assert.equal(
    refusedOf(few)[0],
    'greedy/s32 TooMany: metadata.namespace: want=at most 32 ToolServers in a namespace',
  )
  const own = Array.from({ length: 1001 }, (_, at) => toolServer(`${ownNamespace}/s${at}`, {}, at))
  const many = choose(own)
  assert.equal(many.configs.length, 1000)
  assert.deepEqual(refusedOf(many), [
    `${ownNamespace}/s1000 TooMany: metadata.namespace: want=at most 1000 ToolServers in the cluster`,
  ])
})

test('one that cannot be read is refused with what is wrong with it, and counts for its namespace', () => {
  const spec = 'spec.service: want=object got=undefined'
  const chosen = choose([
    { ...toolServer('tools/odd'), spec },
    ...Array.from({ length: 32 }, (_, at) => toolServer(`tools/s${at}`, {}, 2 + at)),
  ])
  assert.equal(refusedOf(chosen)[0], `tools/odd Invalid: ${spec}`)
  assert.match(refusedOf(chosen)[1] ?? '', /^tools\/s31 TooMany: /)
})
