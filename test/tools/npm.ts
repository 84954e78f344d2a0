/**
 * Packages of npm that tests run and that nobody who installs Countersign needs: a folder with a `package.json` and a lockfile of its
 * own, installed into the user's cache. The lockfile pins each package and what it has to hash to.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { cacheFolder, type Environment } from './build.ts'
import { runCommand } from './run-command.ts'

const files = ['package.json', 'package-lock.json'] as const
const hint = 'the first run installs packages: it needs npm and its registry'

/** Where the packages of this folder are, or would be, installed. */
export function npmFolder(source: string, environment: Environment = process.env): string {
  const hash = createHash('sha256')
  for (const file of files) hash.update(readFileSync(join(source, file))).update('\0')
  const name = `npm-${basename(source)}-${hash.digest('hex').slice(0, 16)}`
  return join(cacheFolder(environment), name)
}

/** Installs what is missing beside the final folder and renames, so that an interrupted install never counts; gives `node_modules`. */
export async function installNpm(
  source: string,
  environment: Environment = process.env,
): Promise<string> {
  const folder = npmFolder(source, environment)
  const installed = join(folder, 'node_modules')
  if (existsSync(folder)) return installed
  await mkdir(cacheFolder(environment), { recursive: true })
  const unfinished = await mkdtemp(`${folder}.unfinished-`)
  try {
    for (const file of files) await copyFile(join(source, file), join(unfinished, file))
    await runNpm(unfinished, environment)
    await rename(unfinished, folder).catch((error: unknown) => {
      // Another process finished the same install first: its folder is as good as ours.
      if (!existsSync(folder)) throw error
    })
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
  return installed
}

/** No package's own script runs: none of ours needs one. */
async function runNpm(folder: string, environment: Environment): Promise<void> {
  const words = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', folder]
  await runCommand('npm', words, { cwd: folder, environment, hint })
}
