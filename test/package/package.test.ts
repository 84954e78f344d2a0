import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import manifest from '../../package.json' with { type: 'json' }
import { root } from '../support/source-tree.ts'

/** An empty project that has installed the packed package, as its users do. */
let folder: string
let installed: string

function run(program: string, words: readonly string[], cwd: string): string {
  const ended = spawnSync(program, words, { cwd, encoding: 'utf8' })
  assert.equal(ended.status, 0, `${program} ${words.join(' ')}\n${ended.stdout}${ended.stderr}`)
  return ended.stdout
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-package-'))
  installed = join(folder, 'node_modules', 'countersign')
  run('npm', ['pack', '--pack-destination', folder], root)
  const [archive = ''] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'))
  await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund']
  run('npm', ['install', ...quiet, `./${archive}`], folder)
})

after(() => rm(folder, { recursive: true, force: true }))

test('the command runs and knows its version', () => {
  assert.equal(
    run('npx', ['--no-install', 'countersign', 'version'], folder),
    `${manifest.version}\n`,
  )
})

test('the command explains itself', () => {
  const help = run('npx', ['--no-install', 'countersign', '--help'], folder)
  assert.match(help, /^Usage: countersign /)
  for (const command of ['signer', 'gateway', 'bridge'])
    assert.match(help, new RegExp(`^ {2}${command} `, 'm'))
})

test('a configuration error of the installed command has its code and exit code', async () => {
  await writeFile(join(folder, 'signer.yaml'), 'trustDomain: Agents.Example\n')
  const command = join(folder, 'node_modules', '.bin', 'countersign')
  const ended = spawnSync(command, ['signer', '--config', 'signer.yaml'], {
    cwd: folder,
    encoding: 'utf8',
  })
  assert.equal(ended.status, 2)
  assert.match(ended.stderr, /^countersign: error: signer\.yaml: .*\(cli\/configuration\)\nhint: /s)
})

test('the shipped policy bundle loads from where it is installed', () => {
  const program = `
    const { openPolicyBase } = await import(process.cwd() + '/node_modules/countersign/dist/policy/engine.js')
    console.log((await openPolicyBase()).engineWith([]).revision)`
  assert.match(run('node', ['--input-type=module', '--eval', program], folder), /^sha256:/)
})

test('nothing of the package can be imported: it is a command, and what others import are packages of their own', () => {
  const program = `
    const refused = await import('countersign/dist/errors.js').catch((error) => error.code)
    console.log(refused, await import('countersign').catch((error) => error.code))`
  assert.equal(
    run('node', ['--input-type=module', '--eval', program], folder),
    'ERR_PACKAGE_PATH_NOT_EXPORTED ERR_PACKAGE_PATH_NOT_EXPORTED\n',
  )
})

test('the package holds what runs and its licences, and no tests or sources', async () => {
  const files = await readdir(installed, { recursive: true })
  assert.equal(files.includes('LICENSE'), true)
  assert.equal(files.includes('NOTICE'), true)
  assert.equal(files.includes(join('policies', 'bundle', '.manifest')), true)
  assert.equal(files.includes(join('policies', 'bundle', 'policy.wasm')), true)
  assert.equal(files.includes(join('policies', 'bundle', 'plan.json')), true)
  assert.deepEqual(
    files
      .filter((path) => !path.startsWith('node_modules'))
      .filter((path) =>
        /^(src|test|bench|dev|image|packages|dist\/(image|packages))\b|\.test\.|(?<!\.d)\.ts$/.test(
          path,
        ),
      ),
    [],
  )
  const { mode } = await stat(join(installed, 'dist', 'cli', 'main.js'))
  assert.equal(mode & 0o111, 0o111)
  assert.match(
    await readFile(join(installed, 'dist', 'cli', 'main.js'), 'utf8'),
    /^#!\/usr\/bin\/env node\n/,
  )
})
