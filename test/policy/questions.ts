/** Data and questions for engines of one policy: near what is granted, and with odd values in every place. The same seed, the same ones. */
import { entrypoints } from '../../src/policy/engine.ts'

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }
type Fields = Record<string, Json>

export interface Question {
  readonly entrypoint: string
  readonly input: object
}

export interface Questions {
  data(): object
  /** Some are calls that this data allows. */
  question(data: object): Question
}

const words = ['read_file', 'write_file', 'tool_1', 'tool_2', 'drop_x', 'branch', 'main', 'a', 'b']
const odd = [
  '',
  '*',
  ':',
  'files:',
  ':*',
  '__proto__',
  'constructor',
  'toString',
  'é',
  '\u{1f600}',
  '\ufffd',
  'a\0b',
  '0',
  '\n',
  'x'.repeat(129),
]
const numbers = [
  0,
  -0,
  1,
  -1,
  0.1,
  0.3,
  1e21,
  1e-7,
  2 ** 53,
  -(2 ** 53),
  2 ** 53 + 2,
  1.5,
  123456789012345680000,
  5e-324,
  1e300,
]
const servers = ['files', 'mail', 'git', '__proto__']
const tools = [
  'read_file',
  'read_',
  'write_file',
  'tool_1',
  'drop_x',
  'constructor',
  'READ_FILE',
  'bad name',
  'é',
  '',
  'x'.repeat(128),
  'x'.repeat(129),
  'a.b-c_d',
]
const prefixes = ['read_', 'write_', 'w', '', 'tool_', 'x', 'con']
const tenants = ['acme', 'other', '__proto__', 'constructor', 'none']
const roles = ['agent', 'model-gateway', 'tool-broker', 'tool-server', 'admin']
const holders = [
  'spiffe://example.test/ns/a/sa/b',
  'spiffe://example.test/ns/research/sa/reader',
  '',
]
const uris = [
  'file:///a/b',
  'file:///a/../b',
  'file:///a/%2e%2e',
  'https://x.test/y',
  'urn:z',
  'file:///{p}',
  'x',
  '',
]
const uriPrefixes = ['file:///a/', 'file:///', 'https://x.test/', 'urn:', '', 'file']
const methods = [
  'tools/call',
  'initialize',
  'tools/list',
  'ping',
  'prompts/get',
  'resources/read',
  'completion/complete',
  'x',
]

