import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { ToolchainError, buildTools, toolPath, type Environment } from './build.ts'

/** Stands for the go command: knows `env` and `build`, and notes every build in $HOME/builds. */
const goScript = (options: { env?: string; build?: string }): string => `#!/bin/sh
if [ "$1" = env ]; then ${options.env ?? 'printf "go1.26.8\\nlinux\\namd64\\n"'}; exit; fi
echo "$CGO_ENABLED $*" >> "$HOME/builds"
while [ "$1" != -o ]; do shift; done
echo program > "$2"
${options.build ?? 'exit 0'}
`

async function machine(
  t: TestContext,
  script?: string,
): Promise<{ home: string; environment: Environment }> {
  const home = await mkdtemp(join(tmpdir(), 'countersign-build-'))
  t.after(() => rm(home, { recursive: true, force: true }))
  if (script !== undefined) await writeFile(join(home, 'go'), script, { mode: 0o755 })
  return { home, environment: { PATH: `${home}:/usr/bin:/bin`, HOME: home } }
}

const quiet = (): void => undefined

test('a tool is built once and found afterwards', async (t) => {
  const { home, environment } = await machine(t, goScript({}))
  assert.equal(toolPath('opa', environment), undefined)
  const lines: string[] = []
  const first = await buildTools(['opa'], (line) => lines.push(line), environment)
  const path = first.get('opa')
  assert.ok(path?.startsWith(join(home, '.cache/countersign/tools/opa-1.')), path)
  assert.equal(toolPath('opa', environment), path)
  assert.equal((await buildTools(['opa'], quiet, environment)).get('opa'), path)
  assert.equal((await readFile(join(home, 'builds'), 'utf8')).trim().split('\n').length, 1)
  assert.match(lines.join('\n'), /^opa 1\.\d+\.\d+: building$/)
})

test('XDG_CACHE_HOME moves the cache', async (t) => {
  const { home, environment } = await machine(t, goScript({}))
  const moved = { ...environment, XDG_CACHE_HOME: join(home, 'elsewhere') }
  const path = (await buildTools(['etcd'], quiet, moved)).get('etcd')
  assert.ok(path?.startsWith(join(home, 'elsewhere/countersign/tools/etcd-3.')), path)
})

test('binaries carry the version that go.mod pins, need no C compiler and no path of ours', async (t) => {
  const { home, environment } = await machine(t, goScript({}))
  await buildTools(['opa', 'kube-apiserver', 'etcd'], quiet, environment)
  const [opa, etcd, apiserver] = (await readFile(join(home, 'builds'), 'utf8')).split('\n')
  assert.match(opa ?? '', /^0 build -mod=readonly -trimpath .*\/version\.Version=1\.22\.2/)
  assert.match(etcd ?? '', /^0 build -mod=readonly -trimpath .* \.\/etcd$/)
  assert.match(apiserver ?? '', /gitVersion=v1\.37\.0 .*gitMajor=1 .*gitMinor=37 /)
})

test('another Go release or another platform has its own folder', async (t) => {
  const folders = new Set<string>()
  for (const platform of [
    'go1.26.8\\nlinux\\namd64',
    'go1.26.9\\nlinux\\namd64',
    'go1.26.8\\nlinux\\narm64',
  ]) {
    const { home, environment } = await machine(t, goScript({ env: `printf "${platform}\\n"` }))
    const path = (await buildTools(['opa'], quiet, environment)).get('opa') ?? ''
    folders.add(path.slice(home.length))
  }
  assert.equal(folders.size, 3)
})

test('a build that ends badly leaves nothing behind and says what go said', async (t) => {
  const script = goScript({ build: 'echo "no space left on device" >&2; exit 1' })
  const { home, environment } = await machine(t, script)
  await assert.rejects(buildTools(['opa'], quiet, environment), (error) => {
    assert.ok(error instanceof ToolchainError)
    assert.match(error.message, /want=exit 0 got=exit 1\nno space left on device$/)
    return true
  })
  assert.equal(toolPath('opa', environment), undefined)
  assert.deepEqual(await readdir(join(home, '.cache/countersign/tools')), [])
})

test('a build that another process finished meanwhile is used', async (t) => {
  const script = goScript({
    build: 'final=$(dirname "$2" | sed "s/[.]unfinished-.*//"); mkdir "$final"; cp "$2" "$final"',
  })
  const { environment } = await machine(t, script)
  const path = (await buildTools(['opa'], quiet, environment)).get('opa')
  assert.equal(toolPath('opa', environment), path)
})

const commands: readonly { title: string; script?: string; words: string[]; stderr: RegExp }[] = [
  {
    title: 'no go command',
    words: ['opa'],
    stderr: /^build: error: the go command cannot be run\nhint: install Go 1\.26 or newer/,
  },
  {
    title: 'a go command that is too old',
    script: goScript({
      env: 'echo "go: go.mod requires go >= 1.26.0 (running go 1.24.1)" >&2; exit 1',
    }),
    words: ['opa'],
    stderr:
      /^build: error: go: go\.mod requires go >= 1\.26\.0 .*\nhint: install Go 1\.26 or newer/,
  },
  {
    title: 'a tool that does not exist',
    words: ['kubectl'],
    stderr: /^build: error: no such tool: "kubectl"\nhint: choose from opa, cluster, etcd/,
  },
]

for (const { title, script, words, stderr } of commands) {
  test(`the command ends with 2 and one hint: ${title}`, async (t) => {
    const { home, environment } = await machine(t, script)
    const ended = spawnSync(process.execPath, [join(import.meta.dirname, 'build.ts'), ...words], {
      env: { ...environment, PATH: script === undefined ? home : environment['PATH'] },
      encoding: 'utf8',
    })
    assert.match(ended.stderr, stderr)
    assert.equal(ended.stderr.trimEnd().split('\n').length, 2)
    assert.equal(ended.status, 2)
    assert.equal(ended.stdout, '')
  })
}
