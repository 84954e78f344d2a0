import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { test } from 'node:test'
import { programIsHere, runToEnd } from '../../examples/session.ts'
import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import { parseBundle } from '../../src/pki/bundle.ts'
import { openBalancer } from '../gateway/world/balancer.ts'
import { answerBoth, openUpstream } from '../gateway/world/upstream.ts'
import { openWorld } from '../gateway/world/world.ts'
import { eventually } from '../support/eventually.ts'
import { createTestAuthority } from '../support/test-authority.ts'
import { cacheFolder } from '../tools/build.ts'
import { installPip } from '../tools/pip.ts'

/*
 * The agents of docs/AGENTS.md, each over a rotation of all that is mounted: the certificate that it began with is over, the gateway's is
 * under another anchor, and it goes on without a restart.
 */

const examples = join(import.meta.dirname, '../../examples')
const serverName = 'gateway.agents.svc'
const wanted = { toolScopes: 'github:*', podUid: 'one-pod', lifetimeSeconds: 3600 }
const broker = { serviceAccount: 'gateway', role: 'tool-broker', dnsNames: [serverName] } as const
const named = {
  namespace: 'agents',
  serviceAccount: 'agent',
  role: 'agent',
  tenant: 'acme',
} as const
const forDays = { lifetimeSeconds: 86_400 }
const tool = '{"name":"issues_create","inputSchema":{"type":"object"}}'
const granted = { issues_create: { arguments: { repository: ['acme/handbook'] } } }

/** kubelet's two files, each replaced whole. */
async function mount(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, '.new'), text, { mode: 0o600 })
    await rename(join(folder, '.new'), join(folder, name))
  }
}

interface Stage extends AsyncDisposable {
  /** For the agent's program. */
  readonly environment: Readonly<Record<string, string>>
  /** Everything is another one: what was mounted is over. */
  rotate(): Promise<void>
  /** How many calls policy has permitted. */
  readonly permitted: number
}

async function openStage(): Promise<Stage> {
  await using opened = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'countersign-agent-'))
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  let aheadMilliseconds = 0
  const next = createTestAuthority({ lifetimeSeconds: 10 * 86_400, lifetimeSecondsMax: 86_400 })
  const world = opened.use(
    await openWorld({
      answers: {},
      hosts: ['127.0.0.1', serverName],
      now: () => Date.now() + aheadMilliseconds,
      grants: { tenants: { acme: { github: { tools: granted, prefixes: {} } } }, subjects: {} },
      trustBundle: ({ pem, trustDomain }) => parseBundle(`${pem}${next.bundlePem}`, trustDomain),
      upstreams: async (_, identities) => {
        const credential = identities.issue({ serviceAccount: 'github', role: 'tool-server' })
        const { pem, trustDomain } = identities.bundle
        const bundle = parseBundle(`${pem}${next.bundlePem}`, trustDomain)
        const answer = answerBoth({ tools: [tool] })
        const { url } = opened.use(await openUpstream({ credential, bundle, answer }))
        const spiffeId = parseSpiffeId(credential.svid.spiffeId.uri)
        return [{ server: 'github', url, spiffeId, eras: ['modern', 'legacy'] }]
      },
    }),
  )
  const { identities, credential } = world
  credential.set(identities.issue(broker))
  const balancer = opened.use(await openBalancer(world.gateway.port))
  const { privateKeyPem, chainPem } = identities.issue(wanted)
  await mount(folder, {
    'trust-bundle.pem': identities.bundle.pem,
    'credential-bundle.pem': `${privateKeyPem}${chainPem}`,
  })
  const left = opened.move()
  return {
    environment: {
      IDENTITY: folder,
      GATEWAY: `https://127.0.0.1:${balancer.port}/mcp`,
      GATEWAY_ID: 'spiffe://test.example/ns/agents/sa/gateway',
      SERVER_NAME: serverName,
      PYTHONDONTWRITEBYTECODE: '1',
    },
    async rotate() {
      await mount(folder, {
        'trust-bundle.pem': next.bundlePem,
        'credential-bundle.pem': next.issue({ ...named, ...wanted, ...forDays }).credentialPem,
      })
      credential.set(next.issue({ ...named, ...broker, ...forDays }).credential)
      aheadMilliseconds = 3700_000
      balancer.cut()
    },
    get permitted() {
      return world.events.filter(({ evaluated }) => {
        const { allow } = evaluated.value as { readonly allow?: boolean }
        return allow === true
      }).length
    },
    [Symbol.asyncDispose]: () => left[Symbol.asyncDispose](),
  }
}

