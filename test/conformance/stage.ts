import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import type { UpstreamConfig } from '../../src/gateway/upstream/upstream.ts'
import { openWorld, type World } from '../gateway/world/world.ts'
import type { Identities } from '../gateway/world/identities.ts'
import { pipeFromTls, pipeToTls, type Secured } from './pipes.ts'

/** A gateway between a client and servers that have no certificates, under a policy that permits whatever the servers offer. */
export interface Stage extends AsyncDisposable {
  /** Where such a client finds a door of the gateway. */
  url(door: string): string
}

/** Opens one before servers that listen on these ports of loopback, by name. */
export async function openStage(ports: Readonly<Record<string, number>>): Promise<Stage> {
  await using opened = new AsyncDisposableStack()
  const servers = Object.keys(ports)
  let target: Secured & { readonly port: number }
  const entry = opened.use(await pipeToTls(() => target))
  const world = await openWorld({
    answers: {},
    hosts: ['localhost'],
    origins: [`http://localhost:${entry.port}`],
    grants: {
      tenants: { acme: Object.fromEntries(servers.map((each) => [each, everything])) },
      subjects: {},
    },
    upstreams: (_, identities) =>
      Promise.all(
        Object.entries(ports).map(async ([server, port]) => {
          const { secured, config } = toolServer(server, identities)
          const pipe = opened.use(await pipeFromTls(port, secured))
          return { ...config, url: `https://127.0.0.1:${pipe.port}/mcp` }
        }),
      ),
  })
  target = agentOf(world, servers)
  // The gateway ends last: what is before it and behind it lets go first.
  const before = opened.move()
  return {
    url: (door) => `http://localhost:${entry.port}${door}`,
    async [Symbol.asyncDispose]() {
      await before[Symbol.asyncDispose]()
      await world[Symbol.asyncDispose]()
    },
  }
}

const all = { prefixes: { '': {} } }
const everything = { ...all, prompts: all, resources: all }

function toolServer(
  server: string,
  identities: Identities,
): { readonly secured: Secured; readonly config: Omit<UpstreamConfig, 'url'> } {
  const wanted = { namespace: 'tools', serviceAccount: server, role: 'tool-server' } as const
  const credential = identities.issue(wanted)
  const spiffeId = parseSpiffeId(credential.svid.spiffeId.uri)
  return {
    secured: { credential, bundle: identities.bundle },
    config: { server, spiffeId, eras: ['modern', 'legacy'] },
  }
}

function agentOf(
  { gateway, identities }: World,
  servers: readonly string[],
): Secured & { readonly port: number } {
  const toolScopes = servers.map((server) => `${server}:*`).join()
  const credential = identities.issue({ toolScopes })
  return { port: gateway.port, credential, bundle: identities.bundle }
}
