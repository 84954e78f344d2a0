/**
 * Builds the programs that the tests run against, from the Go modules beside this file, into the
 * user's cache: `node test/tools/build.ts [cluster|opa|<program>]...`. Their versions are the ones
 * that `go.mod` pins; nothing here repeats them.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

export type ToolName = 'opa' | 'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'kubemark'

export type Environment = Readonly<Record<string, string | undefined>>

/** A build that cannot be done on this machine as it is, with what to do about it. */
export class ToolchainError extends Error {
  override readonly name = 'ToolchainError'
  readonly hint: string

  constructor(message: string, hint: string) {
    super(message)
    this.hint = hint
  }
}

interface Tool {
  /** The folder of the Go module, beside this file. */
  readonly module: string
  /** The required module whose version the program carries. */
  readonly versionOf: string
  readonly package: string
  /** Linker settings: an unstamped binary reports a version nobody can use. */
  stamp(version: string): readonly string[]
}

function stampKubernetes(version: string): readonly string[] {
  const [major, minor] = version.split('.')
  const variable = 'k8s.io/component-base/version'
  return [
    `-X ${variable}.gitVersion=v${version}`,
    `-X ${variable}.gitMajor=${major}`,
    `-X ${variable}.gitMinor=${minor}`,
  ]
}

function kubernetesTool(source: string): Tool {
  return {
    module: 'cluster',
    versionOf: 'k8s.io/kubernetes',
    package: source,
    stamp: stampKubernetes,
  }
}

/** In build order: the quickest first, because others wait for it. */
const tools: Readonly<Record<ToolName, Tool>> = {
  opa: {
    module: 'opa',
    versionOf: 'github.com/open-policy-agent/opa',
    package: 'github.com/open-policy-agent/opa',
    stamp: (version) => [`-X github.com/open-policy-agent/opa/version.Version=${version}`],
  },
  etcd: {
    module: 'cluster',
    versionOf: 'go.etcd.io/etcd/server/v3',
    package: './etcd',
    stamp: () => [],
  },
  'kube-apiserver': kubernetesTool('k8s.io/kubernetes/cmd/kube-apiserver'),
  kubemark: kubernetesTool('./kubemark'),
  'kube-controller-manager': kubernetesTool('k8s.io/kubernetes/cmd/kube-controller-manager'),
}

const toolNames = Object.keys(tools) as ToolName[]

const groups: Readonly<Record<string, readonly ToolName[]>> = {
  opa: ['opa'],
  cluster: toolNames.filter((name) => tools[name].module === 'cluster'),
}

function moduleFolder(tool: Tool): string {
  return join(import.meta.dirname, tool.module)
}

function pinnedVersion(tool: Tool): string {
  const text = readFileSync(join(moduleFolder(tool), 'go.mod'), 'utf8')
  const line = text.split('\n').find((candidate) => candidate.includes(`${tool.versionOf} v`))
  const version = line?.match(/ v([0-9][^ ]*)/)?.[1]
  if (version === undefined) throw new Error(`go.mod of ${tool.module} pins no ${tool.versionOf}`)
  return version
}

/** CGO stays off, as in the upstream releases, so that no C compiler is needed or matters. */
function goEnvironment(environment: Environment): NodeJS.ProcessEnv {
  return { ...environment, CGO_ENABLED: '0', GOFLAGS: '', GOWORK: 'off' }
}

function buildArguments(tool: Tool): readonly string[] {
  const settings = ['-s', '-w', ...tool.stamp(pinnedVersion(tool))].join(' ')
  return ['build', '-mod=readonly', '-trimpath', '-buildvcs=false', `-ldflags=${settings}`]
}

/** Asks `go` inside the module, so that go.mod's own minimum decides what is too old. */
function goPlatform(tool: Tool, environment: Environment): string {
  const asked = spawnSync('go', ['env', 'GOVERSION', 'GOOS', 'GOARCH'], {
    cwd: moduleFolder(tool),
    env: goEnvironment(environment),
    encoding: 'utf8',
  })
  const hint = 'install Go 1.26 or newer (https://go.dev/dl) and put it on the PATH'
  if (asked.error) throw new ToolchainError('the go command cannot be run', hint)
  if (asked.status !== 0) throw new ToolchainError(asked.stderr.trim(), hint)
  return asked.stdout.trim()
}

