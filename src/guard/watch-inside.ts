import { connect } from 'node:net'
import { setTimeout as timeout } from 'node:timers/promises'
import type { Log } from '../log.ts'
import type { Condition } from '../readiness.ts'
import { insideHost } from './inside.ts'
import { readListening, type Listening } from './listening.ts'

type State = Omit<Condition, 'name'>

/** The server inside as it was last seen. */
export interface InsideWatch extends AsyncDisposable {
  state(): State
  /** Why nothing may be handed to it: others can reach it without us, or nobody can know. */
  shut(): string | undefined
}

const lookMilliseconds = 1000

/**
 * Looks every second whether the server inside answers, and on which addresses its port is bound. It may start after us, and may be
 * started anew with another configuration, so one look at the start would not do.
 */
export async function watchInside(options: {
  readonly port: number
  readonly log: Log
  readonly read?: (port: number) => Promise<Listening>
  readonly delay?: (signal: AbortSignal) => Promise<unknown>
}): Promise<InsideWatch> {
  const { port, log, read = readListening } = options
  const { delay = (signal) => timeout(lookMilliseconds, undefined, { signal, ref: false }) } =
    options
  const end = new AbortController()
  let seen = await look(port, read)
  const looking = (async () => {
    for (;;) {
      try {
        await delay(end.signal)
      } catch {
        return
      }
      const next = await look(port, read)
      if (next.shut !== undefined && next.shut !== seen.shut) log.error({}, next.shut)
      seen = next
    }
  })()
  if (seen.shut !== undefined) log.error({}, seen.shut)
  return {
    state: () => seen.state,
    shut: () => seen.shut,
    async [Symbol.asyncDispose]() {
      end.abort()
      await looking
    },
  }
}

interface Seen {
  readonly state: State
  readonly shut: string | undefined
}

async function look(port: number, read: (port: number) => Promise<Listening>): Promise<Seen> {
  let listening: Listening
  try {
    listening = await read(port)
  } catch {
    return shutBy('what listens in this pod cannot be seen: /proc/net/tcp is not to be read')
  }
  if (listening.elsewhere) {
    return shutBy(
      `port ${port} is bound to other addresses than loopback: make the server inside listen on ${insideHost} only`,
    )
  }
  const ok = listening.onLoopback && (await answers(port))
  const where = `${insideHost}:${port}`
  const reason = ok ? `${where} answers` : `nothing answers at ${where}`
  return { state: { ok, reason }, shut: undefined }
}

function shutBy(reason: string): Seen {
  return { state: { ok: false, reason }, shut: reason }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: insideHost, port, timeout: lookMilliseconds })
    const done = (is: boolean) => (): void => {
      socket.destroy()
      resolve(is)
    }
    socket.once('connect', done(true)).once('error', done(false)).once('timeout', done(false))
  })
}
