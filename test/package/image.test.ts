import assert from 'node:assert/strict'
import { execFileSync, spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, test, type TestContext } from 'node:test'
import manifest from '../../package.json' with { type: 'json' }
import { packLayer } from '../../image/layer.ts'
import { config, readProduct } from '../../image/product.ts'
import { makeProgram } from '../../image/program.ts'
import { silentMetrics } from '../../src/metrics.ts'
import { openBuiltPrograms } from '../../src/policy/built-program.ts'
import { createPlanEngine } from '../../src/policy/plan-engine.ts'
import { requirement } from '../requirements.ts'
import { filesUnder, readSourceFile, root } from '../support/source-tree.ts'

/** On the same disk as the tree, so that copies can be links; git and the tests of the tree do not look into dist. */
let folder: string
/** The image's files, unpacked from the archive. */
let image: string
let archive: ReadonlyMap<string, Buffer>

interface Manifest {
  readonly config: { readonly digest: string }
  readonly layers: readonly { readonly digest: string }[]
}

function blob(digest: string): string {
  return join('blobs', 'sha256', digest.replace('sha256:', ''))
}

before(() => {
  // The build of the package, which another test may run meanwhile, leaves this folder alone.
  mkdirSync(join(root, 'dist', 'image'), { recursive: true })
  folder = mkdtempSync(join(root, 'dist', 'image', 'test-'))
  execFileSync('npm', ['run', 'image'], { cwd: root, stdio: 'ignore' })
  const layout = join(folder, 'layout')
  image = join(folder, 'image')
  for (const each of [layout, image]) mkdirSync(each)
  const file = join(root, 'dist', 'image', `countersign-${manifest.version}.tar`)
  execFileSync('tar', ['-xf', file, '-C', layout])
  const names = readdirSync(layout, { recursive: true, withFileTypes: true })
  const files = names
    .filter((each) => each.isFile())
    .map((each) => join(each.parentPath, each.name))
  archive = new Map(files.map((path) => [path.slice(layout.length + 1), readFileSync(path)]))
  for (const { digest } of imageManifest().layers) {
    execFileSync('tar', ['-xzf', join(layout, blob(digest)), '-C', image])
  }
})

after(() => rmSync(folder, { recursive: true, force: true }))

function json(name: string): unknown {
  return JSON.parse(String(archive.get(name)))
}

function imageManifest(): Manifest {
  const { manifests } = json('index.json') as { manifests: { digest: string }[] }
  return json(blob(manifests[0]?.digest ?? '')) as Manifest
}

/** Runs the image's entrypoint in nothing but the image, as its user. Undefined, with a loud line, where that needs a right that is not had. */
function runImage(t: TestContext, words: readonly string[]): SpawnSyncReturns<string> | undefined {
  if (process.getuid?.() !== 0) {
    t.diagnostic('NOT RUN: only root may change the root folder, so the image was not started')
    return undefined
  }
  const chroot = [`--userspec=${config.User}`, image, ...config.Entrypoint, ...words]
  return spawnSync('chroot', chroot, {
    encoding: 'utf8',
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
  })
}

test('the image runs with nothing but itself', (t) => {
  const ended = runImage(t, ['--version'])
  if (ended === undefined) return
  assert.equal(ended.stderr, '')
  assert.equal(ended.stdout, `${manifest.version}\n`)
  assert.equal(ended.status, 0)
})

test('the image brings the default policy to where the program looks for it', (t) => {
  const configuration = `trustDomain: a.example
cluster: test
production: false
authority: { selfSigned: { namespace: x } }
ledger: { file: /nowhere/ledger.jsonl }
`
  const file = join(image, 'signer.yaml')
  const policies = join(image, 'opt/countersign/policies')
  writeFileSync(file, configuration)
  const whole = runImage(t, ['signer', '--config', '/signer.yaml'])
  renameSync(policies, `${policies}-away`)
  const without = runImage(t, ['signer', '--config', '/signer.yaml'])
  renameSync(`${policies}-away`, policies)
  rmSync(file)
  if (whole === undefined || without === undefined) return
  assert.match(without.stderr, /\(policy\/bundle\)/)
  // There is no cluster here, and it is looked for after the policy was loaded and had answered.
  assert.match(
    whole.stderr,
    /^countersign: error: kubernetes server: .*\(kubernetes\/configuration\)/m,
  )
})

