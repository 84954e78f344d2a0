/**
 * Judges the Rego with the `opa` that `test/tools` pins, and the committed bundle against it: `npm run test:policies`.
 * With `--write` it refreshes `policies/bundle` instead of comparing.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import manifest from '../../policies/capabilities.json' with { type: 'json' }
import { buildBundle as buildSources } from '../../src/cli/command/policy/build-plan.ts'
import { findOpa } from '../../src/cli/command/policy/opa.ts'
import { openAskedPlan } from '../../src/policy/author/ask-plan.ts'
import { mergeBundle, readBundleFiles } from '../../src/policy/bundle.ts'
import { entrypoints } from '../../src/policy/engine.ts'
import { formatInput } from '../../src/policy/input.ts'
import { instantiate } from '../../src/policy/instance.ts'
import { fromJson } from '../../src/policy/plan/json.ts'
import { unordered } from '../../src/policy/second-opinion.ts'
import { toolPath } from './build.ts'
import { lintShipped, lintVector } from './lint-vectors.ts'
import {
  addressVector,
  globVector,
  letterClassVector,
  letterVector,
  regexVector,
  timeVector,
  formatVector,
  wordVector,
  tokenVector,
} from './builtin-vectors.ts'
import { compareBuiltins, compareWithOpa, generated } from './opa-differential.ts'
import { runPolicy } from '../cli/command/policy/run-policy.ts'
import { beginAsAuthor, buildAndSign } from './opa-bundles.ts'
import { followAsOpa } from './opa-follower.ts'
import { sendAsOpa } from './opa-decisions.ts'
import { compareSuite, coveredRows, opaVerdicts } from './opa-suites.ts'

const policies = join(import.meta.dirname, '..', '..', 'policies')
const bundle = join(policies, 'bundle')
const sources = ['countersign', 'data']

/** What `policy new` gives authors to begin with, and the ready rules, are held to what the shipped rules are. */
const template = 'template'
const library = 'library'
const capabilities = ['--capabilities', 'capabilities.json']
const bundleFiles = ['.manifest', 'data.json', 'plan.json', 'policy.wasm', 'schemas.json'] as const

/** The schema of each root of data: rules are typed with it, and operators' documents are held to it. */
const dataSchemas = {
  grants: 'mcp/grants.json',
  issuance: 'issuance/data.json',
  limits: 'mcp/limits.json',
  approvals: 'mcp/approvals.json',
  history: 'mcp/history.json',
  log: 'log/data.json',
}

/** A check that did not pass, in the tool's own words. */
class PolicyCheckError extends Error {
  override readonly name = 'PolicyCheckError'
  readonly hint: string

  constructor(message: string, hint: string) {
    super(message)
    this.hint = hint
  }
}

/** Runs in the policies' folder, with relative paths: the module holds the names of its sources. */
function run(program: string, words: readonly string[], hint: string, cwd = policies): void {
  const done = spawnSync(program, words, { cwd, encoding: 'utf8' })
  if (done.error) throw new PolicyCheckError(`${program} cannot be run`, hint)
  if (done.status !== 0) {
    throw new PolicyCheckError(`${words.join(' ')}\n${done.stdout}${done.stderr}`.trim(), hint)
  }
}

function checkSources(opa: string): void {
  run(
    opa,
    ['fmt', '--list', '--fail', 'countersign', template, library],
    'opa fmt --write policies/countersign policies/template policies/library',
  )
  const strict = ['check', '--strict', '--schema', 'schemas', ...capabilities]
  const hint = 'policies/schemas says what the input and the data hold'
  for (const own of [template, library]) run(opa, [...strict, ...sources, own], hint)
}

function testSources(opa: string): void {
  for (const own of [template, library]) {
    const settings = ['--timeout', '60s', ...capabilities, '--fail-on-empty']
    const words = ['test', ...settings, ...sources, own]
    run(opa, words, 'opa test --verbose --var-values shows the values')
    run(opa, [...words, '--coverage', '--threshold', '100'], 'every line of a rule needs a test')
  }
}

/** Builds into a folder: the rules as OPA's plan, and the same rules as a module. */
function buildBundle(opa: string, folder: string): void {
  // Last the module, whose manifest names what answers for it.
  for (const target of ['plan', 'wasm'] as const) buildTarget(opa, folder, target)
  writeManifest(folder)
  writeSchemas(folder)
}

