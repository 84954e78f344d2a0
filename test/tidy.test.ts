import assert from 'node:assert/strict'
import { basename, dirname } from 'node:path'
import { test } from 'node:test'
import devManifest from '../dev/package.json' with { type: 'json' }
import manifest from '../package.json' with { type: 'json' }
import {
  filesUnder,
  functionBlocks,
  packageImports,
  relativeImports,
  type SourceFile,
} from './support/source-tree.ts'

/** What every room of the gateway stands on. */
const gatewayGround = [
  'src/gateway/soon.ts',
  'src/gateway/turns.ts',
  'src/gateway/refusal.ts',
  'src/gateway/limits.ts',
  'src/gateway/stay.ts',
  'src/gateway/lines.ts',
  'src/gateway/seats.ts',
  'src/gateway/self.ts',
  'src/gateway/federated-name.ts',
  'src/gateway/windows.ts',
  'src/gateway/own-input.ts',
]

/** What each room may import besides itself and the files that all may. A deeper room is a room of its own, and so is a file that is named. */
const roomsImportable: Readonly<Record<string, readonly string[]>> = {
  'src/identity': [],
  'src/kubernetes': [],
  'src/pki': ['src/identity'],
  // The formats of C2SP logs, for whatever is kept as one: it knows nothing of what the leaves say.
  'src/tlog': [],
  'src/trace': [],
  'src/ledger': ['src/identity', 'src/tlog'],
  'src/pkcs11': ['src/pki'],
  'src/policy': ['src/identity', 'src/tlog'],
  'src/federation': ['src/identity', 'src/pki'],
  'src/token': ['src/identity', 'src/pki'],
  // What becomes of a request, from the ground up: arrows run one way.
  'src/signer/verdict': ['src/identity', 'src/pki', 'src/policy'],
  'src/signer/issue': [
    'src/identity',
    'src/pki',
    'src/ledger',
    'src/policy',
    'src/signer/verdict',
    'src/trace',
  ],
  'src/signer/watch': ['src/identity', 'src/signer/verdict', 'src/signer/issue'],
  // What would become of one, by the same rules.
  'src/signer/preview': [
    'src/identity',
    'src/pki',
    'src/ledger',
    'src/kubernetes',
    'src/signer/verdict',
    'src/signer/issue',
    'src/signer/watch',
  ],
  'src/signer/until-answered.ts': [],
  'src/signer/anchors': [
    'src/identity',
    'src/pki',
    // A CA is asked for as a pod asks that kubelet does not serve.
    'src/renewal',
    'src/signer/until-answered.ts',
  ],
  'src/signer': [
    'src/identity',
    'src/pki',
    'src/ledger',
    'src/policy',
    'src/signer/verdict',
    'src/signer/issue',
    'src/signer/watch',
    'src/signer/anchors',
    'src/signer/until-answered.ts',
  ],
  // How a message is read has to be one thing on both sides of the gateway, so tool servers read with it too.
  'src/mcp': [],
  // What happens to a call, from the ground up: arrows run one way.
  'src/gateway/refusal.ts': ['src/mcp', 'src/policy'],
  'src/gateway/soon.ts': [],
  'src/gateway/turns.ts': ['src/gateway/soon.ts', 'src/gateway/lines.ts'],
  'src/gateway/lines.ts': [],
  'src/gateway/limits.ts': [],
  'src/gateway/stay.ts': [],
  'src/gateway/seats.ts': ['src/gateway/lines.ts'],
  'src/gateway/self.ts': [],
  'src/gateway/federated-name.ts': [],
  'src/gateway/windows.ts': [],
  'src/gateway/own-input.ts': ['src/mcp'],
  'src/gateway/door': [...gatewayGround, 'src/mcp', 'src/pki', 'src/federation'],
  'src/gateway/caller': [
    ...gatewayGround,
    'src/identity',
    'src/pki',
    'src/policy',
    'src/federation',
  ],
  'src/gateway/approval': [...gatewayGround, 'src/identity', 'src/gateway/handle'],
  'src/gateway/handle': [...gatewayGround, 'src/mcp'],
  // What policy has kept of identities: who keeps it knows no call.
  'src/gateway/history': [...gatewayGround, 'src/policy'],
  'src/gateway/upstream': [...gatewayGround, 'src/mcp', 'src/identity', 'src/pki'],
  'src/gateway/catalogue': [...gatewayGround, 'src/gateway/upstream', 'src/mcp', 'src/policy'],
  // Text in, text out: what it translates knows no call.
  'src/gateway/translate': ['src/mcp'],
  'src/gateway/trace': [...gatewayGround, 'src/mcp', 'src/trace'],
  'src/gateway/call.ts': [
    'src/gateway/approval',
    'src/mcp',
    'src/gateway/stay.ts',
    'src/gateway/trace',
    'src/policy',
    'src/gateway/caller',
    'src/gateway/door',
    'src/gateway/handle',
    'src/gateway/upstream',
  ],
  'src/gateway/address.ts': [
    ...gatewayGround,
    'src/mcp',
    'src/gateway/translate',
    'src/gateway/call.ts',
    'src/gateway/door',
    'src/gateway/handle',
    'src/gateway/upstream',
  ],
  'src/gateway/permit': [
    ...gatewayGround,
    'src/mcp',
    'src/identity',
    'src/pki',
    'src/policy',
    'src/gateway/translate',
    'src/gateway/call.ts',
    'src/gateway/approval',
    'src/gateway/caller',
    'src/gateway/door',
    'src/gateway/handle',
    'src/gateway/catalogue',
    'src/gateway/upstream',
    'src/gateway/history',
  ],
  'src/gateway/serve': [
    ...gatewayGround,
    'src/mcp',
    'src/token',
    'src/gateway/translate',
    'src/gateway/trace',
    'src/gateway/call.ts',
    'src/gateway/approval',
    'src/gateway/caller',
    'src/gateway/door',
    'src/gateway/handle',
    'src/gateway/upstream',
    'src/gateway/catalogue',
    'src/gateway/permit',
  ],
  'src/gateway': [
    ...gatewayGround,
    'src/mcp',
    'src/identity',
    'src/pki',
    'src/federation',
    'src/policy',
    'src/token',
    'src/gateway/translate',
    'src/gateway/trace',
    'src/gateway/address.ts',
    'src/gateway/call.ts',
    'src/gateway/approval',
    'src/gateway/caller',
    'src/gateway/door',
    'src/gateway/handle',
    'src/gateway/upstream',
    'src/gateway/catalogue',
    'src/gateway/permit',
    'src/gateway/serve',
    'src/gateway/history',
  ],
  // It knows nothing of what workers do.
  'src/gateway/workers': [],
  'src/toolserver': ['src/mcp', 'src/identity', 'src/pki', 'src/token'],
  // The same checks as in a server of the library's own, in front of one that knows none.
  'src/guard': ['src/mcp', 'src/toolserver'],
  // What nodes ask for, from the ground up: what judges knows no API server.
  'src/approver': [
    'src/identity',
    'src/pki',
    'src/ledger',
    'src/kubernetes/certificate-signing-request.ts',
    'src/kubernetes/node-addresses.ts',
  ],
  // A CA for another cluster: what judges knows no API server.
  'src/intermediate': [
    'src/identity',
    'src/pki',
    'src/ledger',
    'src/kubernetes/certificate-signing-request.ts',
  ],
  'src/renewal': ['src/identity', 'src/pki', 'src/kubernetes'],
  'src/issued': ['src/identity', 'src/pki', 'src/kubernetes', 'src/renewal'],
  'src/agent': ['src/mcp', 'src/identity', 'src/pki'],
  // It looks at the others from outside: what they need, what they publish, what they read.
  'src/doctor': [
    'src/doctor/checks',
    'src/identity',
    'src/pki',
    'src/signer',
    'src/signer/anchors',
  ],
  // Pure: the same facts, the same judgement.
  'src/doctor/checks': ['src/doctor', 'src/identity', 'src/pki', 'src/signer'],
  'src/doctor/gather': [
    'src/doctor',
    'src/kubernetes',
    'src/pki',
    'src/policy',
    'src/signer',
    'src/gateway',
  ],
  // The embedded cluster judges what the signer makes, so it shares no code with it.
  dev: ['dev/control-plane', 'dev/kubelet'],
  'dev/control-plane': ['dev'],
  'dev/kubelet': ['dev', 'src/kubernetes'],
  'dev/workloads': ['src/agent', 'src/toolserver'],
  'dev/story': [
    'dev',
    'dev/control-plane',
    'dev/kubelet',
    'dev/workloads',
    'src/identity',
    'src/kubernetes',
    'src/pki',
    'src/ledger',
    'src/policy',
  ],
  'dev/session': [
    'dev',
    'dev/story',
    'src/identity',
    'src/kubernetes',
    'src/ledger',
    'src/cli',
    'src/gateway/limits.ts',
  ],
  'src/cli': [
    'src/identity',
    'src/pki',
    'src/pkcs11',
    'src/tlog',
    'src/trace',
    'src/ledger',
    'src/policy',
    'src/token',
    // An approver asks in the protocol's own words.
    'src/mcp',
    'src/kubernetes',
    'src/signer',
    'src/signer/anchors',
    'src/signer/preview',
    // What a certificate would say is told by the rules that issue it.
    'src/signer/verdict',
    'src/gateway',
    'src/gateway/limits.ts',
    'src/gateway/approval',
    'src/gateway/caller',
    'src/gateway/catalogue',
    'src/gateway/handle',
    'src/gateway/permit',
    'src/gateway/trace',
    'src/gateway/upstream',
    'src/gateway/history',
    'src/gateway/workers',
    'src/agent',
    'src/toolserver',
    'src/guard',
    'src/renewal',
    'src/issued',
    'src/federation',
    'src/approver',
    'src/intermediate',
    'src/doctor',
    'src/doctor/gather',
  ],
}

