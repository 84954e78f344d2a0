import { generateKeyPairSync, type KeyPairKeyObjectResult } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { openPolicy } from '../../src/cli/open-policy.ts'
import type { PolicyConfig } from '../../src/cli/shared-configuration.ts'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import { openPolicyBase } from '../../src/policy/engine.ts'
import type { SelfTest } from '../../src/policy/self-test.ts'
import type { BundleServer } from '../policy/bundle-server.ts'

/** Who signs bundles here. */
export const author: KeyPairKeyObjectResult = generateKeyPairSync('ec', { namedCurve: 'P-256' })

/** In seconds, as signatures say it. */
export const signedFirst = 1_000_000

export const now = (): number => signedFirst * 1000 + 60_000

/** The same questions, without a process of their own. */
export const selfTest: SelfTest = async ({ content, documents, engine }) => {
  const base = await openPolicyBase({ content, engine })
  base.engineWith(documents)
}

/** What a policy that follows a server is opened with, and nobody waits for long. */
export const serviceParts: Omit<Parameters<typeof openPolicy>[1], 'signal'> = {
  log: silentLog,
  metrics: silentMetrics,
  now,
  selfTest,
  delay: (_milliseconds: number, signal: AbortSignal) => pause(10, undefined, { signal }),
}

/** Writes the author's public key, and gives its path. */
export async function writeAuthorKey(folder: string): Promise<string> {
  const key = join(folder, 'author.pem')
  await writeFile(key, author.publicKey.export({ format: 'pem', type: 'spki' }))
  return key
}

export function serviceConfig(
  server: Pick<BundleServer, 'url'>,
  { key, persistenceDirectory }: { readonly key: string; readonly persistenceDirectory: string },
): PolicyConfig {
  return {
    service: {
      url: server.url,
      resource: 'bundles/gateway',
      responseHeaderTimeoutSeconds: 10,
      polling: { minDelaySeconds: 1, maxDelaySeconds: 2 },
    },
    persistenceDirectory,
    signature: { keys: [{ id: 'author', algorithm: 'ES256', publicKey: key }], scope: '' },
    data: [],
  }
}
