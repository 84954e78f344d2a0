import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { buildTools, toolPath, type Environment } from './build.ts'
import { groups, moduleFolder, programs } from './programs.ts'
import { ToolchainError } from './toolchain-error.ts'

/** Stands for the go command: knows `env` and `build`, and notes every build in $HOME/builds. */
const goScript = (options: { env?: string; build?: string }): string => `#!/bin/sh
if [ "$1" = env ]; then ${options.env ?? 'printf "go1.26.8\\nlinux\\namd64\\n"'}; exit; fi
echo "$CGO_ENABLED $* $CGO_LDFLAGS" >> "$HOME/builds"
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
  assert.match(etcd ?? '', /^0 build -mod=readonly -trimpath .* \.\/etcd $/)
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

/** Stands for Debian's tools: a package is an empty file, and unpacking it leaves what is linked and run. */
const aptScript = `#!/bin/sh
[ "$1" = download ] && touch libseccomp2_1.deb
exit 0
`
const dpkgScript = `#!/bin/sh
mkdir -p "$3/usr/sbin" && printf '#!/bin/sh\necho nft from $LD_LIBRARY_PATH: $*' > "$3/usr/sbin/nft" && chmod +x "$3/usr/sbin/nft"
`

async function debianMachine(t: TestContext): ReturnType<typeof machine> {
  const made = await machine(t, goScript({}))
  await writeFile(join(made.home, 'apt-get'), aptScript, { mode: 0o755 })
  await writeFile(join(made.home, 'dpkg'), dpkgScript, { mode: 0o755 })
  return made
}

test('runc alone is linked with C, and with the library that was unpacked for it', async (t) => {
  const { home, environment } = await debianMachine(t)
  await buildTools(['runc', 'containerd'], quiet, environment)
  const [runc, containerd] = (await readFile(join(home, 'builds'), 'utf8')).split('\n')
  assert.match(
    runc ?? '',
    /^1 build .*-extldflags -static.* -tags=seccomp,.* -L.*\/debian-.*\/files/,
  )
  assert.match(containerd ?? '', /^0 build .* -tags=no_btrfs,.*\/cmd\/containerd $/)
})

test('nft runs from where it was unpacked, with its own libraries', async (t) => {
  const { home, environment } = await debianMachine(t)
  const path = (await buildTools(['nft'], quiet, environment)).get('nft') ?? ''
  const ran = spawnSync(path, ['list', 'ruleset'], { encoding: 'utf8' })
  assert.match(ran.stdout, new RegExp(`^nft from ${home}/.*/files/usr/lib/.*: list ruleset\n$`))
})

test('a machine without apt-get is told what the node needs', async (t) => {
  const { environment } = await machine(t, goScript({}))
  const bare = { ...environment, PATH: environment['HOME'] }
  await assert.rejects(buildTools(['nft'], quiet, bare), (error) => {
    assert.ok(error instanceof ToolchainError)
    assert.equal(error.message, 'the apt-get command cannot be run')
    assert.match(error.hint, /Debian or Ubuntu/)
    return true
  })
})

/** The versions that a module requires, by module path. */
async function requirements(module: string): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(join(import.meta.dirname, module, 'go.mod'), 'utf8')
  return new Map(
    [...text.matchAll(/^(?:require )?\s*(\S+\.\S+) (v\S+)/gm)].map(
      ([, path = '', version = '']) => [path, version],
    ),
  )
}

test('the node has the versions of the cluster, so that one Go build cache serves both', async () => {
  const [cluster, node] = [await requirements('cluster'), await requirements('kubernetes')]
  assert.ok(cluster.size > 100, `got=${cluster.size}`)
  for (const [path, version] of cluster) assert.equal(node.get(path), version, path)
})

test('every program is in a group and in a module that pins it', () => {
  const grouped = new Set(Object.values(groups).flat())
  for (const [name, program] of Object.entries(programs)) {
    assert.ok(grouped.has(name as keyof typeof programs), name)
    assert.ok(existsSync(join(moduleFolder(program), 'go.sum')), name)
  }
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
    words: ['docker'],
    stderr:
      /^build: error: no such tool: "docker"\nhint: choose from opa, helm, cluster, node, go-json, tlog, rego-cases, x509-verify, spiffe-bundle, registry, etcd/,
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
