/** What we build and sign, read by `opa`. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { cp, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readBundle } from '../../src/policy/bundle-place.ts'
import { findOpa } from '../../src/cli/command/policy/opa.ts'
import { shippedPolicies } from '../../src/policy/engine.ts'
import { runPolicy } from '../cli/command/policy/run-policy.ts'

async function countersign(
  ...words: readonly string[]
): Promise<Readonly<Record<string, unknown>>> {
  const { code, out, err } = await runPolicy(...words, '--json')
  assert.equal(code, 0, out + err)
  return JSON.parse(out) as Readonly<Record<string, unknown>>
}

/** Builds the shipped sources and signs them with each kind of key. Throws where the revision is another one, or `opa` refuses the signature. */
export async function buildAndSign(
  opa: string,
  policies: string,
  sources: readonly string[],
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-opa-bundles-'))
  // The module holds the names of its sources, which are relative ones in the shipped bundle.
  const before = process.cwd()
  try {
    const bundle = join(folder, 'bundle.tar.gz')
    process.chdir(policies)
    const { revision } = await countersign('build', ...sources, '--opa', opa, '-o', bundle)
    const shipped = await readFile(join(policies, 'bundle', '.manifest'), 'utf8')
    assert.equal(revision, (JSON.parse(shipped) as { readonly revision: string }).revision)
    await buildBesideDocuments({ opa, policies, folder })
    for (const algorithm of ['ES256', 'ES384', 'RS256', 'PS512']) {
      await signWith(algorithm, { opa, folder, bundle })
    }
  } finally {
    process.chdir(before)
    await rm(folder, { recursive: true })
  }
}

