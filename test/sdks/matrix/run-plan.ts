/** The steps of a plan, by whichever client a program brings: what a client in TypeScript has to say at each is one line of JSON. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildConnector, Agent, fetch } from 'undici'
import type { Steps } from './plan.ts'

/** A connection of a client, in the words of no SDK. */
export interface Connected {
  readonly revision: string
  list(): Promise<readonly string[]>
  call(call: Steps['calls'], o?: { progress?: () => void; signal?: AbortSignal }): Promise<string>
  read(uri: string): Promise<string>
  prompt(prompt: NonNullable<Steps['prompts']>): Promise<string>
  close(): Promise<void>
}

/** What a program reads from its environment. */
export interface Asked {
  readonly servers: readonly {
    readonly server: string
    readonly url: string
    readonly steps: Steps
  }[]
  readonly port: number
  readonly serverName: string
  readonly folder: string
}

export type Connect = (url: URL, fetch: typeof globalThis.fetch) => Promise<Connected>

export async function runPlan(connect: Connect): Promise<void> {
  const asked = JSON.parse(readFileSync(process.env['PLAN'] ?? '', 'utf8')) as Asked
  const own = fetchWith(asked)
  for (const { server, url, steps } of asked.servers) {
    const say = (step: string, told: object): void =>
      void process.stdout.write(`${JSON.stringify({ server, step, ...told })}\n`)
    const step = async (name: string, act: () => Promise<unknown>): Promise<void> => {
      try {
        say(name, { said: String(await act()) })
      } catch (error) {
        say(name, { failed: String(error instanceof Error ? error.message : error) })
      }
    }
    let client: Connected
    try {
      const named = new URL(url)
      named.hostname = asked.serverName
      client = await connect(named, own)
    } catch (error) {
      say('speaks', { failed: String(error) })
      continue
    }
    say('speaks', { said: client.revision })
    await runSteps(client, steps, step)
    await client.close()
  }
}

async function runSteps(
  client: Connected,
  steps: Steps,
  step: (name: string, act: () => Promise<unknown>) => Promise<void>,
): Promise<void> {
  await step('lists', () => client.list())
  await step('calls', () => client.call(steps.calls))
  await step('refuses', () => client.call(steps.refuses))
  const { progress, cancels, reads, prompts } = steps
  if (progress !== undefined) {
    await step('progress', async () => {
      let told = 0
      await client.call(progress, { progress: () => (told += 1) })
      return told
    })
  }
  if (cancels !== undefined) {
    await step('cancels', async () => {
      const given = client.call(cancels, { signal: AbortSignal.timeout(500) })
      const ended = await given.then(
        () => 'answered',
        () => 'given up',
      )
      return `${ended}, then ${await client.call(steps.calls)}`
    })
  }
  if (reads !== undefined) await step('reads', () => client.read(reads))
  if (prompts !== undefined) await step('prompts', () => client.prompt(prompts))
}

/** Presents the mounted certificate, and asks for the name in the gateway's, wherever the gateway is. */
function fetchWith({ folder, port, serverName }: Asked): typeof globalThis.fetch {
  const pem = readFileSync(join(folder, 'credential-bundle.pem'), 'utf8')
  const ca = readFileSync(join(folder, 'trust-bundle.pem'), 'utf8')
  const connect = buildConnector({ cert: pem, key: pem, ca, servername: serverName })
  const dispatcher = new Agent({
    connect: (target, callback) =>
      connect({ ...target, hostname: '127.0.0.1', port: String(port) }, callback),
  })
  return ((url: string, init: object) =>
    fetch(url, { ...init, dispatcher })) as unknown as typeof globalThis.fetch
}

/** The first text of what came. */
export function textOf(content: unknown): string {
  const [first] = (Array.isArray(content) ? content : [content]) as { readonly text?: string }[]
  return first?.text ?? ''
}