const importableByAll = [
  'src/errors.ts',
  'src/log.ts',
  'src/metrics.ts',
  'src/bag.ts',
  'src/bounded-file.ts',
  'src/canonical-json.ts',
  'src/lane.ts',
  'src/listeners.ts',
  'src/deadline.ts',
  'src/drain.ts',
  'src/nearest-name.ts',
  'src/readiness.ts',
  'src/shares.ts',
  'src/version.ts',
]

/** The files of domain rooms that talk to the API server: thin shells around what is pure. */
const kubernetesShells =
  /^src\/(approver\/(approve|approver|gather-node|claiming-nodes|tell-requester|rights)|intermediate\/(answer|intermediates|rights)|signer\/(carry-revocations|controller|keep-authority|lanes|members-lease|request-approver|rights|until-answered|watch\/[a-z-]+|anchors\/(trust-bundle|anchor-place|anchor-copies|bundle-lease|bundle-owner|anchor-publication|authority-secret|await-authority|client-authorities|secret-authorities|rotate-authority|request-authority|pending-in-secret|scheduled-rotation|look-again|secret-event|step-clock|delivery))|gateway\/(rights|(caller|upstream)\/[a-z-]+-watch|upstream\/tool-server-(status|events)|approval\/approval-objects))\.ts$/

