import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { CountersignError, quoted } from '../errors.ts'
import type { GatewayConfig } from './gateway-configuration.ts'

const sessionKeyOctets = 32
const sessionKeyHint = 'make one with: openssl rand -out session.key 32'

/** Replicas behind one Service share the key, so that any of them can open a session id. Throws `cli/configuration`. */
export async function readSessionKey({
  sessionKeyFile: file,
  production,
}: Pick<GatewayConfig, 'sessionKeyFile' | 'production'>): Promise<Buffer> {
  if (file === undefined && production) {
    throw new CountersignError('cli/configuration', 'sessionKeyFile: required in production', {
      hint: 'without it no session outlives a restart or is known to another replica; make one with: openssl rand -out session.key 32',
    })
  }
  if (file === undefined) return randomBytes(sessionKeyOctets)
  const key = await readFile(file).catch((cause: unknown) => {
    throw new CountersignError(
      'cli/configuration',
      `sessionKeyFile: cannot read ${quoted(file, 300)}`,
      {
        cause,
        hint: sessionKeyHint,
      },
    )
  })
  if (key.length === sessionKeyOctets) return key
  throw new CountersignError(
    'cli/configuration',
    `sessionKeyFile: want=${sessionKeyOctets} octets got=${key.length}`,
    { hint: sessionKeyHint },
  )
}