/** `-O0`: the optimiser would take the bundle's own data for final. */
function buildTarget(opa: string, folder: string, target: 'plan' | 'wasm'): void {
  const archive = join(folder, `${target}.tar.gz`)
  const names = Object.values(entrypoints).flatMap((name) => ['--entrypoint', name])
  const settings = ['-t', target, '-O0', '--prune-unused', '--ignore', '*_test.rego']
  const words = ['build', ...settings, ...capabilities, ...names, '--output', archive, ...sources]
  run(opa, words, 'opa check comes first')
  run('tar', ['-xzf', archive, '-C', folder], 'put a tar program on the PATH')
}

/** Beside OPA's own files, which is where it leaves it alone. */
function writeSchemas(folder: string): void {
  const schemas = Object.entries(dataSchemas).map(([root, file]) => [
    root,
    JSON.parse(readFileSync(join(policies, 'schemas', file), 'utf8')) as object,
  ])
  const text = JSON.stringify(Object.fromEntries(schemas), null, 2)
  writeFileSync(join(folder, 'schemas.json'), `${text}\n`)
}

/** What the compiler resolves by itself, so that no module ever asks for it. */
const compiled = /^(assign|eq|print|internal\.|rego\.metadata\.)/

/** One rule for each builtin, so that the module says which ones it cannot do alone. */
function capabilitiesProbe(): string {
  const rules = manifest.builtins
    .filter(({ name }) => !compiled.test(name))
    .map(({ name, decl, infix }, index) => {
      const operands = (decl.args ?? []).map((_, at) => `input.operand_${at}`)
      const call =
        infix === undefined ? `${name}(${operands.join(', ')})` : operands.join(` ${infix} `)
      return `all contains ${index} if _ = ${call}`
    })
  return ['package probe', ...rules, ''].join('\n\n')
}

/** A policy that is built with our capabilities must run: each builtin is in the module or in the host's table. */
async function checkCapabilities(opa: string, folder: string): Promise<void> {
  const source = join(folder, 'probe.rego')
  const archive = join(folder, 'probe.tar.gz')
  writeFileSync(source, capabilitiesProbe())
  const settings = ['build', '-t', 'wasm', '--entrypoint', 'probe/all', '--revision', 'probe']
  const hint =
    'policies/capabilities.json lists what the module or src/policy/host-functions.ts does'
  run(opa, [...settings, ...capabilities, '--output', archive, source], hint)
  run('tar', ['-xzf', archive, '-C', folder], 'put a tar program on the PATH')
  try {
    instantiate(mergeBundle(await readBundleFiles(folder), []), 64)
  } catch (error) {
    throw new PolicyCheckError(`capabilities: ${(error as Error).message}`, hint)
  }
}

/** Rules that call out of a module, on the time and on values that are no JSON, answer there as they do in the plan, digit by digit. */
async function checkModule(opa: string, folder: string, name: string): Promise<void> {
  const archive = join(folder, `${name}.tar.gz`)
  const source = readFileSync(join(vectors, `${name}.rego`), 'utf8')
  const names = rulesIn(source).map((rule) => `${name}/${rule}`)
  const asked = names.flatMap((rule) => ['--entrypoint', rule])
  const known = ['--capabilities', join(policies, 'capabilities.json')]
  const settings = ['-t', 'wasm', '-O0', '--revision', name, ...known, ...asked]
  const words = ['build', ...settings, '--output', archive]
  run(opa, [...words, `${name}.rego`], 'opa check comes first', vectors)
  run('tar', ['-xzf', archive, '-C', folder], 'put a tar program on the PATH')
  const module = instantiate(mergeBundle(await readBundleFiles(folder), []), 64)
  const plan = openAskedPlan(
    JSON.parse(readFileSync(join(vectors, `${name}.plan.json`), 'utf8')),
    '{}',
  )
  for (const time of ['2026-11-30T23:59:59.999Z', '2026-12-01T00:00:00.000Z']) {
    const input = {
      subject: { id: 'abc' },
      resource: { id: 'read', count: 255 },
      context: { time },
    }
    for (const rule of names) {
      const own = plan.ask(rule, fromJson(JSON.stringify(input)), 100_000).value
      const given = answerOf(() => module.evaluate(rule, formatInput(input)))
      if (isDeepStrictEqual(unordered(given), unordered(own))) continue
      const shown = `plan=${JSON.stringify(own)} module=${JSON.stringify(given)}`
      throw new PolicyCheckError(`${rule} at ${time}: ${shown}`, 'see src/policy/module-host.ts')
    }
  }
}

function answerOf(ask: () => unknown): unknown {
  try {
    return ask()
  } catch (error) {
    if ((error as { code?: unknown }).code === 'policy/undefined') return undefined
    throw error
  }
}