/** One shape of a request from the watch to the record: what judges it reads it as the API has it. */
const requestShape = 'src/kubernetes/pod-certificate-request.ts'

/** Where a package may be imported, and nowhere else. */
const packageHomes: Readonly<Record<string, readonly string[]>> = {
  jose: ['src/token/'],
  commander: ['src/cli/', 'dev/session/'],
  yaml: ['src/kubernetes/kubeconfig.ts', 'src/cli/', 'dev/session/'],
  // The schema language of the MCP SDK, so of the example servers too.
  zod: ['src/kubernetes/kubeconfig.ts', 'src/cli/', 'src/policy/', 'dev/workloads/'],
  pino: ['src/cli/create-log.ts'],
  'prom-client': ['src/metrics.ts', 'src/prom-client.d.ts'],
  esbuild: ['image/'],
  'modern-tar': ['image/', 'src/policy/'],
  '@modelcontextprotocol/client': ['dev/workloads/'],
  '@modelcontextprotocol/node': ['dev/workloads/'],
  '@modelcontextprotocol/sdk': ['dev/workloads/'],
  '@modelcontextprotocol/server': ['dev/workloads/'],
}

/** Tests that mirror no single file of src, with what they are about. */
const testsWithoutSource: Readonly<Record<string, string>> = {
  'test/chart.test.ts': 'the chart, by its recorded rendering',
  'test/documents.test.ts': 'docs',
  'test/policy/plan/differential.test.ts': 'the plan against the module of the same rules',
  'test/gateway/attacks.test.ts': 'classes of attack, through the doors',
  'test/guard/attacks.test.ts': 'ways around the guard, through its door',
  'test/gateway/eras.test.ts': 'agents of one era at servers of the other, through the doors',
  'test/gateway/eras.hostile.test.ts': 'what servers of the other era may send, through the doors',
  'test/gateway/federation.test.ts': 'agents of other trust domains, through the doors',
  'test/gateway/expired.test.ts':
    'a certificate that is over, in every way that TLS lets it be used',
  'test/gateway/identity-lifetime.test.ts': 'what ends a connection that stands',
  'test/gateway/lists.test.ts': 'lists, through the doors',
  'test/mcp/bodies.test.ts': 'the smuggling vectors, read from octets to target',
  'test/mcp/readings.go.test.ts': 'calls through the gateway, read by Go',
  'test/mcp/readings.test.ts': 'one message, read by every kind of parser',
  'test/mcp/linear.test.ts': 'what reading costs, of any message and any answer',
  'test/gateway/numbers.test.ts': 'numbers in arguments, from octets to policy and upstream',
  'test/gateway/pipeline.test.ts': 'the table of checks as a whole',
  'test/gateway/refusals.test.ts': 'every check, through the doors',
  'test/gateway/rollout.test.ts': 'replicas behind a balancer, replaced',
  'test/gateway/sdk.test.ts': 'the clients and servers that others have',
  'test/gateway/upstream/hostile.test.ts': 'whatever a tool server may answer',
  'test/gateway/upstreams.test.ts': 'both sides of the gateway, through the doors',
  'test/gateway/watches.test.ts': 'both watches, on one fake API server',
  'test/identity/names.test.ts': 'role, tenant, model and trust domain: one table each',
  'test/ledger/kill.test.ts': 'a writer that dies',
  'test/ledger/recovery.test.ts': 'a file that was damaged',
  'test/pki/der.test.ts': 'reader and writer against each other',
  'test/pki/differential.test.ts': 'what others read in our octets, and we in theirs',
  'test/pki/files.test.ts': 'credential, bundle and authority files as they rotate',
  'test/pki/pem-files.test.ts': 'what those files may hold',
  'test/pki/vectors.test.ts': 'the vectors of test/vectors/pki, each by its parser',
  'test/requirements.test.ts': 'test/requirements.ts',
  'test/tidy.test.ts': 'the tree itself',
}
const foldersWithoutSource = [
  'faults',
  'fuzz',
  'soak',
  'mutations',
  'sdks',
  'chart',
  'cluster',
  'conformance',
  'e2e',
  'node',
  'package',
  'support',
  'tools',
  'vectors',
]

