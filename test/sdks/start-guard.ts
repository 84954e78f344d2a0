import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Identities } from '../gateway/world/identities.ts'

const main = join(import.meta.dirname, '../../src/cli/main.ts')

export interface StartedGuard {
  readonly child: ChildProcess
  /** Where it says whether it is ready. */
  readonly admin: string
}

/** The command as a pod runs it, before the server of this name, with the certificate of its pod in a folder. */
export async function startGuard(options: {
  readonly folder: string
  readonly identities: Identities
  readonly server: string
  readonly listen: number
  /** What stands behind it: `--to …`, or `--stdio … -- command`. */
  readonly before: readonly string[]
}): Promise<StartedGuard> {
  const { folder, identities, server, listen, before } = options
  const wanted = { namespace: 'tools', serviceAccount: server, role: 'tool-server' } as const
  const { chainPem, privateKeyPem } = identities.issue(wanted)
  await writeFile(join(folder, 'credential.pem'), privateKeyPem + chainPem, { mode: 0o600 })
  await writeFile(join(folder, 'trust.pem'), identities.bundle.pem)
  const files = ['--credential-bundle', 'credential.pem', '--trust-bundle', 'trust.pem']
  const listeners = ['--listen', `127.0.0.1:${listen}`, '--admin', '127.0.0.1:0']
  const gateway = ['--gateway', 'spiffe://test.example/ns/agents/sa/gateway']
  const rest = ['--server', server, ...gateway, '--no-production', '--grace-seconds', '0']
  const words = [main, 'guard', ...files, ...listeners, ...rest, ...before]
  const child = spawn(process.execPath, words, {
    cwd: folder,
    stdio: ['ignore', 'inherit', 'pipe'],
  })
  for await (const line of createInterface({ input: child.stderr })) {
    const said = JSON.parse(line) as { readonly msg: string; readonly admin: string }
    if (said.msg !== 'started') continue
    child.stderr.resume()
    return { child, admin: said.admin }
  }
  return assert.fail('the guard has not started')
}
