import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Credential } from '../../src/pki/credential.ts'
import { createIdentities } from '../gateway/world/identities.ts'
import { openUpstream, type Answer, type TestUpstream } from '../gateway/world/upstream.ts'

export const identities: ReturnType<typeof createIdentities> = createIdentities()

/** The gateway whose configuration is looked at. */
const own = identities.issue({
  namespace: 'system',
  serviceAccount: 'gateway',
  role: 'tool-broker',
})

export const files: Credential = identities.issue({ namespace: 'tools', serviceAccount: 'files' })

/** What every configuration in such a folder says. */
export const ofFolder: Readonly<Record<string, unknown>> & { readonly trustDomain: string } = {
  trustDomain: own.svid.spiffeId.trustDomain,
  production: false,
  credentialBundle: 'credential.pem',
  trustBundle: 'bundle.pem',
}

/** A folder with a gateway's certificate and trust bundle, and a tool server that runs. */
export async function openToolServerFolder(
  answer: Answer,
): Promise<{ readonly folder: string; readonly upstream: TestUpstream } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-cli-'))
  const { bundle } = identities
  await writeFile(join(folder, 'bundle.pem'), bundle.pem)
  await writeFile(join(folder, 'credential.pem'), own.privateKeyPem + own.chainPem)
  const upstream = await openUpstream({ credential: files, bundle, answer })
  return {
    folder,
    upstream,
    async [Symbol.asyncDispose]() {
      await upstream[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