const sources = filesUnder('src').filter(({ path }) => path.endsWith('.ts'))
/** The rig and the demonstration: nothing that a cluster runs. */
const demonstration = filesUnder('dev').filter(({ path }) => path.endsWith('.ts'))
const house = [...sources, ...demonstration]
const tests = filesUnder('test')
/** What makes the image and the packages. */
const makers = [...filesUnder('image'), ...filesUnder('packages')].filter(({ path }) =>
  path.endsWith('.ts'),
)
const programs = [
  ...house,
  ...makers,
  ...[...filesUnder('bench'), ...filesUnder('examples')].filter(({ path }) => path.endsWith('.ts')),
]

function none(violations: readonly string[], rule: string): void {
  assert.equal(violations.length, 0, `${rule}:\n  ${violations.join('\n  ')}\n`)
}

/** Every line that matches, as `path:line: text`. */
function matches(files: readonly SourceFile[], pattern: RegExp): readonly string[] {
  return files.flatMap(({ path, lines }) =>
    lines.flatMap((line, at) =>
      pattern.test(line) ? [`${path}:${at + 1}: ${line.trim().slice(0, 120)}`] : [],
    ),
  )
}

/** The files of src that packages export. */
function publicPages(): readonly string[] {
  const exported = filesUnder('packages')
    .filter(({ path }) => path.endsWith('/package.json'))
    .map(
      ({ text }) => JSON.parse(text) as { exports: Record<string, string | { default: string }> },
    )
  return exported
    .flatMap((each) => Object.values(each.exports))
    .flatMap((page) => (typeof page === 'string' ? [] : page.default))
    .map((file) => file.replace(/^\./, 'src').replace(/\.js$/, '.ts'))
}

