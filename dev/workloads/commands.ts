import { createInterface } from 'node:readline'

/** One line to a workload: what it shall do, with a number that its answer repeats. */
export interface Command {
  readonly id: number
  readonly do: string
  readonly [argument: string]: unknown
}

export type Answer =
  | { readonly id: number; readonly ok: unknown }
  | { readonly id: number; readonly failed: { readonly message: string } & Record<string, unknown> }

/**
 * The desk of an agent in the story: commands come in on standard input, one JSON object a line, and each is answered
 * by one line on standard output. Ends with the input.
 */
export async function answerCommands(
  work: Readonly<Record<string, (command: Command) => Promise<unknown>>>,
): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line) as Command
    process.stdout.write(`${JSON.stringify(await answer(command, work[command.do]))}\n`)
  }
}

async function answer(
  command: Command,
  work: ((command: Command) => Promise<unknown>) | undefined,
): Promise<Answer> {
  const { id } = command
  try {
    if (work === undefined) throw new Error(`no such command: ${command.do}`)
    return { id, ok: await work(command) }
  } catch (error) {
    return { id, failed: describe(error) }
  }
}

/** MCP errors carry a code and data, TLS errors a code and a cause; the story shows all of them. */
function describe(error: unknown): { message: string } & Record<string, unknown> {
  const { message, code, data, cause } = error as Error & { code?: unknown; data?: unknown }
  return {
    message,
    ...(code === undefined ? {} : { code }),
    ...(data === undefined ? {} : { data }),
    ...(cause === undefined ? {} : { cause: describe(cause).message }),
  }
}
