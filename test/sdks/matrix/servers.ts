import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../../support/free-port.ts'
import { openStdioDoor } from './stdio-door.ts'

/** Servers that others wrote, each on a port of loopback. */
export interface Servers extends AsyncDisposable {
  readonly ports: Readonly<Record<string, number>>
}

export async function openServers(o: {
  /** `node_modules` of the reference servers. */
  readonly modules: string
  /** The Python that has fastmcp. */
  readonly python: string
  /** What server-filesystem may read. */
  readonly folder: string
}): Promise<Servers> {
  await using opened = new AsyncDisposableStack()
  const reference = (name: string): string =>
    join(o.modules, '@modelcontextprotocol', name, 'dist', 'index.js')
  const stdio = async (name: string, ...words: string[]): Promise<number> =>
    opened.use(await openStdioDoor(process.execPath, [reference(name), ...words])).port
  const program = async (...words: readonly string[]): Promise<number> => {
    const started = opened.use(await startOnPort(words))
    return started.port
  }
  const ports = {
    everything: opened.use(await openEverything(o)).port,
    files: await stdio('server-filesystem', o.folder),
    memory: await stdio('server-memory'),
    fastmcp: await program(o.python, join(import.meta.dirname, 'fastmcp_server.py')),
  }
  const all = opened.move()
  return { ports, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

/** The reference server that has one of everything. */
export function openEverything({
  modules,
}: {
  readonly modules: string
}): Promise<AsyncDisposable & { readonly port: number }> {
  const program = join(modules, '@modelcontextprotocol', 'server-everything', 'dist', 'index.js')
  return startOnPort([process.execPath, program, 'streamableHttp'])
}

/** Starts a program that listens on the port in its environment, and waits until it does. */
async function startOnPort(
  words: readonly string[],
): Promise<AsyncDisposable & { readonly port: number }> {
  const [program = '', ...rest] = words
  const port = await freePort()
  const child = spawn(program, rest, {
    env: { ...process.env, PORT: String(port), PYTHONDONTWRITEBYTECODE: '1' },
    stdio: 'ignore',
  })
  while (!(await isOpen(port))) {
    if (child.exitCode !== null) throw new Error(`${program} ${rest.join(' ')} has ended`)
    await delay(100)
  }
  return {
    port,
    async [Symbol.asyncDispose]() {
      child.kill()
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    },
  }
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
