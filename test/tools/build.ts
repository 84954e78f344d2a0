/**
 * Builds the programs that the tests run against, from the Go modules beside this file, into the
 * user's cache: `node test/tools/build.ts [<group>|<program>]...`. Their versions are the ones
 * that `go.mod` pins; nothing here repeats them.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { buildCargo, cargoFolderName } from './cargo.ts'
import { debianFolderName, linkEnvironment, unpackDebian } from './debian.ts'
import {
  buildArguments,
  groups,
  moduleFolder,
  pinnedVersion,
  programs,
  toolNames,
  type Program,
  type ToolName,
} from './programs.ts'
import { runCommand } from './run-command.ts'
import { ToolchainError } from './toolchain-error.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** CGO stays off, as in the upstream releases, so that no C compiler is needed or matters. */
function goEnvironment(environment: Environment): NodeJS.ProcessEnv {
  return { ...environment, CGO_ENABLED: '0', GOFLAGS: '', GOWORK: 'off' }
}

/** Asks `go` inside the module, so that go.mod's own minimum decides what is too old. */
function goPlatform(program: Program, environment: Environment): string {
  const asked = spawnSync('go', ['env', 'GOVERSION', 'GOOS', 'GOARCH'], {
    cwd: moduleFolder(program),
    env: goEnvironment(environment),
    encoding: 'utf8',
  })
  const hint = 'install Go 1.26 or newer (https://go.dev/dl) and put it on the PATH'
  if (asked.error) throw new ToolchainError('the go command cannot be run', hint)
  if (asked.status !== 0) throw new ToolchainError(asked.stderr.trim(), hint)
  return asked.stdout.trim()
}

/** A program is built anew when its own module, its settings or the platform change, and for nothing else. */
function cacheKey(program: Program, environment: Environment): string {
  const folder = moduleFolder(program)
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const hash = createHash('sha256')
  for (const path of sources.filter((name) => /\.(go|mod|sum)$/.test(name)).toSorted()) {
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(folder, path)))
      .update('\0')
  }
  hash.update(goPlatform(program, environment)).update(buildArguments(program).join('\0'))
  if (program.linksSeccomp) hash.update(debianFolderName('nft'))
  return hash.digest('hex').slice(0, 16)
}

export function cacheFolder(environment: Environment): string {
  const base = environment['XDG_CACHE_HOME'] || join(environment['HOME'] ?? homedir(), '.cache')
  return join(base, 'countersign', 'tools')
}

function toolFolder(name: ToolName, environment: Environment): string {
  if (name === 'nft' || name === 'softhsm2') {
    return join(cacheFolder(environment), debianFolderName(name))
  }
  if (name === 'webpki-verify') return join(cacheFolder(environment), cargoFolderName(environment))
  const program = programs[name]
  const folder = `${name}-${pinnedVersion(program)}-${cacheKey(program, environment)}`
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

async function runGo(options: {
  readonly program: Program
  readonly target: string
  readonly environment: Environment
  readonly onTick: (elapsedSeconds: number) => void
}): Promise<void> {
  const { program, target, environment } = options
  const started = performance.now()
  const elapsedSeconds = (): number => Math.round((performance.now() - started) / 1000)
  const ticker = setInterval(() => options.onTick(elapsedSeconds()), 15_000)
  try {
    await runCommand('go', [...buildArguments(program), '-o', target, program.package], {
      name: `go build ${program.package}`,
      cwd: moduleFolder(program),
      environment: {
        ...goEnvironment(environment),
        ...(program.linksSeccomp ? linkEnvironment(toolFolder('nft', environment)) : {}),
      },
      hint: 'the first build downloads modules: it needs the network and about 7 GB of disk',
    })
  } finally {
    clearInterval(ticker)
  }
}

type Progress = (line: string) => void

/** Makes what stands in a tool's folder, in another folder. */
async function fillFolder(
  name: ToolName,
  folder: string,
  onProgress: Progress,
  environment: Environment,
): Promise<void> {
  if (name === 'nft' || name === 'softhsm2') {
    onProgress(`${name}: unpacking Debian's packages`)
    return unpackDebian({ name, folder, final: toolFolder(name, environment), environment })
  }
  if (name === 'webpki-verify') {
    onProgress('webpki-verify: building')
    return buildCargo(folder, environment)
  }
  const program = programs[name]
  if (program.linksSeccomp) await buildTool('nft', onProgress, environment)
  const version = pinnedVersion(program)
  onProgress(`${name} ${version}: building`)
  return runGo({
    program,
    target: join(folder, name),
    environment,
    onTick: (elapsedSeconds) => onProgress(`${name} ${version}: building, ${elapsedSeconds} s`),
  })
}

/** Builds beside the final folder and renames, so that an interrupted build never counts. */
async function buildTool(
  name: ToolName,
  onProgress: Progress,
  environment: Environment,
): Promise<string> {
  const built = toolPath(name, environment)
  if (built !== undefined) return built
  const folder = toolFolder(name, environment)
  await mkdir(cacheFolder(environment), { recursive: true })
  const unfinished = await mkdtemp(`${folder}.unfinished-`)
  try {
    await fillFolder(name, unfinished, onProgress, environment)
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
  onProgress: Progress,
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
