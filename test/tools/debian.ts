/** Debian's packages, unpacked into a folder of the cache and not installed: the machine stays as it is. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DebianProgramName } from './programs.ts'
import { ToolchainError } from './toolchain-error.ts'

type Environment = Readonly<Record<string, string | undefined>>

interface Unpacked {
  readonly packages: readonly string[]
  /** The programs that stand in the folder, each with what the shell runs for it: `$files` is where the packages are. */
  readonly programs: Readonly<Record<string, string>>
}

/** libseccomp to link runc with; nft with every library that it loads besides the C library. */
const nftPackages = [
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

const unpacked: Readonly<Record<DebianProgramName, Unpacked>> = {
  nft: { packages: nftPackages, programs: { nft: '$files/usr/sbin/nft' } },
  // A token of PKCS#11, and what serves it on a socket.
  softhsm2: {
    packages: [
      'softhsm2',
      'softhsm2-common',
      'libsofthsm2',
      'libsqlite3-0',
      'p11-kit',
      'p11-kit-modules',
      'libp11-kit0',
      'libffi8',
      'libtasn1-6',
    ],
    programs: {
      softhsm2: '$files/usr/bin/softhsm2-util --module $files/usr/lib/softhsm/libsofthsm2.so',
      'p11-kit-server':
        '$files/usr/libexec/p11-kit/p11-kit-server --provider $files/usr/lib/softhsm/libsofthsm2.so',
    },
  },
}

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

/** A folder's name for the packages of this program on this machine. */
export function debianFolderName(name: DebianProgramName): string {
  const { packages } = unpacked[name]
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

/** Fills `folder`, which will stand at `final`: the packages under `files/`, and the programs as they can be run from there. */
export async function unpackDebian(options: {
  readonly name: DebianProgramName
  readonly folder: string
  readonly final: string
  readonly environment: Environment
}): Promise<void> {
  const { name, folder, final, environment } = options
  const { packages, programs } = unpacked[name]
  const [lists, cache, archives] = ['lists', 'cache', 'archives'].map((part) => join(folder, part))
  if (lists === undefined || cache === undefined || archives === undefined) return
  for (const path of [lists, cache, archives]) await mkdir(path, { recursive: true })
  // Lists of our own: the machine's may be empty or old, and only root may refresh them.
  const settings = ['-q', '-o', `Dir::State::Lists=${lists}`, '-o', `Dir::Cache=${cache}`]
  run('apt-get', ['update', ...settings], { cwd: folder, environment })
  run('apt-get', ['download', ...settings, ...packages], { cwd: archives, environment })
  for (const archive of readdirSync(archives)) {
    run('dpkg', ['-x', join(archives, archive), join(folder, 'files')], {
      cwd: folder,
      environment,
    })
  }
  await writeFile(join(folder, 'versions'), `${readdirSync(archives).join('\n')}\n`)
  for (const path of [lists, cache, archives]) await rm(path, { recursive: true, force: true })
  const libraries = [`usr/lib/${triplet}`, `lib/${triplet}`].map((path) =>
    join(final, 'files', path),
  )
  for (const [program, run] of Object.entries(programs)) {
    const lines = [
      '#!/bin/sh',
      `files=${join(final, 'files')}`,
      'export P11_KIT_PRIVATEDIR=$files/usr/libexec/p11-kit',
      `LD_LIBRARY_PATH=${libraries.join(':')} exec ${run} "$@"`,
    ]
    await writeFile(join(folder, program), `${lines.join('\n')}\n`, { mode: 0o755 })
  }
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