/** The revision is a digest of what is decided with: it changes when that does, and never otherwise. */
function writeManifest(folder: string): void {
  const hash = createHash('sha256')
  const decisive = ['plan.json', 'policy.wasm', 'data.json']
  for (const name of decisive) hash.update(readFileSync(join(folder, name)))
  const file = join(folder, '.manifest')
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
  const revision = `sha256:${hash.digest('hex').slice(0, 32)}`
  writeFileSync(file, `${JSON.stringify({ ...manifest, revision }, null, 2)}\n`)
}

/** The build is deterministic, so the committed bundle must be what the sources give, octet by octet. */
function compareBundle(folder: string): void {
  const hint = 'npm run test:policies -- --write, and commit policies/bundle'
  const committed = readdirSync(bundle).toSorted()
  if (committed.join() !== bundleFiles.join()) {
    throw new PolicyCheckError(
      `policies/bundle: want=${bundleFiles.join()} got=${committed.join()}`,
      hint,
    )
  }
  for (const name of bundleFiles) {
    if (!readFileSync(join(folder, name)).equals(readFileSync(join(bundle, name)))) {
      throw new PolicyCheckError(`policies/bundle/${name} is not what the sources give`, hint)
    }
  }
}

function writeBundle(folder: string): void {
  mkdirSync(bundle, { recursive: true })
  for (const name of bundleFiles)
    writeFileSync(join(bundle, name), readFileSync(join(folder, name)))
}

const vectors = join(policies, '..', 'test', 'vectors', 'rego')

