import { cpSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import manifest from '../package.json' with { type: 'json' }

interface Manifest {
  readonly name: string
  readonly exports: Readonly<Record<string, string | { types: string; default: string }>>
}

/**
 * Makes the packages that tool servers and agents install, out of the built tree: of each its public pages, the files that those
 * reach, and no others. Its version is the product's, and what it depends on is what these files import.
 */
export function assemblePackages(root: string): void {
  const here = join(root, 'packages')
  for (const entry of readdirSync(here, { withFileTypes: true })) {
    if (entry.isDirectory()) assemble(root, join(here, entry.name))
  }
}

function assemble(root: string, from: string): void {
  const dist = join(root, 'dist')
  const own = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8')) as Manifest
  const pages = Object.values(own.exports).filter((page) => typeof page !== 'string')
  const code = reach(
    dist,
    pages.map((page) => page.default),
    '.js',
  )
  // Types reach further than code: of some files only the declarations are needed.
  const declared = reach(
    dist,
    [...pages.map((page) => page.types), ...code.files.map(declarationOf)],
    '.d.ts',
  )
  const into = join(dist, 'packages', own.name)
  for (const file of [...code.files, ...declared.files]) {
    mkdirSync(dirname(join(into, file)), { recursive: true })
    cpSync(join(dist, file), join(into, file))
  }
  for (const name of ['LICENSE', 'NOTICE']) cpSync(join(root, name), join(into, name))
  cpSync(join(from, 'README.md'), join(into, 'README.md'))
  const packages = [...new Set([...code.packages, ...declared.packages])].toSorted()
  const whole = {
    ...own,
    version: manifest.version,
    dependencies: Object.fromEntries(packages.map((name) => [name, versionOf(name)])),
  }
  writeFileSync(join(into, 'package.json'), `${JSON.stringify(whole, undefined, 2)}\n`)
}

function declarationOf(file: string): string {
  return file.replace(/\.js$/, '.d.ts')
}

function versionOf(name: string): string {
  const version = new Map(Object.entries(manifest.dependencies)).get(name)
  if (version === undefined) throw new Error(`want=a dependency of package.json got=${name}`)
  return version
}

/** Imports and re-exports, and the calls of import that types and code make, as the compiler prints them. */
const imported = /(?:^(?:import|export)\s[^;'"]*?\bfrom |\bimport\()['"]([^'"\n]+)['"]/gm

/** The files that these import, and they themselves, by their path below dist; and the packages that all of them import. */
function reach(
  dist: string,
  pages: readonly string[],
  extension: '.js' | '.d.ts',
): { readonly files: readonly string[]; readonly packages: ReadonlySet<string> } {
  const files = new Set<string>()
  const packages = new Set<string>()
  const visit = (file: string): void => {
    if (files.has(file)) return
    files.add(file)
    const text = readFileSync(join(dist, file), 'utf8')
    for (const [, to = ''] of text.matchAll(imported)) {
      if (to.startsWith('.')) {
        visit(posix.join(posix.dirname(file), to).replace(/\.[jt]s$/, extension))
      } else if (!to.startsWith('node:')) {
        packages.add(
          to
            .split('/')
            .slice(0, to.startsWith('@') ? 2 : 1)
            .join('/'),
        )
      }
    }
  }
  for (const page of pages) visit(posix.normalize(page))
  return { files: [...files].toSorted(), packages }
}
