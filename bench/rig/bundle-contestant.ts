import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

const here = join(import.meta.dirname, '..', '..')

/** Some packages ask for `node:` modules with `require`, which a module does not have by itself. */
const banner =
  "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"

/**
 * Bundles the contestants as the image's program is, so that no compiler of TypeScript stands in their memory, with the shipped policy
 * where they look for it. Gives the file to run. They may be those of another tree, with its packages installed.
 */
export async function bundleContestant(folder: string, root: string = here): Promise<string> {
  const program = join(folder, 'dist', 'bench', 'contestant.mjs')
  await build({
    absWorkingDir: root,
    entryPoints: ['bench/gateway/contestant.ts'],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24.12',
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    banner: { js: banner },
    logLevel: 'warning',
  })
  const policy = join('policies', 'bundle')
  cpSync(join(root, policy), join(folder, policy), { recursive: true })
  return program
}