function roomOf(path: string): string {
  const rooms = Object.keys(roomsImportable).filter(
    (room) => path === room || path.startsWith(`${room}/`),
  )
  return rooms.toSorted((a, b) => b.length - a.length)[0] ?? 'src'
}

test('rooms import only the rooms that they may know', () => {
  const violations = house.flatMap((file) => {
    const room = roomOf(file.path)
    const importable = ['package.json', room, ...(roomsImportable[room] ?? [])]
    if (kubernetesShells.test(file.path)) importable.push('src/kubernetes')
    if (file.path.startsWith('src/signer/')) importable.push(requestShape)
    return relativeImports(file)
      .filter((to) => !importableByAll.includes(to) && !importable.includes(to))
      .filter((to) => !importable.includes(roomOf(to)))
      .filter((to) => to !== 'package.json')
      .map((to) => `${file.path} imports ${to}`)
  })
  none(violations, 'see the table roomsImportable')
})

test('errors, log and metrics import no room', () => {
  const violations = sources
    .filter(({ path }) => importableByAll.includes(path))
    .flatMap((file) => relativeImports(file).map((to) => `${file.path} imports ${to}`))
    .filter((line) => ![...importableByAll, 'package.json'].some((path) => line.endsWith(path)))
  none(violations, 'what all may import imports nothing of theirs')
})

test('every file of src stands in a room', () => {
  const violations = house
    .map(({ path }) => path)
    .filter((path) => !path.endsWith('.d.ts'))
    .filter((path) => roomOf(path) === 'src' && !importableByAll.includes(path))
  none(violations, 'want=a folder of roomsImportable')
})

test('every package has one home', () => {
  const violations = [...house, ...makers].flatMap((file) =>
    packageImports(file)
      .filter((name) => !name.startsWith('node:'))
      .filter((name) => !packageHomes[name]?.some((home) => file.path.startsWith(home)))
      .map((name) => `${file.path} imports ${name}`),
  )
  none(violations, 'see the table packageHomes')
})

test('front pages that hold more than we use are not imported', () => {
  // Of these a bundle keeps the whole: 40 languages of zod, the push gateway of prom-client.
  const front = /^import (?!type )(\{.*\} from 'zod'|.* from 'prom-client')/
  none(
    matches(
      sources.filter(({ path }) => !path.endsWith('.d.ts')),
      front,
    ),
    'want=`* as z`, or a file of the package',
  )
})

test('every dependency is used', () => {
  const unused = (files: readonly SourceFile[], dependencies: object): readonly string[] => {
    const used = new Set(files.flatMap(packageImports))
    return Object.keys(dependencies).filter((name) => !used.has(name))
  }
  none(unused(sources, manifest.dependencies), 'package.json names what src does not import')
  none(
    unused(demonstration, devManifest.dependencies),
    'dev/package.json names what dev does not import',
  )
})