/** What an author begins with: its test passes, it is built, and a word that no input has is refused. */
export async function beginAsAuthor(opa: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-opa-author-'))
  try {
    const sources = join(folder, 'sources')
    await countersign('new', sources)
    const { pass, fail, error } = await countersign('test', sources, '--opa', opa)
    assert.deepEqual([Number(pass) > 0, fail, error], [true, 0, 0])
    const bundle = join(folder, 'bundle.tar.gz')
    await countersign('build', sources, '--opa', opa, '-o', bundle)
    await countersign('check', bundle)
    await beginWithReadyRules(opa, folder)
    await evaluateAsAuthor(opa, sources)
    await typeAsAuthor(opa, sources)
    const rule = join(sources, 'countersign', 'custom', 'deny.rego')
    const text = await readFile(rule, 'utf8')
    await writeFile(rule, text.replace('input.resource.id', 'input.resource.name'))
    for (const words of [
      ['test', sources],
      ['build', sources, '-o', bundle],
    ]) {
      const refused = await runPolicy(...words, '--opa', opa)
      assert.equal(refused.code, 2)
      assert.match(refused.err, /deny\.rego:\d+: rego_type_error: undefined ref/)
    }
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** All of the ready rules together: they compile, pass their tests on the engine that enforces, and a word in data stops all. */
async function beginWithReadyRules(opa: string, folder: string): Promise<void> {
  const sources = join(folder, 'ready')
  const names = await readdir(join(shippedPolicies, 'library'))
  await countersign('new', sources, '--rules', ...names)
  const whole = ['--opa', opa, '--threshold', '100']
  const own = join(sources, 'countersign', 'custom')
  const { pass, fail, error } = await countersign('test', own, ...whole)
  assert.deepEqual([Number(pass) > names.length, fail, error], [true, 0, 0])
  await countersign('docs', own, '--opa', opa, '--complete', '-o', join(folder, 'ready.md'))
  const bundle = join(folder, 'ready.tar.gz')
  await countersign('build', sources, '--opa', opa, '-o', bundle)
  const stop = join(folder, 'stop.json')
  await writeFile(stop, JSON.stringify({ stop: { all: true } }))
  await countersign('check', bundle, '--data', stop)
  const call = join(folder, 'call.json')
  await writeFile(call, JSON.stringify({ action: { name: 'tools/call' } }))
  const query = ['--query', 'data.countersign.custom.deny[_].code', '--input', call]
  const asked = await countersign('eval', sources, '--opa', opa, ...query, '--data', stop)
  assert.deepEqual(asked['values'], ['read-only-hours', 'stopped'])
  await writeFile(stop, JSON.stringify({ stop: { tenant: ['acme'] } }))
  const refused = await runPolicy('check', bundle, '--data', stop)
  assert.deepEqual([refused.code, /stop\.json: \/stop/.test(refused.err)], [1, true])
}

/** A rule that is held to the arguments of a tool: a name that the tool has is taken, and one that it has not is refused. */
async function typeAsAuthor(opa: string, sources: string): Promise<void> {
  const list = join(sources, '..', 'tools.json')
  const inputSchema = {
    type: 'object',
    properties: {
      city: { type: 'string' },
      tree: { $ref: '#' },
      days: { type: ['integer', 'null'] },
    },
  }
  await writeFile(list, JSON.stringify({ tools: [{ name: 'get_weather', inputSchema }] }))
  const schemas = join(sources, 'schemas')
  await countersign('schema', '--tools', list, '--server', 'weather', '-o', schemas)
  const rule = join(sources, 'countersign', 'custom', 'deny.rego')
  const text = await readFile(rule, 'utf8')
  const typed = text.replaceAll(
    /#   - input: schema.mcp.decision\n/g,
    (row) => `${row}#   - input.context.arguments: schema.tools.weather.get_weather\n`,
  )
  await writeFile(rule, typed)
  await countersign('test', sources, '--opa', opa)
  for (const [from, to] of [
    ['arguments.city', 'arguments.citty'],
    ['arguments.city in {"Lisbon", "Oslo"}', 'arguments.city == 3'],
  ] as const) {
    assert.ok(typed.includes(from))
    await writeFile(rule, typed.replace(from, to))
    const { code, err } = await runPolicy('test', sources, '--opa', opa)
    assert.deepEqual([code, err.includes('rego_type_error')], [2, true], err)
  }
  await writeFile(rule, text)
}

/** Expressions are worth what `opa eval` says: each value, or none. */
async function evaluateAsAuthor(opa: string, sources: string): Promise<void> {
  const input = join(sources, '..', 'input.json')
  const action = { name: 'tools/call' }
  await writeFile(input, JSON.stringify({ action, resource: { id: 'get_weather' } }))
  for (const query of [
    'data.countersign.custom.deny[_].code',
    '1 < 2',
    'input.none',
    '["a", "b"][_]',
    '{x | some x in [3, 1, 2]}',
  ]) {
    const words = ['--query', query, '--input', input, '--opa', opa, '--json']
    const { out } = await runPolicy('eval', sources, ...words)
    const { values } = JSON.parse(out) as { readonly values: readonly unknown[] }
    const places = ['countersign', 'data.json'].flatMap((name) => ['--data', join(sources, name)])
    const wanted = `[value | value := ${query}\n]`
    const asked = await findOpa(opa, {}, new AbortController().signal).run([
      'eval',
      '--format',
      'raw',
      '--input',
      input,
      ...places,
      wanted,
    ])
    assert.deepEqual(values, JSON.parse(asked), query)
  }
}

/** What is beside the sources and is no data of theirs: OPA would take each of these for data. */
const otherNames =
  'd.json da.json dat.json data2.json data.old.json dome.json dash.json dato.json package.json x.data.json .json values.yaml data.yml'.split(
    ' ',
  )

/** Schemas go into the bundle as they are; into its data goes nothing but `data.json`. Throws where they do, or a test reads them. */
async function buildBesideDocuments({
  opa,
  policies,
  folder,
}: {
  readonly opa: string
  readonly policies: string
  readonly folder: string
}): Promise<void> {
  const sources = join(folder, 'sources')
  for (const from of ['countersign', 'data'])
    await cp(join(policies, from), sources, { recursive: true })
  const schemas = await readFile(join(policies, 'bundle', 'schemas.json'))
  await writeFile(join(sources, 'schemas.json'), schemas)
  await mkdir(join(sources, 'more'))
  for (const [at, name] of otherNames.entries()) {
    for (const beside of [sources, join(sources, 'more')])
      await writeFile(join(beside, name), JSON.stringify({ [`other${at}`]: { $schema: name } }))
  }
  const unread = otherNames.flatMap((_, at) => [
    `\tnot data.other${at}\n`,
    `\tnot data.more.other${at}\n`,
  ])
  const test = `test_none if {\n\tnot data.approvals["$schema"]\n${unread.join('')}}\n`
  await writeFile(join(sources, 'none_test.rego'), `package none_test\n\n${test}`)
  const output = join(folder, 'beside.tar.gz')
  await countersign('build', sources, '--opa', opa, '-o', output)
  const { files } = await readBundle(output)
  assert.deepEqual(files.get('schemas.json'), schemas)
  const shipped = await readFile(join(policies, 'bundle', 'data.json'), 'utf8')
  assert.deepEqual(JSON.parse(String(files.get('data.json'))), JSON.parse(shipped))
  await countersign('test', sources, '--opa', opa, '--run', '^none_test/')
}

async function signWith(
  algorithm: string,
  {
    opa,
    folder,
    bundle,
  }: { readonly opa: string; readonly folder: string; readonly bundle: string },
): Promise<void> {
  const pair = algorithm.startsWith('ES')
    ? generateKeyPairSync('ec', { namedCurve: algorithm === 'ES256' ? 'P-256' : 'P-384' })
    : generateKeyPairSync('rsa', { modulusLength: 2048 })
  const [key, publicKey] = [join(folder, 'key.pem'), join(folder, 'public.pem')]
  await writeFile(key, pair.privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 })
  await writeFile(publicKey, pair.publicKey.export({ format: 'pem', type: 'spki' }))
  const signed = join(folder, 'signed.tar.gz')
  const how = ['--algorithm', algorithm, '--key-id', 'authors', '--scope', 'production']
  await countersign('sign', bundle, '--key', key, ...how, '-o', signed)
  await countersign('verify', signed, '--public-key', publicKey, ...how)
  const theirs = ['--verification-key', publicKey, '--verification-key-id', 'authors']
  const words = [
    'build',
    '-b',
    signed,
    ...theirs,
    '--signing-alg',
    algorithm,
    '--scope',
    'production',
  ]
  const done = spawnSync(opa, [...words, '-o', join(folder, 'taken.tar.gz')], { encoding: 'utf8' })
  assert.equal(done.status, 0, done.stderr)
}
