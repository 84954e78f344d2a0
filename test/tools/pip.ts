/** Packages of PyPI that tests run: a file pins each of them, and they are installed into the user's cache. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder, type Environment } from './build.ts'
import { runCommand } from './run-command.ts'

const hint = 'the first run installs packages: it needs python3 with venv, and PyPI'

/** Gives the Python of an environment that has what the file pins. */
export async function installPip(
  requirements: string,
  environment: Environment = process.env,
): Promise<string> {
  const hash = createHash('sha256').update(readFileSync(requirements))
  const folder = join(cacheFolder(environment), `pip-${hash.digest('hex').slice(0, 16)}`)
  const python = join(folder, 'bin', 'python')
  const finished = join(folder, 'finished')
  if (existsSync(finished)) return python
  await mkdir(cacheFolder(environment), { recursive: true })
  // An environment knows its own path, so it is made in its place; only the mark says that all of it is there.
  await rm(folder, { recursive: true, force: true })
  const running = { environment, hint }
  await runCommand('python3', ['-m', 'venv', folder], { ...running, name: 'python3 -m venv' })
  const quiet = ['--quiet', '--disable-pip-version-check']
  const words = ['-m', 'pip', 'install', ...quiet, '-r', requirements]
  await runCommand(python, words, { ...running, name: 'pip install' })
  await mkdir(`${finished}.unfinished`)
  await rename(`${finished}.unfinished`, finished)
  return python
}
