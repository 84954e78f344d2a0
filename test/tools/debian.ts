/** Debian's packages, unpacked into a folder of the cache and not installed: the machine stays as it is. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ToolchainError } from './toolchain-error.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** libseccomp to link runc with; nft with every library that it loads besides the C library. */
const packages = [
  'libseccomp-dev',
  'libseccomp2',
  'nftables',
  'libnftables1',
  'libnftnl11',
  'libmnl0',
  'libjansson4',
  'libedit2',
  'libbsd0',
  'libmd0',
  'libxtables12',
  'libgmp10',
  'libtinfo6',
] as const

const triplets: Readonly<Record<string, string>> = {
  x64: 'x86_64-linux-gnu',
  arm64: 'aarch64-linux-gnu',
}
const triplet = triplets[process.arch] ?? `${process.arch}-linux-gnu`

const hint =
  'apt-get download, pkg-config and a C compiler are needed: build the node on Debian or Ubuntu, or in a container of it'

/** The release decides the versions: a package archive keeps no others. */
function release(): string {
  const file = '/etc/debian_version'
  return existsSync(file) ? readFileSync(file, 'utf8').trim().replace(/\W/g, '.') : 'unknown'
}

/** A folder's name for these packages on this machine. */
export function debianFolderName(): string {
  const key = createHash('sha256').update(packages.join()).update(triplet).digest('hex')
  return `debian-${release()}-${key.slice(0, 16)}`
}

function run(
  command: string,
  words: readonly string[],
  options: { readonly cwd: string; readonly environment: Environment },
): void {
  const done = spawnSync(command, words, {
    cwd: options.cwd,
    env: { ...options.environment, LC_ALL: 'C' },
    encoding: 'utf8',
  })
  if (done.error) throw new ToolchainError(`the ${command} command cannot be run`, hint)
  if (done.status === 0) return
  const last = done.stderr.trim().split('\n').slice(-5).join('\n')
  throw new ToolchainError(
    `${command} ${words.at(0)}: want=exit 0 got=${done.status}\n${last}`,
    hint,
  )
}

/** Fills `folder`, which will stand at `final`: the packages under `files/`, and `nft` as it can be run from there. */
export async function unpackDebian(options: {
  readonly folder: string
  readonly final: string
  readonly environment: Environment
}): Promise<void> {
  const { folder, final, environment } = options
  const [lists, cache, archives] = ['lists', 'cache', 'archives'].map((name) => join(folder, name))
  if (lists === undefined || cache === undefined || archives === undefined) return
  for (const path of [lists, cache, archives]) await mkdir(path, { recursive: true })
  // Lists of our own: the machine's may be empty or old, and only root may refresh them.
  const settings = ['-q', '-o', `Dir::State::Lists=${lists}`, '-o', `Dir::Cache=${cache}`]
  run('apt-get', ['update', ...settings], { cwd: folder, environment })
  run('apt-get', ['download', ...settings, ...packages], { cwd: archives, environment })
  for (const name of readdirSync(archives)) {
    run('dpkg', ['-x', join(archives, name), join(folder, 'files')], { cwd: folder, environment })
  }
  await writeFile(join(folder, 'versions'), `${readdirSync(archives).join('\n')}\n`)
  for (const path of [lists, cache, archives]) await rm(path, { recursive: true, force: true })
  const libraries = [`usr/lib/${triplet}`, `lib/${triplet}`].map((path) =>
    join(final, 'files', path),
  )
  const program = `${join(final, 'files/usr/sbin/nft')} "$@"`
  const script = `#!/bin/sh\nLD_LIBRARY_PATH=${libraries.join(':')} exec ${program}\n`
  await writeFile(join(folder, 'nft'), script, { mode: 0o755 })
}

/** What C programs are compiled and linked with, so that they find libseccomp there. */
export function linkEnvironment(folder: string): Readonly<Record<string, string>> {
  const libraries = join(folder, 'files/usr/lib', triplet)
  return {
    CGO_ENABLED: '1',
    PKG_CONFIG_PATH: join(libraries, 'pkgconfig'),
    CGO_CFLAGS: `-O2 -I${join(folder, 'files/usr/include')}`,
    CGO_LDFLAGS: `-L${libraries}`,
  }
}
