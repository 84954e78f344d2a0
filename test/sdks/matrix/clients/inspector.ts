/**
 * The MCP Inspector on the command line, in the folder that the first word names: one command a step, each with a connection of its own.
 * Nothing is told of a call before its end, and none can be given up, so those two steps are left out.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { textOf, type Asked } from '../run-plan.ts'

const folder = process.argv[2] ?? ''
const program = join(folder, 'clients', 'launcher', 'build', 'index.js')
const asked = JSON.parse(readFileSync(process.env['PLAN'] ?? '', 'utf8')) as Asked

interface Answer {
  readonly protocolVersion?: string
  readonly tools?: readonly { readonly name: string }[]
  readonly content?: unknown
  readonly contents?: unknown
  readonly messages?: readonly { readonly content: unknown }[]
}

/** It answers on its output, and says what went wrong on the other. */
async function inspect(url: string, ...words: readonly string[]): Promise<Answer> {
  const all = [program, '--cli', url, '--transport', 'http', '--method', ...words]
  const child = spawn(process.execPath, all, { stdio: ['ignore', 'pipe', 'pipe'] })
  let [said, wrong] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (wrong += text))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`${said}${wrong}`)
  return JSON.parse(said) as Answer
}

const argumentsOf = (given: object): readonly string[] => [
  '--tool-args-json',
  JSON.stringify(given),
]

for (const { server, url, steps } of asked.servers) {
  const { calls, refuses, reads, prompts } = steps
  const callTool = async ({ tool, arguments: given }: typeof calls): Promise<string> => {
    const answer = await inspect(url, 'tools/call', '--tool-name', tool, ...argumentsOf(given))
    return textOf(answer.content)
  }
  const acts: Readonly<Record<string, () => Promise<string>>> = {
    speaks: async () => (await inspect(url, 'initialize')).protocolVersion ?? 'none',
    lists: async () =>
      ((await inspect(url, 'tools/list')).tools ?? []).map((each) => each.name).join(),
    calls: () => callTool(calls),
    refuses: () => callTool(refuses),
    ...(reads === undefined
      ? {}
      : {
          reads: async () =>
            textOf((await inspect(url, 'resources/read', '--uri', reads)).contents),
        }),
    ...(prompts === undefined
      ? {}
      : {
          async prompts() {
            const pairs = Object.entries(prompts.arguments).map(
              ([name, value]) => `${name}=${value}`,
            )
            const words = ['--prompt-name', prompts.name, '--prompt-args', ...pairs]
            const { messages } = await inspect(url, 'prompts/get', ...words)
            return textOf(messages?.[0]?.content)
          },
        }),
  }
  for (const [step, act] of Object.entries(acts)) {
    const told = await act().then(
      (said) => ({ said }),
      (error: unknown) => ({ failed: String(error) }),
    )
    process.stdout.write(`${JSON.stringify({ server, step, ...told })}\n`)
  }
}
