/**
 * Sends requests through a gateway and asks `opa eval` about the same: `npm run test:differential [-- --seed <n>] [--requests <n>]`. What
 * policy has answered in the gateway has to be what OPA says of the rules as they are written, of each request and each list.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual, parseArgs } from 'node:util'
import { textOf } from '../../src/policy/asked.ts'
import { initializeParams, legacy, modern, type TestClient } from '../gateway/world/client.ts'
import type { Wanted } from '../gateway/world/identities.ts'
import { answerBoth, sendJson, type Answer } from '../gateway/world/upstream.ts'
import { openWorld, type World } from '../gateway/world/world.ts'
import { toolPath } from './build.ts'

const policies = join(import.meta.dirname, '..', '..', 'policies')
const servers = ['files', 'web'] as const
const tools = ['echo', 'big', 'delete', 'secret', 'issues_open', 'issues_close', 'issues_admin_x']
const prompts = ['review', 'triage_new', 'quiet', 'hidden']
const uris = [
  'file:///srv/docs/a',
  'file:///srv/docs/b/c',
  'repo://a/readme',
  'https://a.example/x',
]
const templates = ['repo://{owner}/{name}', 'file:///srv/{path}', 'https://b.example/{x}']

const ofFiles = {
  tools: {
    echo: {},
    big: { arguments: { n: [1, 2], path: ['a', 'é'] } },
    delete: { arguments: { what: ['draft'] } },
    issues_close: {},
  },
  prefixes: { issues_: { arguments: { repository: ['acme/website'] } }, issues_admin_: {} },
  prompts: { names: { review: {}, quiet: { arguments: { a: ['x'] } } }, prefixes: { triage_: {} } },
  resources: {
    uris: { 'repo://a/readme': {}, 'repo://{owner}/{name}': {} },
    prefixes: { 'file:///srv/docs/': {}, 'https://a.example/': {} },
  },
}
const ofWeb = { tools: {}, prefixes: { '': {} }, prompts: { names: {}, prefixes: { '': {} } } }
const janitor = 'spiffe://test.example/ns/agents/sa/janitor'
const grants = {
  tenants: {
    acme: { files: ofFiles, web: ofWeb },
    zeta: { web: { tools: { big: {} }, prefixes: {} } },
  },
  subjects: { [janitor]: { files: { tools: { secret: {}, delete: {} }, prefixes: {} } } },
}

const callers: readonly Wanted[] = [
  { toolScopes: 'files:*,web:*' },
  { toolScopes: 'files:echo,files:issues_*' },
  { toolScopes: 'web:*', tenant: 'zeta' },
  { toolScopes: 'files:*', serviceAccount: 'janitor' },
  { toolScopes: 'files:*,web:*', role: 'inference-worker' },
  { toolScopes: 'files:*,web:big', tenant: 'nobody' },
]

/** Mulberry32: the same numbers for the same seed. */
function createChance(seed: number): { below(most: number): number; of<T>(all: readonly T[]): T } {
  let state = seed >>> 0
  const below = (most: number): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % most
  }
  return { below, of: (all) => all[below(all.length)] as (typeof all)[number] }
}

type Chance = ReturnType<typeof createChance>

const items = {
  'tools/list': ['tools', tools.map((name) => ({ name, inputSchema: { type: 'object' } }))],
  'prompts/list': ['prompts', prompts.map((name) => ({ name }))],
  'resources/list': ['resources', uris.map((uri) => ({ uri, name: uri }))],
  'resources/templates/list': [
    'resourceTemplates',
    templates.map((uriTemplate) => ({ uriTemplate, name: uriTemplate })),
  ],
} as const

const answer: Answer = (message, response, request) => {
  const [member, list] = items[message.method as keyof typeof items] ?? []
  if (member === undefined) {
    answerBoth()(message, response, request)
    return
  }
  const isModern = request.headers['mcp-protocol-version'] === '2026-07-28'
  const more = isModern ? { resultType: 'complete' } : {}
  const result = { ...more, [member]: list }
  sendJson(response, JSON.stringify({ jsonrpc: '2.0', id: message.id, result }))
}

