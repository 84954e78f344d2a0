/** Programs in Java that tests run: a pom pins what they need, and they are built into the user's cache. */
import { createHash } from 'node:crypto'
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder, type Environment } from './build.ts'
import { runCommand } from './run-command.ts'
import { ToolchainError } from './toolchain-error.ts'

const hint = 'the first run fetches packages: it needs Java 17 or newer, Maven, and Maven Central'

/** Gives the class path of what the folder's pom builds, or says why its packages cannot be had here, which is no fault of ours. */
export async function buildMaven(
  folder: string,
  environment: Environment = process.env,
): Promise<{ readonly classPath: string } | { readonly notHere: string }> {
  const hash = createHash('sha256')
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  for (const path of sources.filter((name) => /\.(java|xml)$/.test(name)).toSorted()) {
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(folder, path)))
      .update('\0')
  }
  const built = join(cacheFolder(environment), `maven-${hash.digest('hex').slice(0, 16)}`)
  const classPath = [join(built, 'target/classes'), join(built, 'lib/*')].join(':')
  const finished = join(built, 'finished')
  if (existsSync(finished)) return { classPath }
  await rm(built, { recursive: true, force: true })
  await mkdir(built, { recursive: true })
  cpSync(join(folder, 'pom.xml'), join(built, 'pom.xml'))
  cpSync(join(folder, 'src'), join(built, 'src'), { recursive: true })
  const quiet = ['--quiet', '--batch-mode', '--no-transfer-progress']
  const options = { cwd: built, environment, hint }
  const fetch = ['dependency:copy-dependencies', '-DoutputDirectory=lib']
  try {
    await runCommand('mvn', [...quiet, ...fetch], options)
  } catch (error) {
    if (!(error instanceof ToolchainError)) throw error
    return { notHere: error.message.split('\n')[0] ?? '' }
  }
  await runCommand('mvn', [...quiet, 'compile'], options)
  await writeFile(finished, '')
  return { classPath }
}