/** An agent's program: what it says after each line that it is given. */
class Running {
  readonly #child: ChildProcess
  readonly #lines: Interface
  readonly #said: AsyncIterator<string>

  constructor(program: string, words: readonly string[], environment: NodeJS.ProcessEnv) {
    const env = { ...process.env, ...environment }
    const child = spawn(program, words, { env, stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child = child
    this.#lines = createInterface({ input: child.stdout })
    this.#said = this.#lines[Symbol.asyncIterator]()
  }

  async line(): Promise<string> {
    const { value, done } = await this.#said.next()
    return done === true ? 'nothing: it has ended' : value
  }

  ask(repository: string): Promise<string> {
    this.#child.stdin?.write(`${repository}\n`)
    return this.line()
  }

  async end(): Promise<number | null> {
    this.#child.stdin?.end()
    if (this.#child.exitCode === null) await once(this.#child, 'exit')
    return this.#child.exitCode
  }

  kill(): void {
    this.#child.kill()
  }
}

interface Agent {
  readonly name: string
  readonly needs?: readonly [program: string, ...version: string[]]
  readonly prepare: () => Promise<readonly [program: string, ...words: string[]]>
}

const onNode = (file: string, way: string): Agent['prepare'] => {
  const program = join(examples, 'agent-typescript', file)
  return () => Promise.resolve([process.execPath, program, way])
}

const agents: readonly Agent[] = [
  { name: 'TypeScript, SDK 2.x, our fetch', prepare: onNode('agent-2.ts', 'countersign') },
  { name: 'TypeScript, SDK 2.x, undici', prepare: onNode('agent-2.ts', 'undici') },
  { name: 'TypeScript, SDK 1.x, our fetch', prepare: onNode('agent-1.ts', 'countersign') },
  { name: 'TypeScript, SDK 1.x, undici', prepare: onNode('agent-1.ts', 'undici') },
  {
    name: 'Python',
    needs: ['python3', '-c', 'import venv, ensurepip'],
    async prepare() {
      const folder = join(examples, 'agent-python')
      const python = await installPip(join(folder, 'requirements.txt'))
      return [python, join(folder, 'agent.py')]
    },
  },
  {
    name: 'Go',
    needs: ['go', 'version'],
    async prepare() {
      const program = join(cacheFolder(process.env), 'agent-go')
      await runToEnd('go', ['build', '-o', program, '.'], { cwd: join(examples, 'agent-go') })
      return [program]
    },
  },
  {
    name: 'Rust',
    needs: ['cargo', '--version'],
    // In the folder of the matrix, which has the same crates: TLS takes minutes to compile.
    async prepare() {
      const manifest = join(examples, 'agent-rust', 'Cargo.toml')
      const target = join(cacheFolder(process.env), 'cargo-sdks')
      const words = ['--quiet', '--locked', '--manifest-path', manifest, '--target-dir', target]
      await runToEnd('cargo', ['build', ...words])
      return [join(target, 'debug', 'agent-rust')]
    },
  },
]

for (const { name, needs, prepare } of agents) {
  test(`an agent shows the mounted certificate, and the next one: ${name}`, async () => {
    if (needs !== undefined && !programIsHere('test/sdks', ...needs)) return
    const [program, ...words] = await prepare()
    await using stage = await openStage()
    const running = new Running(program, words, stage.environment)
    try {
      assert.equal(await running.line(), 'sees github_issues_create')
      assert.match(await running.ask('acme/handbook'), /^answered .*acme\/handbook/)
      await stage.rotate()
      const before = stage.permitted
      // Whoever follows the files needs a moment to see them.
      await eventually('a call with what is mounted now', async () =>
        (await running.ask('acme/handbook')).startsWith('answered'),
      )
      assert.ok(stage.permitted > before)
      assert.match(await running.ask('globex/vault'), /^refused .*denied by policy/)
      assert.equal(await running.end(), 0)
    } finally {
      running.kill()
    }
  })
}
