import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { installNpm, npmFolder } from './npm.ts'

/** A folder with one package that stands beside it, so that no registry is asked. */
async function openSource(): Promise<
  AsyncDisposable & {
    readonly source: string
    readonly environment: Record<string, string | undefined>
  }
> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-npm-'))
  const source = join(folder, 'pinned')
  await mkdir(source)
  const own = { dependencies: {} }
  await writeFile(join(source, 'package.json'), JSON.stringify(own))
  const lock = { name: 'pinned', lockfileVersion: 3, requires: true, packages: { '': own } }
  await writeFile(join(source, 'package-lock.json'), JSON.stringify(lock))
  const environment = { ...process.env, XDG_CACHE_HOME: join(folder, 'cache') }
  return {
    source,
    environment,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

test('packages are installed into the cache once, and anew when their lockfile changes', async () => {
  await using opened = await openSource()
  const { source, environment } = opened
  const folder = npmFolder(source, environment)
  assert.ok(folder.startsWith(join(environment['XDG_CACHE_HOME'] ?? '', 'countersign', 'tools')))
  assert.equal(existsSync(folder), false)
  assert.equal(await installNpm(source, environment), join(folder, 'node_modules'))
  assert.deepEqual((await readdir(source)).toSorted(), ['package-lock.json', 'package.json'])
  const mark = join(folder, 'mark')
  await writeFile(mark, '')
  await installNpm(source, environment)
  assert.ok(existsSync(mark))
  const lock = join(source, 'package-lock.json')
  await writeFile(lock, `${await readFile(lock, 'utf8')}\n`)
  assert.notEqual(npmFolder(source, environment), folder)
})

test('a lockfile that is not the one of its package.json installs nothing', async () => {
  await using opened = await openSource()
  const { source, environment } = opened
  const wanted = { dependencies: { 'no-package-has-this-name-of-ours': '1.0.0' } }
  await writeFile(join(source, 'package.json'), JSON.stringify(wanted))
  await assert.rejects(installNpm(source, environment), /^ToolchainError: npm ci: want=exit 0/)
  const left = await readdir(join(environment['XDG_CACHE_HOME'] ?? '', 'countersign', 'tools'))
  assert.deepEqual(left, [])
})
