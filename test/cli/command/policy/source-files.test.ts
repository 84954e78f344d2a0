import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { listSources, readSource } from '../../../../src/cli/command/policy/source-files.ts'
import { runPolicy } from './run-policy.ts'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-policy-sources-'))
  await writeFile(join(folder, 'key.pem'), 'secret')
})

after(() => rm(folder, { recursive: true, force: true }))

/** A folder of sources with one rule. */
async function sourcesIn(name: string): Promise<string> {
  const sources = join(folder, name)
  await mkdir(join(sources, 'rules'), { recursive: true })
  await writeFile(join(sources, 'rules', 'a.rego'), 'package a\n')
  return sources
}

/** What is refused of these sources before there is a compiler to ask, by `policy test` and `policy build`. */
async function refusals(...places: readonly string[]): Promise<readonly string[]> {
  const refused: string[] = []
  for (const words of [['test'], ['build', '-o', join(folder, 'out.tar.gz')]]) {
    const { code, err } = await runPolicy(...words, '--opa', '/nowhere/opa', '--', ...places)
    assert.equal(code, 2, err)
    refused.push(err)
  }
  return refused
}

test('a link may lead to what is in the folder, as those of a mounted volume do', async () => {
  const sources = await sourcesIn('volume')
  await mkdir(join(sources, '..one'))
  await writeFile(join(sources, '..one', 'data.json'), '{}')
  await symlink('..one', join(sources, '..data'))
  await symlink('..data/data.json', join(sources, 'data.json'))
  const { files } = await listSources([sources])
  assert.ok(files.includes(join(sources, 'data.json')))
})

for (const name of ['notes.txt', 'x.rego', 'data.json', 'schemas.json', 'schemas']) {
  test(`a link ${name} out of the folder is refused`, async () => {
    const sources = await sourcesIn(`out-${name}`)
    await symlink(name === 'schemas' ? '..' : '../key.pem', join(sources, name))
    for (const err of await refusals(sources)) {
      assert.match(err, /link leads out of the folder, .*\(policy\/source\)/)
    }
  })
}

test('a link that leads nowhere, or round and round, is refused', async () => {
  const sources = await sourcesIn('nowhere')
  await symlink('nobody@desk.1', join(sources, '.#a.rego'))
  for (const err of await refusals(sources))
    assert.match(err, /link leads nowhere, .*policy\/source/)
  const round = await sourcesIn('round')
  await symlink('.', join(round, 'again'))
  for (const err of await refusals(round)) assert.match(err, /folder is too deep, .*policy\/source/)
})

test('what is no file is refused, and no place with a colon is read', async () => {
  const sources = await sourcesIn('pipe')
  assert.equal(spawnSync('mkfifo', [join(sources, 'f.rego')]).status, 0)
  for (const err of await refusals(sources))
    assert.match(err, /source is no file, .*policy\/source/)
  for (const place of ['/dev/zero', join(folder, 'key.pem'), 'a:/etc', join(folder, 'none')]) {
    for (const err of await refusals(place)) assert.match(err, /\(policy\/source\)/, place)
  }
})

test('a folder may be named as a file of Rego', async () => {
  const sources = await sourcesIn('folder')
  await mkdir(join(sources, 'x.rego'))
  const { files } = await listSources([sources])
  assert.deepEqual(files, [join(sources, 'rules', 'a.rego')])
})

test('what is another thing by the time that it is read is refused, and nothing waits for it', async () => {
  const sources = await sourcesIn('later')
  assert.equal(spawnSync('mkfifo', [join(sources, 'f.rego')]).status, 0)
  for (const file of [join(sources, 'f.rego'), '/dev/zero', sources, join(sources, 'gone.rego')]) {
    await assert.rejects(readSource(file, 10), { code: 'policy/source' }, file)
  }
  assert.equal(String(await readSource(join(sources, 'rules', 'a.rego'), 10)), 'package a\n')
})

test('no more is read than a bundle may have, of all sources together', async () => {
  const sources = await sourcesIn('large')
  for (const name of ['b.rego', 'c.rego']) {
    await writeFile(join(sources, name), '')
    await truncate(join(sources, name), 40 * 1024 * 1024)
  }
  await assert.rejects(readSource(join(sources, 'rules', 'a.rego'), 9), { code: 'policy/source' })
  const [err = ''] = await refusals(sources)
  assert.match(err, /sources are too large, .*c\.rego.*\(policy\/source\)/)
})
