import { createApiClient, type ApiClient } from '../../kubernetes/api-client.ts'
import type { Log } from '../../log.ts'
import type { CredentialFolder } from '../../renewal/credential-folder.ts'
import {
  requestedSource,
  type CredentialSource,
  type SourceName,
} from '../../renewal/credential-source.ts'
import { openFilesSource } from '../../renewal/files-source.ts'
import { selfSignedSource } from '../../renewal/self-signed-source.ts'
import type { AgentConfig } from './agent-configuration.ts'
import type { Kept } from './kept.ts'

/** What nobody has asked a signer for is made for so long. */
const selfSignedSeconds = 86_400

/** Opens the sources of an agent in their order; they are closed with the stack. */
export async function openSources(
  config: AgentConfig,
  opened: AsyncDisposableStack,
  parts: {
    readonly kept: Kept
    readonly folder: CredentialFolder
    readonly log: Log
    readonly now: () => number
  },
): Promise<readonly CredentialSource[]> {
  const { kept, folder, log, now } = parts
  const { annotations, expirationSeconds, files, keyType, selfSigned } = config
  // Nobody needs a cluster who only follows files.
  let client: ApiClient | undefined
  const clientOf = (): ApiClient =>
    (client ??= opened.adopt(createClient(config), (each) => each.close()))
  const anchors = (signal: AbortSignal): Promise<string> => kept.anchors(clientOf, signal)
  const { signerName, usages, names } = kept
  const open: Readonly<Record<SourceName, () => Promise<CredentialSource> | CredentialSource>> = {
    files() {
      if (files === undefined) throw new TypeError('no files')
      return openFilesSource({ files, anchors, log })
    },
    csr() {
      const asked = { signerName, usages, names, keyType, expirationSeconds, annotations }
      return requestedSource({ ...asked, client: clientOf(), store: folder, anchors })
    },
    'self-signed'() {
      const own = names ?? selfSigned
      if (own === undefined) throw new TypeError('no names')
      const lifetimeSeconds = expirationSeconds ?? selfSignedSeconds
      return selfSignedSource({ names: own, keyType, lifetimeSeconds, now })
    },
  }
  const sources: CredentialSource[] = []
  for (const name of config.sources) sources.push(opened.use(await open[name]()))
  return sources
}

function createClient({ kubeconfig }: AgentConfig): ApiClient {
  return createApiClient({
    kubeconfig,
    environment: process.env,
    userAgent: 'countersign-agent',
  })
}
