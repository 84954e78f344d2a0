import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import type { z } from 'zod'
import { agentSchema } from '../src/cli/agent/agent-configuration.ts'
import { approverSchema } from '../src/cli/approver/approver-configuration.ts'
import { intermediateSchema } from '../src/cli/intermediate/intermediate-configuration.ts'
import { issuedSchema } from '../src/cli/issued/issued-configuration.ts'
import { gatewaySchema } from '../src/cli/gateway/gateway-configuration.ts'
import { signerSchema } from '../src/cli/signer/signer-configuration.ts'
import { limitRanges } from '../src/gateway/limits.ts'
import { createMetrics } from '../src/metrics.ts'
import manifest from '../package.json' with { type: 'json' }
import { mutations } from './mutations/table.ts'
import { requirements } from './requirements.ts'
import { citations } from './support/citations.ts'
import { filesUnder, readSourceFile, root } from './support/source-tree.ts'

const sources = [...filesUnder('src'), ...filesUnder('dev')].filter(({ path }) =>
  path.endsWith('.ts'),
)
const operating = readSourceFile('docs/OPERATING.md')

/** The first cells of the tables below a heading, without their backquotes. */
function rowsUnder(text: string, heading: string): readonly string[] {
  const section = text.split(/^##+ /m).find((part) => part.startsWith(`${heading}\n`))
  assert.ok(section, `want=a heading ${heading}`)
  return [...section.matchAll(/^\| `([^`]+)`/gm)].map(([, cell]) => cell ?? '')
}

function literals(path: string, typeName: string): readonly string[] {
  const { text } = readSourceFile(path)
  const union = text.split(`export type ${typeName} =`)[1]?.split(/\n\n/)[0] ?? ''
  return [...union.matchAll(/^ {2}\| '([^']+)'/gm)].map(([, literal]) => literal ?? '')
}

test('every error code has its row, under the heading of its room', () => {
  const documented = readSourceFile('docs/ERRORS.md')
    .text.split(/^## /m)
    .slice(1)
    .flatMap((section) => {
      const room = section.split('\n')[0]
      return [...section.matchAll(/^\| `([^`]+)`/gm)].map(([, code]) => `${room}: ${code}`)
    })
  const codes = literals('src/errors.ts', 'ErrorCode').map(
    (code) => `${code.split('/')[0]}: ${code}`,
  )
  assert.ok(codes.length > 40, `got=${codes.length}`)
  assert.deepEqual(documented.toSorted(), codes.toSorted())
})

test('every error code is used', () => {
  const users = sources.filter(({ path }) => path !== 'src/errors.ts')
  const unused = literals('src/errors.ts', 'ErrorCode').filter((code) => {
    const [room, what] = code.split('/')
    return !users.some(
      ({ text }) =>
        text.includes(`'${code}'`) ||
        // A file may put the room before what it found.
        (text.includes(`\`${room}/\${`) && text.includes(`'${what}'`)),
    )
  })
  assert.deepEqual(unused, [])
})

test('every metric is documented', () => {
  const names = literals('src/metrics.ts', 'MetricName')
  assert.ok(names.length > 10, `got=${names.length}`)
  assert.deepEqual(rowsUnder(operating.text, 'Metrics').toSorted(), names.toSorted())
})