test('the image brings the program of its default policy, and nothing in it asks for code of strings', async () => {
  requirement('policy.plan-is-no-text')
  assert.ok(config.Entrypoint.includes('--disallow-code-generation-from-strings'))
  const home = join(image, 'opt/countersign')
  const read = (name: string): string => readFileSync(join(home, name), 'utf8')
  const plan: unknown = JSON.parse(read('policies/bundle/plan.json'))
  assert.equal(read('dist/program.mjs'), makeProgram(root))
  const built = await openBuiltPrograms(join(home, 'dist/program.mjs'))
  const options = { fuelOf: (): number => 1, metrics: silentMetrics, built }
  assert.equal(createPlanEngine(plan, options).isBuilt, true)
  const texts = readdirSync(join(home, 'dist/cli')).map((name) => read(`dist/cli/${name}`))
  // Seen from the module that looks for it, one folder above.
  assert.ok(texts.some((text) => text.includes('import.meta.dirname,"..","program.mjs"')))
  const asking = texts.flatMap((text) => text.match(/(?<![\w.$])(?:eval|Function)\(.{0,40}/g) ?? [])
  assert.deepEqual(asking, [])
})

test('the image has the configuration that it was given: a numeric user, the program, its names', () => {
  const { config: descriptor } = imageManifest()
  const read = json(blob(descriptor.digest)) as { config: object; os: string }
  assert.deepEqual(read.config, config)
  assert.equal(read.os, 'linux')
  assert.match(config.User ?? '', /^\d+:\d+$/)
})

test('the image holds Node, its libraries, the program, the policy and the licences, and nothing that its user may write', () => {
  requirement('image.nothing-else-inside')
  const entries = readdirSync(image, { recursive: true, withFileTypes: true })
  const paths = entries
    .filter((each) => !each.isDirectory())
    .map((each) => join(each.parentPath, each.name).slice(image.length + 1))
  const known =
    /^(usr\/bin\/node|lib(64|\/[\w-]+)\/[\w.+-]+\.so\.\d+|etc\/(passwd|group|nsswitch\.conf)|opt\/countersign\/(dist\/(program|cli\/[\w-]+)\.mjs|policies\/bundle\/[\w.]+|licenses\/.*|LICENSE|NOTICE|sbom\.cdx\.json))$/
  assert.deepEqual(
    paths.filter((path) => !known.test(path)),
    [],
  )
  const writable = execFileSync('find', [image, '-perm', '/022', '-not', '-type', 'l'], {
    encoding: 'utf8',
  })
  assert.equal(writable, '')
})

test('the image is no larger than it has to be: 150 MB unpacked, 60 as archive', (t) => {
  const bytes = Number(execFileSync('du', ['-sb', image], { encoding: 'utf8' }).split('\t')[0])
  const archived = [...archive.values()].reduce((sum, { length }) => sum + length, 0)
  t.diagnostic(`${bytes} bytes unpacked, ${archived} as archive`)
  assert.ok(bytes <= 150e6, `got=${bytes}`)
  assert.ok(archived <= 60e6, `got=${archived}`)
})

test('each part has its licence, and the bill of materials names them all', () => {
  const bill = readFileSync(join(image, 'opt/countersign/sbom.cdx.json'), 'utf8')
  const beside = join(root, 'dist', 'image', `countersign-${manifest.version}.cdx.json`)
  assert.equal(bill, readFileSync(beside, 'utf8'))
  const { components } = JSON.parse(bill) as {
    components: { name: string; version: string; licenses: object[] }[]
  }
  const named = components.map(({ name, version }) => `${name}@${version}`)
  for (const name of ['node', 'libc6', 'pino', 'zod']) {
    assert.ok(
      named.some((each) => each.startsWith(`${name}@`)),
      `want=${name}`,
    )
  }
  const licences = join(image, 'opt/countersign/licenses')
  for (const name of named) assert.ok(readdirSync(join(licences, name)).length > 0, name)
  assert.deepEqual(
    components.filter(({ licenses }) => licenses.length === 0),
    [],
  )
})

test('a build in another folder gives the same layers', async () => {
  const elsewhere = join(folder, 'another', 'place')
  mkdirSync(elsewhere, { recursive: true })
  const needed = ['src', 'policies', 'node_modules', 'package.json', 'package-lock.json']
  for (const name of [...needed, 'LICENSE', 'NOTICE', 'tsconfig.json']) {
    execFileSync('cp', ['-al', join(root, name), elsewhere])
  }
  const digests = async (of: string): Promise<readonly string[]> => {
    const { layers } = await readProduct(of)
    const packed = await Promise.all(layers.map((entries) => packLayer(entries, 0)))
    return packed.map((each) => createHash('sha256').update(each).digest('hex'))
  }
  const there = await digests(elsewhere)
  const { config: descriptor } = imageManifest()
  const { rootfs } = json(blob(descriptor.digest)) as { rootfs: { diff_ids: string[] } }
  assert.deepEqual(
    there.map((each) => `sha256:${each}`),
    rootfs.diff_ids,
  )
})

test('the Dockerfile copies the same files and says the same configuration', () => {
  const { text } = readSourceFile('Dockerfile')
  const said = (word: string): readonly string[] =>
    [...text.matchAll(new RegExp(`^${word} (.*)$`, 'gm'))].map(([, rest = '']) => rest)
  assert.deepEqual(said('COPY').at(-1), '--from=build /src/dist/image/rootfs/ /')
  assert.deepEqual(said('FROM').at(-1), 'scratch')
  assert.deepEqual(said('USER'), [config.User])
  assert.deepEqual(said('ENV'), config.Env)
  assert.deepEqual(JSON.parse(said('ENTRYPOINT')[0] ?? ''), config.Entrypoint)
  assert.deepEqual(JSON.parse(said('CMD')[0] ?? ''), config.Cmd)
  assert.deepEqual(said('WORKDIR').at(-1), config.WorkingDir)
  const labels = said('LABEL').map((each) => each.split(/=(.*)/s))
  assert.deepEqual(
    Object.fromEntries(
      labels.map(([name = '', value = '']) => [name, JSON.parse(value) as string]),
    ),
    config.Labels,
  )
  execFileSync('diff', ['-r', '--no-dereference', join(root, 'dist', 'image', 'rootfs'), image])
})

test('the program hears signals before it loads what takes long', () => {
  const program = join(image, 'opt/countersign/dist/cli')
  const loaded = new Map<string, string>()
  const load = (name: string): void => {
    if (loaded.has(name)) return
    const text = readFileSync(join(program, name), 'utf8')
    loaded.set(name, text)
    for (const [, to = ''] of text.matchAll(/\b(?:import|from) ?"\.\/([\w-]+\.mjs)"/g)) load(to)
  }
  load('main.mjs')
  const text = [...loaded.values()].join('\n')
  assert.ok(text.length < 10_000, `want=little before the first import() got=${text.length} octets`)
  const [heard, later] = ['process.once("SIGTERM"', 'await import("./program-'].map((each) =>
    text.indexOf(each),
  )
  assert.ok(heard !== undefined && heard >= 0 && later !== undefined && later >= 0)
})

test('what the program looks for beside itself is known to the image', () => {
  const looking = filesUnder('src')
    .filter(({ text }) => /import\.meta\.|new Worker\(|\bfork\(|\bspawn\(/.test(text))
    .map(({ path }) => path)
  // The default policy, and workers, which are the program itself. A new one needs its file in the image, at the same place as seen
  // from dist/cli.
  // What tests bundles, and what has a candidate, is the program itself, too, whose files stand in one folder in the image.
  // Threads look for no file.
  // What runs after an agent's change, and what a guard stands before, is what is configured, and nothing of ours.
  assert.deepEqual(looking, [
    'src/cli/agent/change-hook.ts',
    'src/cli/bundle-process.ts',
    'src/cli/gateway/run-workers.ts',
    'src/cli/gateway/signing-thread.ts',
    'src/cli/policy-files.ts',
    'src/gateway/workers/place.ts',
    'src/guard/child.ts',
    'src/policy/engine.ts',
  ])
})
