import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { basename, join } from 'node:path'
import { copied, type LayerEntry } from './layer.ts'
import type { Part } from './part.ts'

/** Where the image's Node stands. */
export const nodePath = 'usr/bin/node'

/**
 * Node as the devDependency `node` installed it, and the shared libraries that it needs, as this machine has them: the C library
 * and the C++ runtime of Debian or Ubuntu. Their versions and licences come along.
 */
export function readRuntime(root: string): {
  readonly entries: readonly LayerEntry[]
  readonly parts: readonly Part[]
} {
  const node = join(root, 'node_modules', 'node', 'bin', 'node')
  // The package that the install script of `node` unpacks; npm takes it away again whenever it installs something else.
  const licence = join(
    root,
    'node_modules',
    'node',
    'node_modules',
    `node-linux-${process.arch}`,
    'LICENSE',
  )
  if (!existsSync(licence)) throw new Error(`want=${licence} got=none, hint: npm ci`)
  const version = execFileSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' }).trim()
  const program = copied(nodePath, node, 0o755)
  const libraries = librariesOf(node)
  const packages = new Map<string, string[]>()
  for (const path of libraries) {
    const name = packageOf(path)
    packages.set(name, [...(packages.get(name) ?? []), path])
  }
  return {
    entries: [program, ...libraries.map((path) => copied(path.slice(1), path, 0o755))],
    parts: [
      {
        kind: 'platform',
        name: 'node',
        version,
        licence: 'MIT',
        purl: `pkg:generic/node@${version}`,
        licenceFiles: new Map([['LICENSE', readFileSync(licence)]]),
      },
      ...[...packages.keys()].toSorted().map(describePackage),
    ],
  }
}

/** The program interpreter and the shared libraries, with their paths; the kernel's own page has none. */
function librariesOf(program: string): readonly string[] {
  const listed = execFileSync('ldd', [program], { encoding: 'utf8' })
  if (listed.includes('not found')) throw new Error(`want=every library got=${listed}`)
  return [...listed.matchAll(/(?<=\s)\/\S+(?= \()/g)].map(([path]) => path).toSorted()
}

/** Files below /lib are known to dpkg with or without /usr, whichever the package was built with. */
function packageOf(path: string): string {
  const real = realpathSync(path)
  const found = spawnSync('dpkg-query', ['-S', path, real, real.replace(/^\/usr/, '')], {
    encoding: 'utf8',
  })
  const [, name] = /^([^:\s]+)/.exec(found.stdout ?? '') ?? []
  if (name === undefined) {
    throw new Error(
      `want=a package of Debian or Ubuntu got=${path}, hint: build with the Dockerfile`,
    )
  }
  return name
}

const licencesOfDebian: Readonly<Record<string, { licence: string; texts: readonly string[] }>> = {
  libc6: { licence: 'LGPL-2.1-or-later', texts: ['LGPL-2.1'] },
  'libgcc-s1': { licence: 'GPL-3.0-or-later WITH GCC-exception-3.1', texts: ['GPL-3'] },
  'libstdc++6': { licence: 'GPL-3.0-or-later WITH GCC-exception-3.1', texts: ['GPL-3'] },
}

function describePackage(name: string): Part {
  const format = '${Version} ${Architecture}'
  const [version = '', architecture = ''] = execFileSync('dpkg-query', ['-W', '-f', format, name], {
    encoding: 'utf8',
  }).split(/\s/)
  const known = licencesOfDebian[name]
  if (known === undefined) throw new Error(`want=a package with a known licence got=${name}`)
  const files = [
    `/usr/share/doc/${name}/copyright`,
    ...known.texts.map((text) => `/usr/share/common-licenses/${text}`),
  ]
  return {
    kind: 'library',
    name,
    version,
    licence: known.licence,
    purl: `pkg:deb/debian/${name.replaceAll('+', '%2B')}@${version.replaceAll('+', '%2B')}?arch=${architecture}`,
    licenceFiles: new Map(files.map((path) => [basename(path), readFileSync(path)])),
  }
}