test('every metric of the process is documented', async () => {
  const page = await createMetrics({ process: true }).page()
  const names = [...page.matchAll(/^# TYPE ((?:process|nodejs)_\w+)/gm)].map(
    ([, name]) => name ?? '',
  )
  assert.ok(names.length > 10, `got=${names.join(', ')}`)
  const section =
    operating.text.split(/^##+ /m).find((part) => part.startsWith('Metrics of the process\n')) ?? ''
  // Those of one kind stand in one row.
  const shortened = names.map((name) =>
    name.replace(/^(nodejs_eventloop_lag)_(min|max|mean|stddev|p50|p90|p99)_/, '$1_'),
  )
  assert.deepEqual(
    shortened.filter((name) => !section.includes(`\`${name}\``)),
    [],
  )
})

test('every metric is measured', () => {
  const users = sources.filter(({ path }) => path !== 'src/metrics.ts')
  const silent = literals('src/metrics.ts', 'MetricName').filter(
    (name) => !users.some(({ text }) => text.includes(`'${name}'`)),
  )
  assert.deepEqual(silent, [])
})

/** The parts of a schema that hold fields, whatever kind of schema it is. */
interface SchemaDefinition {
  readonly shape?: Readonly<Record<string, z.ZodType>>
  readonly options?: readonly z.ZodType[]
  readonly innerType?: z.ZodType
  readonly in?: z.ZodType
  readonly element?: z.ZodType
}

/** Every field with a value of its own, as `listen.port` or `upstreams[].url`. */
function fieldsOf(schema: z.ZodType, at = ''): readonly string[] {
  const { shape, options, innerType, element, ...rest } = schema.def as SchemaDefinition
  if (shape !== undefined) {
    return Object.entries(shape).flatMap(([name, inner]) =>
      fieldsOf(inner, at === '' ? name : `${at}.${name}`),
    )
  }
  if (options !== undefined) return options.flatMap((option) => fieldsOf(option, at))
  if (innerType !== undefined) return fieldsOf(innerType, at)
  if (element !== undefined) {
    const inside = fieldsOf(element, `${at}[]`)
    return inside.length === 1 && inside[0] === `${at}[]` ? [at] : inside
  }
  return rest.in === undefined ? [at] : fieldsOf(rest.in, at)
}

const configurations: readonly {
  heading: string
  schema: z.ZodType
  more?: readonly string[]
}[] = [
  { heading: 'Signer configuration', schema: signerSchema('.') },
  { heading: 'Agent configuration', schema: agentSchema('.') },
  { heading: 'Approver configuration', schema: approverSchema('.') },
  { heading: 'Intermediates configuration', schema: intermediateSchema('.') },
  { heading: 'Issued certificates configuration', schema: issuedSchema('.') },
  { heading: 'Gateway configuration', schema: gatewaySchema('.'), more: ['Limits'] },
]

for (const { heading, schema, more = [] } of configurations) {
  test(`every configuration field is documented, and no other: ${heading}`, () => {
    const fields = fieldsOf(schema)
    assert.ok(fields.length > 10, `got=${fields.length}`)
    const rows = [heading, ...more].flatMap((each) => rowsUnder(operating.text, each))
    assert.deepEqual(rows.toSorted(), fields.toSorted())
  })
}

test('every limit is documented with what holds without it, and what it may be', () => {
  const section = operating.text.split(/^##+ /m).find((part) => part.startsWith('Limits\n')) ?? ''
  const rows = [...section.matchAll(/^\| `limits\.(\w+)` +\| `(\d+)` +\| (\d+) to (\d+) +\|/gm)]
  assert.deepEqual(
    Object.fromEntries(rows.map(([, name, ...numbers]) => [name, numbers.slice(0, 3).map(Number)])),
    Object.fromEntries(
      Object.entries(limitRanges).map(([name, [min, max, without]]) => [name, [without, min, max]]),
    ),
  )
})

const documents = filesUnder('.').filter(({ path }) => path.endsWith('.md'))

test('every link of a document leads to a file that is there', () => {
  const broken = documents.flatMap(({ path, text }) =>
    [...text.matchAll(/\]\(([^)\s#]+)[^)]*\)/g)]
      .map(([, to]) => to ?? '')
      .filter((to) => !/^[a-z]+:/.test(to))
      .filter((to) => !existsSync(join(root, dirname(path), to)))
      .map((to) => `${path}: ${to}`),
  )
  assert.deepEqual(broken, [])
})

test('every script that a document names is there', () => {
  const scripts = Object.keys(manifest.scripts)
  const missing = documents.flatMap(({ path, text }) =>
    [...text.matchAll(/\bnpm run ([a-z0-9:]+)/g)]
      .map(([, script]) => script ?? '')
      .filter((script) => !scripts.includes(script))
      .map((script) => `${path}: ${script}`),
  )
  assert.deepEqual(missing, [])
})

/** The backquoted first cells of every table of a document. */
function rowsOf(path: string): readonly string[] {
  return [...readSourceFile(path).text.matchAll(/^\| ([^|]+)\|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text ?? ''),
  )
}

/** What kubelet 1.37 says when it cannot fill a volume (podcertificatemanager.go, clustertrustbundle_manager.go). */
const mountFailures = [
  'credential bundle is not issued yet',
  'no credentials yet for key',
  'PodCertificateRequest was permanently denied',
  'PodCertificateRequest was permanently failed',
  'unimplemented',
  'while creating initial PodCertificateRequest',
  'combination of signerName and labelSelector matched zero ClusterTrustBundles',
  'while getting ClusterTrustBundle',
  'ClusterTrustBundle informer has not yet synced',
  'ClusterTrustBundle projection is not supported in static kubelet mode',
]

/** The codes of a refused call: those of the default policy, and those that the gateway adds. */
function refusalCodes(): readonly string[] {
  const rego = readSourceFile('policies/countersign/mcp/decision.rego').text
  const messages = /^agent_messages := \{([^}]*)\}/m.exec(rego)?.[1] ?? ''
  const byPolicy = [...messages.matchAll(/"([a-z-]+)": /g)].map(([, code]) => code ?? '')
  const coded =
    /'((?:identity|definition|answer|obligation|policy|outside|limit|approval)-[a-z-]+)'/g
  const added = sources
    .filter(({ path }) => /^src\/(gateway|policy)\//.test(path))
    .flatMap(({ text }) => [...text.matchAll(coded)].map(([, code]) => code ?? ''))
  assert.ok(added.length > 6, `got=${added.join(', ')}`)
  return [...new Set([...byPolicy, ...added])]
}

const troubles: Readonly<Record<string, () => readonly string[]>> = {
  'check of the doctor': () => literals('src/doctor/check.ts', 'CheckName'),
  'check of a gateway': () => literals('src/cli/check/check-gateway.ts', 'GatewayCheckName'),
  'reason of a refused certificate': () => literals('src/signer/verdict/verdict.ts', 'DenyReason'),
  'code of a refused call': refusalCodes,
  'text of kubelet': () => mountFailures,
  'JSON-RPC code that an agent sees': () =>
    [...readSourceFile('src/mcp/problem.ts').text.matchAll(/: (-32\d{3}),/g)].map(
      ([, code]) => code ?? '',
    ),
}

for (const [kind, names] of Object.entries(troubles)) {
  test(`every ${kind} has its row in TROUBLESHOOTING`, () => {
    const rows = rowsOf('docs/TROUBLESHOOTING.md')
    const wanted = names()
    assert.ok(wanted.length >= 5, `got=${wanted.join(', ')}`)
    assert.deepEqual(
      wanted.filter((name) => !rows.includes(name)),
      [],
    )
  })
}

test('the checks stand in TROUBLESHOOTING in the order of the report', () => {
  const checks = literals('src/doctor/check.ts', 'CheckName')
  const rows = rowsUnder(readSourceFile('docs/TROUBLESHOOTING.md').text, 'What the doctor checks')
  assert.deepEqual(rows, checks)
})

test('every claim is in the threat model, and no other', () => {
  const said = new Set(
    [...readSourceFile('docs/THREATS.md').text.matchAll(/`([a-z]+\.[a-z-]+)`/g)].map(
      ([, id]) => id ?? '',
    ),
  )
  const claimed = Object.keys(requirements)
  assert.deepEqual(
    claimed.filter((id) => !said.has(id)),
    [],
    'want=a line in docs/THREATS.md',
  )
  const rooms = new Set(claimed.map((id) => id.split('.')[0]))
  const unknown = [...said].filter(
    (id) => rooms.has(id.split('.')[0] ?? '') && !claimed.includes(id),
  )
  assert.deepEqual(unknown, [], 'want=a row in test/requirements.ts')
})

test('each class of attack stands in the threat model with the tests that try it', () => {
  const cited = citations()
  const lines = [
    ...readSourceFile('docs/THREATS.md').text.matchAll(/^- `(attack\.[a-z-]+)`(.*)$/gm),
  ]
  assert.deepEqual(
    lines.map(([, id = '', tests]) => `${id}${tests}`).toSorted(),
    Object.keys(requirements)
      .filter((id) => id.startsWith('attack.'))
      .map(
        (id) => `${id}, tried in ${(cited.get(id) ?? []).map((path) => `\`${path}\``).join(', ')}`,
      )
      .toSorted(),
  )
})

test('the page of mutations tells of defences that there are, and of none whose absence nobody noticed', () => {
  const { text } = readSourceFile('docs/MUTATIONS.md')
  const line = /^- (`[a-z]+\.[a-z-]+`, without .*? \(`[^`]+`\)): (?!\*\*nobody\*\*)\S.*$/gm
  const told = [...text.matchAll(line)].map(([, defence]) => defence)
  assert.equal(told.length, text.match(/^- /gm)?.length, 'want=a defence and a title in each line')
  const table = mutations.map(
    ({ claim, without, file }) => `\`${claim}\`, without ${without} (\`${file}\`)`,
  )
  assert.deepEqual(
    told.filter((defence) => !table.includes(defence ?? '')),
    [],
    'want=npm run test:mutations -- --write',
  )
  assert.ok(text.includes('the absence of none went unnoticed'))
  // Whoever adds a defence takes it away once; the page may wait for a whole run, but not for long.
  assert.ok(
    told.length >= 0.9 * table.length,
    `the page tells of ${told.length} of ${table.length}`,
  )
})

/** The pieces of code of a page, in the languages that programs are in. */
function piecesOf(page: string): readonly string[] {
  const { text } = readSourceFile(page)
  const pieces = [...text.matchAll(/```(?:ts|python|go|rust)\n([\s\S]*?)```/g)]
  return pieces.map(([, piece = '']) => piece.trim())
}

for (const [page, examples, least] of [
  ['docs/TOOL-SERVERS.md', ['examples/tool-server/server.ts'], 5],
  [
    'docs/AGENTS.md',
    [
      'examples/agent-typescript/gateway.ts',
      'examples/agent-typescript/mounted-fetch.ts',
      'examples/agent-typescript/agent-1.ts',
      'examples/agent-typescript/agent-2.ts',
      'examples/agent-python/agent.py',
      'examples/agent-go/main.go',
      'examples/agent-rust/src/mounted_identity.rs',
      'examples/agent-rust/src/main.rs',
    ],
    12,
  ],
] as const) {
  test(`every piece of code in ${page} is of an example that runs`, () => {
    const programs = examples.map((path) => readSourceFile(path).text)
    const pieces = piecesOf(page)
    assert.ok(pieces.length >= least)
    for (const piece of pieces)
      assert.ok(
        programs.some((text) => text.includes(piece)),
        piece,
      )
    // And of each example there is something on the page.
    for (const [at, path] of examples.entries()) {
      assert.ok(
        pieces.some((piece) => programs[at]?.includes(piece)),
        path,
      )
    }
  })
}
