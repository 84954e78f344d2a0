/** A program of ours in Rust, built from the crates that `Cargo.lock` pins: what rustls says of our certificates. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { copyFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommand } from './run-command.ts'
import { ToolchainError } from './toolchain-error.ts'

type Environment = Readonly<Record<string, string | undefined>>

const crate = join(import.meta.dirname, 'webpki')
const hint = 'install Rust 1.85 or newer (https://rustup.rs) and put cargo on the PATH'

/** A folder's name for this program on this machine. */
export function cargoFolderName(environment: Environment): string {
  const asked = spawnSync('cargo', ['--version'], { env: { ...environment }, encoding: 'utf8' })
  if (asked.error) throw new ToolchainError('the cargo command cannot be run', hint)
  if (asked.status !== 0) throw new ToolchainError(asked.stderr.trim(), hint)
  const hash = createHash('sha256').update(asked.stdout).update(process.arch)
  for (const file of ['Cargo.toml', 'Cargo.lock', 'src/main.rs']) {
    hash.update(readFileSync(join(crate, file))).update('\0')
  }
  return `webpki-verify-${hash.digest('hex').slice(0, 16)}`
}

/** Builds in the folder, and leaves the program there. */
export async function buildCargo(folder: string, environment: Environment): Promise<void> {
  const target = join(folder, 'target')
  const words = ['build', '--release', '--locked', '--target-dir', target]
  await runCommand('cargo', words, { cwd: crate, environment, hint })
  await copyFile(join(target, 'release', 'webpki-verify'), join(folder, 'webpki-verify'))
  await rm(target, { recursive: true })
}