/** The rules of a package, each asked for by itself. */
function rulesIn(source: string): readonly string[] {
  const heads = source.matchAll(/^(?:default )?([a-z_]+)(?= :=| contains| if|\[|\.)/gm)
  return [...new Set([...heads].map(([, name = '']) => name))].toSorted()
}

/** Plans of rules that nobody ships, for tests, and what OPA itself says of them. */
function checkVectors(opa: string, folder: string, write: boolean): void {
  for (const name of ['constructs', 'bomb', 'clock', 'hosted']) {
    const archive = join(folder, `${name}.tar.gz`)
    const names = rulesIn(readFileSync(join(vectors, `${name}.rego`), 'utf8')).map(
      (rule) => `${name}/${rule}`,
    )
    const asked = names.flatMap((entrypoint) => ['--entrypoint', entrypoint])
    const known = ['--capabilities', join(policies, 'capabilities.json')]
    const words = ['build', '-t', 'plan', '-O0', ...known, ...asked, '--output', archive]
    run(opa, [...words, `${name}.rego`], 'opa check comes first', vectors)
    run('tar', ['-xzf', archive, '-C', folder], 'put a tar program on the PATH')
    keepVector(`${name}.plan.json`, readFileSync(join(folder, 'plan.json'), 'utf8'), write)
  }
  const files = ['constructs.rego', 'constructs.input.json'].map((file) => join(vectors, file))
  const words = ['eval', '--format', 'raw', '--data', files[0] ?? '', '--input', files[1] ?? '']
  const done = spawnSync(opa, [...words, 'data.constructs'], { encoding: 'utf8' })
  if (done.status !== 0) throw new PolicyCheckError(done.stderr, 'opa eval comes first')
  keepVector('constructs.answers.json', done.stdout, write)
  keepVector('addresses.answers.json', addressVector(opa), write)
  keepVector('letters.answers.json', letterVector(opa), write)
  keepVector('lint.modules.json', lintVector(opa, join(vectors, 'lint')), write)
  keepVector('regex.answers.json', regexVector(opa), write)
  keepVector('time.answers.json', timeVector(opa), write)
  keepVector('words.answers.json', wordVector(opa), write)
  keepVector('glob.answers.json', globVector(opa), write)
  keepVector('token.answers.json', tokenVector(opa), write)
  keepVector('format.answers.json', formatVector(opa), write)
  keepVector('letter-classes.answers.json', letterClassVector(opa), write)
}

/** A suite with everything that a test may be: its plan, and what `opa test` says of it. */
async function checkSuites(opa: string, write: boolean): Promise<void> {
  const verdicts = opaVerdicts(opa, ['.'], join(vectors, 'suite'))
  const tests = Object.entries(verdicts)
    .filter(([path, verdict]) => !path.includes(' ') && verdict !== 'skip')
    .map(([path]) => path)
  keepVector('suite.plan.json', await planOfSuite(opa, 'suite', tests), write)
  const covered = ['covered', 'covered_test/test_allow', 'covered_test/test_names']
  const more = ['covered_test/test_kind', 'covered_test/test_members']
  keepVector('coverage.plan.json', await planOfSuite(opa, 'coverage', [...covered, ...more]), write)
  keepVector('suite.answers.json', `${JSON.stringify(verdicts, null, 2)}\n`, write)
  const count =
    (await compareSuite(opa, vectors, ['suite'])) + (await compareSuite(opa, policies, sources))
  process.stdout.write(`policies: ${count} tests and cases, policy test and opa test agree\n`)
  await checkDocs(opa, write)
  const shown = await lintShipped(opa)
  process.stdout.write(
    `policies: no warning of the shipped rules, nor of ${shown} that documents show\n`,
  )
  const rows = await coveredRows(opa, policies, sources)
  process.stdout.write(`policies: all ${rows} rows of the rules are covered\n`)
}

/** Something is said of every rule, and docs/RULES.md is what is said. */
async function checkDocs(opa: string, write: boolean): Promise<void> {
  // The names of the sources stand in it.
  const before = process.cwd()
  process.chdir(policies)
  try {
    const how = [write ? '--output' : '--check', join('..', 'docs', 'RULES.md'), '--complete']
    const { code, err } = await runPolicy('docs', 'countersign', '--opa', opa, ...how)
    if (code === 0) return
    const hint =
      'METADATA beside the rule; npm run test:policies -- --write, and commit docs/RULES.md'
    throw new PolicyCheckError(err, hint)
  } finally {
    process.chdir(before)
  }
}

async function planOfSuite(
  opa: string,
  name: string,
  entrypoints: readonly string[],
): Promise<string> {
  const folder = join(vectors, name)
  const none = new AbortController().signal
  const { files } = await buildSources(findOpa(opa, {}, none), [folder], {
    target: 'plan',
    entrypoints,
  })
  return (files.get('plan.json') ?? Buffer.alloc(0)).toString('utf8').replaceAll(folder, name)
}

function keepVector(name: string, text: string, write: boolean): void {
  if (write) writeFileSync(join(vectors, name), text)
  else if (readFileSync(join(vectors, name), 'utf8') !== text) {
    const hint = 'npm run test:policies -- --write, and commit test/vectors/rego'
    throw new PolicyCheckError(`test/vectors/rego/${name} is not what opa gives`, hint)
  }
}

async function judgePolicies(write: boolean): Promise<void> {
  const opa = toolPath('opa')
  if (opa === undefined) {
    throw new PolicyCheckError('opa is not built', 'npx node test/tools/build.ts opa')
  }
  checkSources(opa)
  testSources(opa)
  const folder = mkdtempSync(join(tmpdir(), 'countersign-policies-'))
  try {
    await checkCapabilities(opa, folder)
    checkVectors(opa, folder, write)
    for (const name of ['clock', 'hosted']) await checkModule(opa, folder, name)
    buildBundle(opa, folder)
    if (write) writeBundle(folder)
    else compareBundle(folder)
    await compareEngines(opa)
    await compareSuites(opa, write)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function compareSuites(opa: string, write: boolean): Promise<void> {
  try {
    await checkSuites(opa, write)
    await buildAndSign(opa, policies, sources)
    await beginAsAuthor(opa)
    await followAsOpa(opa, policies)
    await sendAsOpa(opa, policies)
    process.stdout.write(
      'policies: policy build gives the shipped revision, opa takes what policy sign signs, and policy new gives what is tested and built\n' +
        'policies: opa run and a gateway follow one bundle server, and one registry, to one revision, and decide alike\n' +
        'policies: opa run and a gateway send their decisions to one receiver in one form, and drop the same\n',
    )
  } catch (error) {
    if (error instanceof PolicyCheckError) throw error
    throw new PolicyCheckError((error as Error).message.slice(0, 4000), 'src/policy/author')
  }
}

async function compareEngines(opa: string): Promise<void> {
  try {
    const count = await compareWithOpa(opa, 1, 25)
    process.stdout.write(`policies: ${count} questions, plan, module and opa eval answer alike\n`)
    for (const [what, calls] of Object.entries(generated)) {
      const made = compareBuiltins(opa, calls, 20_000)
      process.stdout.write(`policies: ${made} calls of ${what}, plan and opa eval answer alike\n`)
    }
  } catch (error) {
    throw new PolicyCheckError((error as Error).message.slice(0, 4000), 'src/policy/plan')
  }
}

if (import.meta.main) {
  try {
    await judgePolicies(process.argv.includes('--write'))
    process.stdout.write('policies: formatted, checked, tested, and the bundle is theirs\n')
  } catch (error) {
    if (!(error instanceof PolicyCheckError)) throw error
    process.stderr.write(`policies: error: ${error.message}\nhint: ${error.hint}\n`)
    process.exitCode = 1
  }
}
