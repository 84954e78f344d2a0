import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import type { UpstreamConfig } from '../../src/gateway/upstream/upstream.ts'
import { openWorld, type World } from '../gateway/world/world.ts'
import type { Identities } from '../gateway/world/identities.ts'
import { pipeFromTls, pipeToTls, type Secured } from './pipes.ts'

/** A gateway between a client and servers that have no certificates, under a policy that permits whatever the servers offer. */
export interface Stage extends AsyncDisposable {
  /** Where such a client finds a door of the gateway. */
  url(door: string): string
  /** For a client that has one: the agent's certificate, and the port of the gateway. */
  readonly agent: Secured & { readonly port: number }
}

/** The name in the gateway's certificate. */
export const serverName = 'gateway.agents.svc'

/** A server that listens on a port of loopback: what it speaks and what of it is granted, both where nothing is said, and all of it. */
export interface Standing {
  readonly port: number
  readonly eras?: UpstreamConfig['eras']
  readonly grants?: object
}

/** Opens one before servers, by name. */
export async function openStage(standing: Readonly<Record<string, Standing>>): Promise<Stage> {
  await using opened = new AsyncDisposableStack()
  const servers = Object.keys(standing)
  let target: Secured & { readonly port: number }
  const entry = opened.use(await pipeToTls(() => target))
  const world = await openWorld({
    answers: {},
    hosts: ['localhost', serverName],
    origins: [`http://localhost:${entry.port}`],
    grants: { tenants: { acme: grantsOf(standing) }, subjects: {} },
    upstreams: (_, identities) =>
      Promise.all(
        Object.entries(standing).map(async ([server, { port, eras = both }]) => {
          const { secured, spiffeId } = toolServer(server, identities)
          const pipe = opened.use(await pipeFromTls(port, secured))
          return { server, url: `https://127.0.0.1:${pipe.port}/mcp`, spiffeId, eras }
        }),
      ),
  })
  const broker = { serviceAccount: 'gateway', role: 'tool-broker' } as const
  world.credential.set(world.identities.issue({ ...broker, dnsNames: [serverName] }))
  const agent = agentOf(world, servers)
  target = agent
  // The gateway ends last: what is before it and behind it lets go first.
  const before = opened.move()
  return {
    url: (door) => `http://localhost:${entry.port}${door}`,
    agent,
    async [Symbol.asyncDispose]() {
      await before[Symbol.asyncDispose]()
      await world[Symbol.asyncDispose]()
    },
  }
}

const both: UpstreamConfig['eras'] = ['modern', 'legacy']
const all = { prefixes: { '': {} } }
const asks = { elicitation: { form: true }, sampling: true, roots: true }
const everything = { ...all, prompts: all, resources: all, asks }

function grantsOf(standing: Readonly<Record<string, Standing>>): object {
  return Object.fromEntries(
    Object.entries(standing).map(([server, { grants = everything }]) => [server, grants]),
  )
}

function toolServer(
  server: string,
  identities: Identities,
): { readonly secured: Secured; readonly spiffeId: UpstreamConfig['spiffeId'] } {
  const wanted = { namespace: 'tools', serviceAccount: server, role: 'tool-server' } as const
  const credential = identities.issue(wanted)
  const spiffeId = parseSpiffeId(credential.svid.spiffeId.uri)
  return { secured: { credential, bundle: identities.bundle }, spiffeId }
}

function agentOf(
  { gateway, identities }: World,
  servers: readonly string[],
): Secured & { readonly port: number } {
  const toolScopes = servers.map((server) => `${server}:*`).join()
  const credential = identities.issue({ toolScopes })
  return { port: gateway.port, credential, bundle: identities.bundle }
}
