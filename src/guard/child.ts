import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { setTimeout as timeout } from 'node:timers/promises'
import type { Log } from '../log.ts'
import { readLines, type LongLine } from '../mcp/read-lines.ts'
import { createSayings } from './sayings.ts'

/** A server that speaks on standard input and output, as it is started: no shell reads its words. */
export interface ChildCommand {
  readonly file: string
  readonly args: readonly string[]
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>
}

/** One process of it, with all that it starts. */
export interface Child extends AsyncDisposable {
  /** What it says, a message a line; ends with it. To be read once. */
  readonly lines: AsyncIterable<Buffer | LongLine>
  /** Whether it runs. */
  isAlive(): boolean
  /** Settles with how it ended; never rejects. */
  readonly ended: Promise<string>
  /** Hands it a line; false where it has not taken so much of what was handed to it before that no more may wait. */
  write(line: Buffer): boolean
  /** Tells the log what it has said that is no message; so much and no more. */
  say(text: string): void
}

/** Of one message of the server, as the bridge takes it of a gateway. */
export const lineOctetsMax: number = 16 * 1024 * 1024
const waitingOctetsMax = 8 * 1024 * 1024
const sayingOctetsMax = 16 * 1024
const stepMilliseconds = 2000

export function startChild(
  { file, args, env }: ChildCommand,
  { log, endMilliseconds = stepMilliseconds }: { log: Log; endMilliseconds?: number },
): Child {
  const child = begun({ file, args, env })
  if (typeof child === 'string') return stillborn(child)
  const sayings = createSayings(log)
  const { stdin, stdout, stderr } = child
  for (const each of [stdout, stderr]) each.on('error', () => {})
  const ended = endOf(child)
  let isAlive = true
  // What takes nothing any more answers nothing any more, and whoever asks would wait for ever.
  stdin.on('error', () => {
    if (isAlive) child.kill('SIGKILL')
  })
  void ended.then(() => {
    isAlive = false
    // What it has started would hold its output open, and nobody speaks for that any more.
    signalGroup(child, 'SIGKILL')
  })
  void hear(stderr, sayings.say)
  return {
    lines: readLines(stdout, lineOctetsMax),
    isAlive: () => isAlive,
    ended,
    write(line) {
      if (stdin.writableLength > waitingOctetsMax) return false
      stdin.write(Buffer.concat([line, lineEnd]))
      return true
    },
    say: sayings.say,
    /** In the order of the protocol (MCP 2025-11-25 lifecycle, shutdown): its input ends, then it is asked to, then it is ended. */
    async [Symbol.asyncDispose]() {
      stdin.end()
      for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
        await Promise.race([ended, timeout(endMilliseconds, undefined, { ref: false })])
        if (!isAlive) break
        signalGroup(child, signal)
      }
      await ended
      stdout.destroy()
      sayings.end()
    },
  }
}

const lineEnd = Buffer.from('\n')

/** In a group of its own, which ends as a whole. What Node says of words that it does not take quotes them. */
function begun({ file, args, env }: ChildCommand): ChildProcessWithoutNullStreams | string {
  try {
    return spawn(file, args, { env, stdio: 'pipe', detached: true })
  } catch (error) {
    return `cannot be started: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}`
  }
}

function stillborn(why: string): Child {
  return {
    lines: (async function* () {})(),
    isAlive: () => false,
    ended: Promise.resolve(why),
    write: () => false,
    say: () => {},
    async [Symbol.asyncDispose]() {},
  }
}

function endOf(child: ChildProcessWithoutNullStreams): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      resolve(`cannot be started: ${error.code ?? 'unknown'}`)
    })
    child.once('exit', (code, signal) => resolve(`ended with ${code ?? signal}`))
  })
}

async function hear(
  stderr: ChildProcessWithoutNullStreams['stderr'],
  say: (text: string) => void,
): Promise<void> {
  try {
    for await (const line of readLines(stderr, sayingOctetsMax)) {
      say(Buffer.isBuffer(line) ? line.toString('utf8') : `a line of ${line.octets} octets`)
    }
  } catch {
    // It has ended in the middle of a word.
  }
}

function signalGroup({ pid }: ChildProcessWithoutNullStreams, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // All of it has ended.
  }
}