type Params = Record<string, unknown>
type Door = 'mcp' | `mcp/${string}`

/** What of a method is generated: its parameters, at a door. */
const generators: Readonly<Record<string, (chance: Chance, at: Naming) => Params>> = {
  'server/discover': () => ({}),
  initialize: () => initializeParams,
  ping: () => ({}),
  'tools/list': () => ({}),
  'prompts/list': () => ({}),
  'resources/list': () => ({}),
  'resources/templates/list': () => ({}),
  'tools/call': (chance, { named }) => ({
    name: named(chance.of(tools)),
    arguments: argumentsBy(chance),
  }),
  'prompts/get': (chance, { named }) => ({
    name: named(chance.of([...prompts, 'none'])),
    arguments: chance.of([{}, { a: 'x' }, { a: 'y' }]),
  }),
  'resources/read': (chance, { at }) => ({ uri: at(chance.of([...uris, 'file:///etc/passwd'])) }),
  'completion/complete': (chance, { named, at }) => ({
    ref: chance.of([
      { type: 'ref/prompt', name: named(chance.of(prompts)) },
      { type: 'ref/resource', uri: at(chance.of(templates)) },
    ]),
    argument: { name: 'a', value: 'x' },
  }),
  'logging/setLevel': (chance) => ({ level: chance.of(['debug', 'error']) }),
}

interface Naming {
  readonly named: (name: string) => string
  readonly at: (uri: string) => string
}

const modernOnly = new Set(['server/discover'])
const legacyOnly = new Set(['initialize', 'ping', 'logging/setLevel'])

function argumentsBy(chance: Chance): Params {
  const names = ['n', 'path', 'what', 'repository', 'other']
  const values = [
    1,
    2,
    3,
    -0.5,
    'a',
    'é',
    'draft',
    'acme/website',
    true,
    null,
    [],
    {},
    [1, 'a'],
    { x: { y: [] } },
  ]
  const count = chance.below(4)
  return Object.fromEntries(
    Array.from({ length: count }, () => [chance.of(names), chance.of(values)]),
  )
}

function namingAt(door: Door, server: string): Naming {
  return door === 'mcp'
    ? { named: (name) => `${server}_${name}`, at: (uri) => `${server}+${uri}` }
    : { named: (name) => name, at: (uri) => uri }
}

async function sessionOf(agent: TestClient, door: Door): Promise<string> {
  const { body, headers } = legacy('initialize', initializeParams)
  const reply = await agent.post(`/${door}`, body, headers)
  return String(reply.headers['mcp-session-id'] ?? '')
}

/** Sends one request of some caller. */
async function sendOne(chance: Chance, agents: readonly TestClient[]): Promise<string> {
  const agent = chance.of(agents)
  const server = chance.of(servers)
  const door = chance.of<Door>(['mcp', `mcp/${server}`])
  // Half of them are calls of tools, which have most to be decided on.
  const method = chance.below(2) === 0 ? 'tools/call' : chance.of(Object.keys(generators))
  const params = generators[method]?.(chance, namingAt(door, server)) ?? {}
  const isLegacy = legacyOnly.has(method) || (!modernOnly.has(method) && chance.below(2) === 0)
  const session = isLegacy && method !== 'initialize' ? await sessionOf(agent, door) : ''
  const { body, headers } = isLegacy
    ? legacy(method, params, session === '' ? {} : { session })
    : modern(method, params)
  await agent.post(`/${door}`, body, headers)
  return method
}

interface Question {
  readonly rule: 'decision' | 'list'
  readonly input: unknown
  readonly answer: unknown
}

/** What policy was asked in the gateway, and what it has said. What was refused before it was asked is none of it. */
function questionsOf(events: World['events']): readonly Question[] {
  return events.flatMap(({ path, evaluated }) => {
    const rule = /^countersign\/mcp\/(decision|list)$/.exec(path)?.[1] as
      Question['rule'] | undefined
    if (rule === undefined) return []
    return [
      { rule, input: JSON.parse(textOf(evaluated.asked)) as unknown, answer: evaluated.result },
    ]
  })
}