export function createQuestions(seed: number): Questions {
  const random = createRandom(seed)
  const chance = (share: number): boolean => random() < share
  const upTo = (count: number): number => Math.floor(random() * count)
  const pick = <T>(all: readonly T[]): T => all[upTo(all.length)] as T
  const many = <T>(count: number, make: () => T): T[] => Array.from({ length: upTo(count) }, make)
  const fields = (count: number, name: () => string, value: () => Json): Fields =>
    Object.fromEntries(many(count, () => [name(), value()]))

  function anything(depth = 0): Json {
    if (depth > 2 || chance(0.5))
      return pick<Json>([null, chance(0.5), pick(numbers), pick(odd), pick(words)])
    const more = (): Json => anything(depth + 1)
    return chance(0.5) ? many(4, more) : fields(4, () => pick([...words, ...odd]), more)
  }
  /** Now and then what nobody expects there. */
  const mostly = (make: () => Json, share = 0.02): Json => (chance(share) ? anything() : make())
  /** Now and then without a member, or with another one. */
  const thinned = (members: Fields, share = 0.03): Fields =>
    Object.fromEntries(
      Object.entries(members)
        .filter(() => !chance(share))
        .map(([name, value]) => [name, chance(share / 2) ? anything() : value]),
    )

  const argument = (): Json => mostly(() => pick<Json>(['main', 'next', 1, true, null, 0.1]), 0.2)
  const conditions = (): Json =>
    mostly(() => {
      if (chance(0.4)) return {}
      const given = fields(
        3,
        () => pick(['branch', 'path', 'n', '__proto__']),
        () => many(4, argument),
      )
      return thinned({ arguments: given })
    }, 0.04)
  const named = (names: readonly string[], value: () => Json): Json =>
    fields(6, () => pick(names), value)
  const nothing = (): Json => mostly(() => ({}), 0.05)
  const granted = (): Json =>
    mostly(() =>
      thinned({
        tools: named(tools, conditions),
        prefixes: named(prefixes, conditions),
        prompts: thinned({
          names: named(tools, conditions),
          prefixes: named(prefixes, conditions),
        }),
        resources: thinned({ uris: named(uris, nothing), prefixes: named(uriPrefixes, nothing) }),
      }),
    )
  const holder = (): Json => mostly(() => fields(4, () => pick(servers), granted))

  function data(): Fields {
    const grants = {
      tenants: fields(5, () => pick(tenants), holder),
      subjects: fields(3, () => pick(holders), holder),
    }
    const lifetime = {
      agent: mostly(() => pick([600, 3600, 1.5, -1, 1e21]), 0.05),
      'tool-broker': 60,
    }
    return thinned(
      {
        grants: mostly(() => thinned(grants, 0.02)),
        issuance: mostly(() =>
          thinned({
            denied_namespaces: { evil: true, maybe: false },
            lifetime_seconds_max: lifetime,
          }),
        ),
        log: mostly(() => (chance(0.3) ? { arguments: pick(['plain', 'Plain', 1]) } : {})),
      },
      0.01,
    )
  }

  const scope = (): Json =>
    mostly(() => `${pick(servers)}:${chance(0.5) ? pick(tools) : `${pick(prefixes)}*`}`)
  const subject = (more: Fields = {}): Json =>
    mostly(() =>
      thinned({
        type: 'identity',
        id: pick(holders),
        properties: mostly(() =>
          thinned({
            role: chance(0.8) ? 'agent' : pick(roles),
            tenant: pick(tenants),
            models: ['small'],
            toolScopes: many(6, scope),
            namespace: pick(['research', 'evil', 'maybe', '']),
            ...more,
          }),
        ),
      }),
    )
  const resource = (): Json =>
    mostly(() => {
      const [type, names] = pick([
        ['tool', tools],
        ['tool', tools],
        ['prompt', tools],
        ['resource', uris],
        ['resource_template', uris],
        ['mcp_server', servers],
      ] as const)
      return thinned({
        type,
        id: pick<string>(names),
        properties: thinned({ server: pick(servers), definitionDigest: 'x' }),
      })
    })
  const context = (given: Json): Fields =>
    thinned({
      arguments: given,
      era: 'modern',
      time: '2026-01-01T00:00:00Z',
      door: pick(['mcp', 'mcp/files']),
      phase: 'request',
    })
  const stray = (): Fields =>
    thinned({
      subject: subject(),
      action: mostly(() => ({ name: pick(methods) })),
      resource: resource(),
      context: context(mostly(() => fields(4, () => pick(['branch', 'path', 'n']), argument), 0.1)),
    })

  /** A call near something that is granted, if anything is. */
  function near(given: object): Fields {
    const at = (value: unknown): [string, unknown] =>
      pick(Object.entries(value ?? {})) ?? ['', undefined]
    const [tenant, held] = at((given as { grants?: { tenants?: unknown } }).grants?.tenants)
    const [server, offered] = at(held)
    const { tools: exact, prefixes: begun } = (offered ?? {}) as {
      tools?: unknown
      prefixes?: unknown
    }
    const [name, meant] = chance(0.6) ? at(exact) : at(begun)
    const tool = chance(0.7) ? name : `${name}${pick(['a', 'file', '1'])}`
    const { arguments: wanted } = (meant ?? {}) as { arguments?: unknown }
    const words = Object.entries(wanted ?? {}).map(([key, values]) => [
      key,
      Array.isArray(values) && values.length > 0 && chance(0.9)
        ? pick(values as Json[])
        : argument(),
    ])
    const ceiling = [scope(), `${server}:${chance(0.5) ? tool : `${tool.slice(0, upTo(4))}*`}`]
    return {
      subject: subject({ role: 'agent', tenant, toolScopes: ceiling }),
      action: { name: 'tools/call' },
      resource: { type: 'tool', id: tool, properties: { server } },
      context: context(Object.fromEntries(words) as Json),
    }
  }

  function call(given: object): Fields {
    return chance(0.6) ? near(given) : stray()
  }
  function list(given: object): Fields {
    const calls = many(8, () => call(given))
    const { resource: _, ...rest } = call(given)
    return { ...rest, resources: calls.map((each) => each['resource'] ?? null) }
  }
  const makers: Readonly<Record<string, (given: object) => object>> = {
    [entrypoints.decision]: call,
    [entrypoints.list]: list,
    [entrypoints.mask]: (given) =>
      thinned({
        input: chance(0.7) ? call(given) : list(given),
        result: anything(),
        digests: chance(0.8) ? { arguments: { sha256: 'x', octets: 3 } } : {},
      }),
    [entrypoints.issuance]: () => thinned({ subject: subject() }),
  }
  return {
    data,
    question(given) {
      const [entrypoint, make] = pick(Object.entries(makers))
      return { entrypoint, input: make(given) }
    },
  }
}

/** Mulberry32. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
