/** `opa run` and a gateway, as two clients of one bundle server, and of one registry. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openPolicy } from '../../src/cli/open-policy.ts'
import type { ServiceConfig } from '../../src/cli/service-configuration.ts'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import { contentOf } from '../../src/policy/bundle-content.ts'
import { parseSigningKey, signBundle } from '../../src/policy/bundle-signing.ts'
import { entrypoints } from '../../src/policy/engine.ts'
import { archiveOf, shippedFiles, type Files } from '../policy/archive.ts'
import { openBundleServer, serving } from '../policy/bundle-server.ts'
import { callInput } from '../policy/call-input.ts'
import { imageOf } from '../policy/oci/image.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { openGoRegistry } from './go-registry.ts'

const known = { id: 'authors', algorithm: 'ES256' } as const
const scope = 'production'

/** Where both of them get the bundle from. */
interface Shelf extends AsyncDisposable {
  readonly url: string
  /** What is there from now on. */
  put(archive: Buffer, name: string): Promise<void>
  readonly ours: Pick<ServiceConfig, 'type' | 'resource'>
  readonly theirs: { readonly type?: 'oci'; readonly resource: string }
}

async function openServerShelf(): Promise<Shelf> {
  const server = await openBundleServer()
  const resource = 'b.tar.gz'
  return {
    url: server.url,
    put(archive, name) {
      server.answer(serving(archive, `"${name}"`))
      return Promise.resolve()
    },
    ours: { resource },
    theirs: { resource },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

async function openRegistryShelf(): Promise<Shelf> {
  const registry = await openGoRegistry()
  const resource = 'org/policies:live'
  return {
    url: `http://${registry.host}`,
    put: (archive) => registry.push('org/policies', 'live', imageOf(archive)),
    ours: { type: 'oci', resource },
    theirs: { type: 'oci', resource: `${registry.host}/${resource}` },
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  }
}

/** Every revision that one of them takes, or refuses, is taken or refused by the other, and they decide alike. Throws where they do not. */
export async function followAsOpa(opa: string, policies: string): Promise<void> {
  for (const openShelf of [openServerShelf, openRegistryShelf]) {
    await using shelf = await openShelf()
    await followShelf(shelf, opa, policies)
  }
}

async function followShelf(shelf: Shelf, opa: string, policies: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-opa-follower-'))
  try {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const pem = pair.publicKey.export({ format: 'pem', type: 'spki' }).toString()
    const privatePem = pair.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
    const { key } = parseSigningKey(privatePem, known)
    const sources = await regoOf(policies)
    const sign = async (revision: string, issuedAt: number): Promise<Buffer> => {
      const manifest = JSON.stringify({ revision, roots: [''] })
      const files = { ...(await shippedFiles({ '.manifest': manifest })), ...sources }
      const how = { key, algorithm: known.algorithm, keyId: known.id, scope, issuedAt }
      const signature = signBundle(contentOf(buffersOf(files)), how)
      return archiveOf({ ...files, '.signatures.json': signature })
    }
    const now = Math.floor(Date.now() / 1000)
    const first = await sign('first', now - 10)
    await shelf.put(first, 'first')
    await using policy = await openGatewayPolicy(shelf, folder, pem)
    await using other = await runOpa(opa, shelf, { folder, pem })
    await eventually('opa is at the first', async () => (await other.revision()) === 'first')
    assert.equal(policy.engine.revision, 'first')
    for (const input of [callInput(), callInput({ role: 'agent-worker', tenant: 'acme' }), {}]) {
      const ours = policy.engine.evaluate(entrypoints.decision, input)
      assert.deepEqual(await other.decide(input), ours)
    }
    await shelf.put(first.subarray(0, -50), 'cut')
    await eventually('both refuse what is cut short', async () => {
      const problems = [policy.status().message, await other.problem()]
      return problems.every((problem) => problem !== undefined)
    })
    assert.deepEqual([policy.engine.revision, await other.revision()], ['first', 'first'])
    await shelf.put(await sign('second', now), 'second')
    await eventually('opa is at the second', async () => (await other.revision()) === 'second')
    await eventually('the gateway is, too', () => policy.engine.revision === 'second')
  } finally {
    await rm(folder, { recursive: true })
  }
}

function openGatewayPolicy(
  { url, ours }: Shelf,
  folder: string,
  pem: string,
): ReturnType<typeof openPolicy> {
  const publicKey = join(folder, 'public.pem')
  return writeFile(publicKey, pem).then(() =>
    openPolicy(
      {
        service: {
          url,
          ...ours,
          responseHeaderTimeoutSeconds: 10,
          polling: { minDelaySeconds: 1, maxDelaySeconds: 1 },
        },
        persistenceDirectory: join(folder, 'kept'),
        signature: { keys: [{ ...known, publicKey }], scope },
        data: [],
      },
      { log: silentLog, metrics: silentMetrics },
    ),
  )
}

interface OtherClient extends AsyncDisposable {
  revision(): Promise<string | undefined>
  problem(): Promise<string | undefined>
  decide(input: object): Promise<unknown>
}

interface OpaStatus {
  readonly result: {
    readonly bundles?: {
      readonly countersign?: { readonly active_revision?: string; readonly message?: string }
    }
  }
}

async function runOpa(
  opa: string,
  { url, theirs: { resource, ...kind } }: Shelf,
  { folder, pem }: { readonly folder: string; readonly pem: string },
): Promise<OtherClient> {
  const config = join(folder, 'opa.json')
  const polling = { min_delay_seconds: 1, max_delay_seconds: 1 }
  await writeFile(
    config,
    JSON.stringify({
      services: { bundles: { url, ...kind } },
      status: { console: false },
      bundles: {
        countersign: {
          service: 'bundles',
          resource,
          polling,
          signing: { keyid: known.id, scope },
        },
      },
      keys: { [known.id]: { algorithm: known.algorithm, key: pem } },
    }),
  )
  const address = `127.0.0.1:${await freePort()}`
  const child = spawn(opa, ['run', '--server', '--addr', address, '-c', config], {
    stdio: 'ignore',
  })
  const ask = async (path: string, body?: object): Promise<unknown> => {
    const how = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
    const response = await fetch(`http://${address}${path}`, how)
    return response.json()
  }
  const status = async (): Promise<{ active_revision?: string; message?: string }> =>
    ((await ask('/v1/status')) as OpaStatus).result.bundles?.countersign ?? {}
  return {
    // Until it listens there is none.
    revision: async () => (await status().catch(() => undefined))?.active_revision,
    problem: async () => (await status()).message,
    async decide(input) {
      const { result } = (await ask(`/v1/data/${entrypoints.decision}`, { input })) as {
        readonly result: unknown
      }
      return result
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    },
  }
}

/** The shipped rules as OPA runs them: their sources, without tests. */
async function regoOf(policies: string): Promise<Files> {
  const folder = join(policies, 'countersign')
  const names = await readdir(folder, { recursive: true })
  const rules = names.filter((name) => name.endsWith('.rego') && !name.endsWith('_test.rego'))
  const read = rules.map(async (name) => [
    `countersign/${name}`,
    await readFile(join(folder, name)),
  ])
  return Object.fromEntries(await Promise.all(read)) as Files
}

function buffersOf(files: Files): ReadonlyMap<string, Buffer> {
  return new Map(Object.entries(files).map(([name, content]) => [name, Buffer.from(content)]))
}
