import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { listSources } from '../../../../src/cli/command/policy/source-files.ts'
import { run } from '../../../../src/cli/program.ts'

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
    let err = ''
    const code = await run(['policy', ...words, '--opa', '/nowhere/opa', '--', ...places], {
      out: () => {},
      err: (text) => void (err += text),
      signal: new AbortController().signal,
    })
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
