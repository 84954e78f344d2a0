import { join } from 'node:path'
import { build } from 'esbuild'

export interface Bundle {
  /** The program's files by their names; they stand in one folder together. */
  readonly files: ReadonlyMap<string, Buffer>
  /** The folders of the packages that have code in the bundle, from the root of the repository, sorted. */
  readonly packageFolders: readonly string[]
}

/** The module that is run; the others beside it are loaded by it. */
export const mainModule = 'main.mjs'

/** Packages of the older module form ask for `node:` modules with `require`, which a module does not have by itself. */
const banner =
  "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"

/**
 * Bundles the command line. What it loads with `import()` stays a file of its own, so that it hears signals before it loads the
 * rest, and loads of the rest only what the command needs.
 */
export async function bundleProgram(root: string): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['src/cli/main.ts'],
    outdir: 'dist',
    outExtension: { '.js': '.mjs' },
    write: false,
    metafile: true,
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node24.12',
    // Names stay, because logs show stacks. Node keeps the text in memory, so it goes without comments and blanks; licences stand
    // beside the program, whole.
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    banner: { js: banner },
    logLevel: 'warning',
  })
  const files = outputFiles.map(({ path, contents }) => {
    const name = path.slice(join(root, 'dist').length + 1)
    return [name, Buffer.from(contents)] as const
  })
  const used = Object.values(metafile.outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? path : [])),
  )
  const folders = used.flatMap(
    (path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0] ?? [],
  )
  return { files: new Map(files), packageFolders: [...new Set(folders)].toSorted() }
}