test('identity is pure: it imports nothing of the platform', () => {
  const violations = sources
    .filter(({ path }) => path.startsWith('src/identity/'))
    .flatMap((file) => packageImports(file).map((name) => `${file.path} imports ${name}`))
  none(violations, 'names are parsed, not fetched')
})

/** Certificates that are nobody's of ours: of the API server, and of whatever stands where a tool server should. */
const readersOfOthers = ['src/kubernetes/cluster-credential.ts', 'src/cli/check/check-upstream.ts']

test('nothing but pki knows X.509 or PEM', () => {
  const elsewhere = sources.filter(
    ({ path }) => !path.startsWith('src/pki/') && !readersOfOthers.includes(path),
  )
  none(matches(elsewhere, /\bX509Certificate\b|-----BEGIN/), 'want=a function of src/pki')
})

test('no file is longer than 400 lines', (t) => {
  const lengths = programs.map(({ path, lines }) => ({ path, length: lines.length - 1 }))
  for (const { path, length } of lengths) {
    if (length > 250) t.diagnostic(`look twice: ${path} has ${length} lines`)
  }
  none(
    lengths.filter(({ length }) => length > 400).map(({ path, length }) => `${path}: ${length}`),
    'want=at most 400 lines',
  )
})

test('no function is longer than 70 lines', () => {
  const violations = programs.flatMap((file) =>
    functionBlocks(file)
      .filter(({ lines }) => lines > 70)
      .map(({ line, lines, head }) => `${file.path}:${line}: ${lines} lines: ${head.slice(0, 60)}`),
  )
  none(violations, 'want=at most 70 lines')
})

test('files are kebab-case and named for their noun or verb', () => {
  const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.d|(\.[a-z]+)?\.test)?\.ts$/
  const banned = /(^|[/-])(utils?|common|helpers?|core|types|services|misc)(\/|\.ts$|\.test\.ts$)/
  const violations = [...programs, ...tests]
    .map(({ path }) => path)
    .filter((path) => path.endsWith('.ts'))
    .filter((path) => !kebab.test(basename(path)) || banned.test(path))
  none(violations, 'want=a name that says what is inside')
})

test('there are no barrels, and only the public pages re-export', () => {
  const pages = publicPages()
  const reexports = house.filter(
    ({ path, text }) => !pages.includes(path) && /^export (type )?(\*|\{[^}]*\}) from /m.test(text),
  )
  const barrels = programs.filter(({ path }) => basename(path) === 'index.ts')
  none(
    [...reexports, ...barrels].map(({ path }) => path),
    'import from where it stands',
  )
})

test('nothing is exported by default', () => {
  none(matches([...programs, ...tests], /^export default\b/), 'want=a name')
})

test('no type is a Manager, Handler, Impl, Data or Info', () => {
  const declared =
    /\b(interface|type|class) \w*(Manager|Handler|Impl|Data|Info|Helper|Utils?)\b(?! (from|,))/
  none(matches(programs, declared), 'want=the noun of the field')
})

test('nothing promises work that is not done', () => {
  const folders = ['src', 'dev', 'policies', 'charts', 'examples', 'docs', 'bench']
  // OPA's own name for a test that it leaves out begins so.
  const promise =
    /TODO(?!_test_)|FIXME|XXX|not (yet )?implemented|placeholder|for now\b|\bstub(s|bed|bing)?\b/i
  none(matches(folders.flatMap(filesUnder), promise), 'finish it or leave it out')
})