const program = `package differential

answers[index] := answer if {
	some index, question in data.differential_questions
	question.rule == "decision"
	answer := data.countersign.mcp.decision with input as question.input
}

answers[index] := answer if {
	some index, question in data.differential_questions
	question.rule == "list"
	answer := data.countersign.mcp.list with input as question.input
}
`

/** The answers of the real OPA, by the number of the question; what it leaves undefined is not there. */
function askOpa(opa: string, questions: readonly Question[]): ReadonlyMap<number, unknown> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-differential-'))
  try {
    const asked = questions.map(({ rule, input }) => ({ rule, input }))
    writeFileSync(
      join(folder, 'data.json'),
      JSON.stringify({ differential_questions: asked, grants }),
    )
    writeFileSync(join(folder, 'differential.rego'), program)
    const others = ['limits', 'issuance', 'log'].map((root) => [root, {}])
    writeFileSync(join(folder, 'others.json'), JSON.stringify(Object.fromEntries(others)))
    const data = [
      join(policies, 'countersign'),
      ...['data.json', 'others.json', 'differential.rego'].map((name) => join(folder, name)),
    ]
    const words = ['eval', '--format', 'json', ...data.flatMap((each) => ['--data', each])]
    const done = spawnSync(opa, [...words, 'data.differential.answers'], {
      encoding: 'utf8',
      maxBuffer: 256 * 1024 * 1024,
    })
    if (done.status !== 0) throw new Error(`opa eval: ${done.stderr}${done.stdout}`)
    const { result } = JSON.parse(done.stdout) as {
      readonly result: readonly { readonly expressions: readonly { readonly value: object }[] }[]
    }
    const value = result[0]?.expressions[0]?.value ?? {}
    return new Map(Object.entries(value).map(([index, answered]) => [Number(index), answered]))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** What came from a set has no order. */
function inOrder(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (!Array.isArray(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, inOrder(each)]))
  }
  return value
    .map(inOrder)
    .toSorted((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1))
}

async function ask(seed: number, requests: number): Promise<readonly Question[]> {
  const chance = createChance(seed)
  await using world = await openWorld({
    grants,
    answers: { files: answer, web: answer },
    limits: { listSecondsMax: 0 },
  })
  const agents = await Promise.all(callers.map((wanted) => world.agent(wanted)))
  const methods = new Map<string, number>()
  for (let sent = 0; sent < requests; sent += 1) {
    const method = await sendOne(chance, agents)
    methods.set(method, (methods.get(method) ?? 0) + 1)
  }
  const missing = Object.keys(generators).filter((method) => !methods.has(method))
  if (missing.length > 0) throw new Error(`no request was made of ${missing.join(', ')}`)
  return questionsOf(world.events)
}

async function compare(opa: string, seed: number, requests: number): Promise<boolean> {
  const questions = await ask(seed, requests)
  const answers = askOpa(opa, questions)
  const differing = questions.filter(({ answer: ours }, index) => {
    return !isDeepStrictEqual(inOrder(ours), inOrder(answers.get(index)))
  })
  for (const question of differing.slice(0, 5)) {
    const theirs = answers.get(questions.indexOf(question))
    console.error(JSON.stringify({ ...question, opa: theirs }))
  }
  const allowed = questions.filter(
    ({ answer: ours }) => (ours as { allow?: boolean }).allow === true,
  )
  const lists = questions.filter(({ rule }) => rule === 'list')
  console.log(
    `seed ${seed}: ${requests} requests, ${questions.length} decided by policy, of them ${lists.length} lists and ${allowed.length} permits; ${differing.length} differ from opa eval`,
  )
  return differing.length === 0 && questions.length > requests / 2 && allowed.length > 0
}

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    requests: { type: 'string', default: '1000' },
  },
})
const path = toolPath('opa')
if (path === undefined) {
  console.error('opa is not built: npx node test/tools/build.ts opa')
  process.exitCode = 1
} else if (!(await compare(path, Number(values.seed), Number(values.requests))))
  process.exitCode = 1