function cacheKey(tool: Tool, environment: Environment): string {
  const folder = moduleFolder(tool)
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const hash = createHash('sha256')
  for (const path of sources.filter((name) => /\.(go|mod|sum)$/.test(name)).toSorted()) {
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(folder, path)))
      .update('\0')
  }
  hash.update(goPlatform(tool, environment)).update(buildArguments(tool).join('\0'))
  return hash.digest('hex').slice(0, 16)
}

function cacheFolder(environment: Environment): string {
  const base = environment['XDG_CACHE_HOME'] || join(environment['HOME'] ?? homedir(), '.cache')
  return join(base, 'countersign', 'tools')
}

function toolFolder(name: ToolName, environment: Environment): string {
  const tool = tools[name]
  const folder = `${name}-${pinnedVersion(tool)}-${cacheKey(tool, environment)}`
  return join(cacheFolder(environment), folder)
}

/** The path of a built program, or undefined when it is not built (or there is no usable `go`). */
export function toolPath(
  name: ToolName,
  environment: Environment = process.env,
): string | undefined {
  try {
    const path = join(toolFolder(name, environment), name)
    return existsSync(path) ? path : undefined
  } catch (error) {
    if (error instanceof ToolchainError) return undefined
    throw error
  }
}

async function runGo(
  tool: Tool,
  target: string,
  environment: Environment,
  onTick: (elapsedSeconds: number) => void,
): Promise<void> {
  const child = spawn('go', [...buildArguments(tool), '-o', target, tool.package], {
    cwd: moduleFolder(tool),
    env: goEnvironment(environment),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let output = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-8000)
  })
  const started = performance.now()
  const elapsedSeconds = (): number => Math.round((performance.now() - started) / 1000)
  const ticker = setInterval(() => onTick(elapsedSeconds()), 15_000)
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject).once('close', resolve)
    })
    if (code === 0) return
    const last = output.trim().split('\n').slice(-20).join('\n')
    throw new ToolchainError(
      `go build ${tool.package}: want=exit 0 got=exit ${code}\n${last}`,
      'the first build downloads modules: it needs the network and about 5 GB of disk',
    )
  } finally {
    clearInterval(ticker)
  }
}

/** Builds beside the final folder and renames, so that an interrupted build never counts. */
async function buildTool(
  name: ToolName,
  onProgress: (line: string) => void,
  environment: Environment,
): Promise<string> {
  const built = toolPath(name, environment)
  if (built !== undefined) return built
  const folder = toolFolder(name, environment)
  await mkdir(cacheFolder(environment), { recursive: true })
  const unfinished = await mkdtemp(`${folder}.unfinished-`)
  try {
    const version = pinnedVersion(tools[name])
    onProgress(`${name} ${version}: building`)
    await runGo(tools[name], join(unfinished, name), environment, (elapsedSeconds) => {
      onProgress(`${name} ${version}: building, ${elapsedSeconds} s`)
    })
    await rename(unfinished, folder).catch((error: unknown) => {
      // Another process finished the same build first: its folder is as good as ours.
      if (!existsSync(join(folder, name))) throw error
    })
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
  return join(folder, name)
}

/** Builds what is missing, one after the other in the table's order, and gives every path. */
export async function buildTools(
  names: readonly ToolName[],
  onProgress: (line: string) => void,
  environment: Environment = process.env,
): Promise<ReadonlyMap<ToolName, string>> {
  const paths = new Map<ToolName, string>()
  for (const name of toolNames.filter((candidate) => names.includes(candidate))) {
    paths.set(name, await buildTool(name, onProgress, environment))
  }
  return paths
}

function parseNames(words: readonly string[]): readonly ToolName[] {
  if (words.length === 0) return toolNames
  return words.flatMap((word) => {
    const known = groups[word] ?? toolNames.filter((name) => name === word)
    if (known.length > 0) return known
    const choice = [...new Set([...Object.keys(groups), ...toolNames])].join(', ')
    throw new ToolchainError(`no such tool: ${JSON.stringify(word)}`, `choose from ${choice}`)
  })
}

async function main(words: readonly string[]): Promise<void> {
  try {
    const progress = (line: string): void => void process.stderr.write(`${line}\n`)
    const paths = await buildTools(parseNames(words), progress)
    for (const path of paths.values()) process.stdout.write(`${path}\n`)
  } catch (error) {
    if (!(error instanceof ToolchainError)) throw error
    process.stderr.write(`build: error: ${error.message}\nhint: ${error.hint}\n`)
    process.exitCode = 2
  }
}

if (import.meta.main) await main(process.argv.slice(2))