test('no test is skipped, and none runs alone', () => {
  const silenced = /\.(skip|only|todo)\(|\b(skip|only|todo): (true|')/
  none(
    matches(
      tests.filter(({ path }) => path.endsWith('.test.ts')),
      silenced,
    ),
    'want=it runs',
  )
})

test('no file knows the machine that it was written on', () => {
  const files = filesUnder('.').filter(({ path }) => path !== 'package-lock.json')
  none(matches(files, /(^|[^a-zA-Z0-9_.])\/(work|root|home)\//), 'want=a relative path')
})

test('only the command line reads argv and env, and pods their own environment', () => {
  const readers = /^(src\/cli|dev\/(workloads|session))\//
  const elsewhere = house.filter(({ path }) => !readers.test(path))
  const ambient = /\bprocess\.(env|argv)\b|from '(node:)?process'/
  none(matches(elsewhere, ambient), 'want=a parameter')
  const workloads = house.filter(({ path }) => path.startsWith('dev/workloads/'))
  none(matches(workloads, /\bprocess\.argv\b/), 'a pod is told through its environment')
})

test('nothing ends the process: it sets the exit code and returns', () => {
  none(matches(programs, /\bprocess\.(exit|abort|reallyExit)\b/), 'want=process.exitCode')
})

test('nothing is printed but by the command line and the workloads', () => {
  const printers = /^(src\/cli|dev\/workloads)\//
  const elsewhere = house.filter(({ path }) => !printers.test(path))
  none(matches(elsewhere, /\bconsole\.|\bprocess\.(stdout|stderr)\b/), 'want=the log or a value')
})

test('every file of src is reached from the command line, an export or a workload', () => {
  const byPath = new Map(house.map((file) => [file.path, file]))
  const entries = [...publicPages(), 'src/cli/main.ts', 'dev/session/main.ts']
  const workloads = house.map(({ path }) => path).filter((path) => /\/workloads\//.test(path))
  const reached = new Set<string>()
  const visit = (path: string): void => {
    const file = byPath.get(path)
    if (file === undefined || reached.has(path)) return
    reached.add(path)
    for (const to of relativeImports(file)) visit(to)
  }
  for (const entry of [...entries, ...workloads]) visit(entry)
  const orphans = [...byPath.keys()].filter((path) => !reached.has(path) && !path.endsWith('.d.ts'))
  none(orphans, 'nothing imports it')
})

test('every exported value is used by the product, and by another file', () => {
  const pages = publicPages()
  const users = new Map<string, string[]>()
  for (const { path, text } of [...programs, ...tests]) {
    for (const word of text.match(/\w+/g) ?? []) {
      const paths = users.get(word)
      if (paths === undefined) users.set(word, [path])
      else paths.push(path)
    }
  }
  const violations = house
    .filter(({ path }) => !pages.includes(path))
    .flatMap((file) =>
      [...file.text.matchAll(/^export (?:async )?(?:function\*?|const|class) (\w+)/gm)].flatMap(
        ([, name = '']) => {
          const by = users.get(name) ?? []
          const byProduct = by.filter((path) => /^(src|dev)\//.test(path)).length > 1
          const byAnother = by.some((path) => path !== file.path)
          return byProduct && byAnother ? [] : [`${file.path}: ${name}`]
        },
      ),
    )
  none(violations, 'want=a use; an inner function needs no export, and a dead one goes')
})

test('every test mirrors a file or a folder of src', () => {
  const known = new Set([...house, ...makers].flatMap(({ path }) => [path, dirname(path)]))
  const violations = tests
    .map(({ path }) => path)
    .filter((path) => path.endsWith('.test.ts') && testsWithoutSource[path] === undefined)
    .filter((path) => !foldersWithoutSource.includes(path.split('/')[1] ?? ''))
    .filter((path) => {
      const mirrored = path
        .replace(/^test\/(?!(dev|image)\/)/, 'src/')
        .replace(/^test\//, '')
        .replace(/\.test\.ts$/, '')
      // `informer.history` and `issuance-faults` are aspects of a file that stands.
      const whole = mirrored.replace(/\.[a-z]+$/, '')
      const names = [mirrored, whole, whole.replace(/-[a-z]+$/, '')]
      return !names.some((name) => known.has(`${name}.ts`) || known.has(name))
    })
  none(violations, 'want=src/<room>/<file>.ts for test/<room>/<file>.test.ts')
})
