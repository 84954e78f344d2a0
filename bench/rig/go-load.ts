/** The load generator and upstream in Go: a load generator in Node is slower than what it measures. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { parseCredentialBundle } from '../../src/pki/credential.ts'

/** What a driver calls, and as whom. */
export interface Load {
  readonly port: number
  /** Its connections take them in turn. */
  readonly credentialPems: readonly string[]
  readonly bundlePem: string
  readonly connections: number
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** A right answer holds it. */
  readonly want?: string
}

/** Calls on all connections, or only their opening, or handshakes for ever new ones; for a time, or so many. */
export type RoundOrder = { readonly do?: 'call' | 'connect' | 'handshake' } & (
  { readonly seconds: number } | { readonly requests: number }
)

export interface Round {
  readonly requests: number
  readonly seconds: number
  readonly p50Milliseconds: number
  readonly p99Milliseconds: number
}

/** Keeps its connections from round to round, so that no round pays for handshakes. */
export interface Driver {
  readonly pid: number
  /** Throws where an answer is not 200 or not the wanted one: what refuses everything is fast. */
  round(order: RoundOrder): Promise<Round>
  /** Ends its connections. */
  close(): Promise<void>
}

export interface GoLoad {
  serve(o: {
    readonly credentialPem: string
    readonly bundlePem: string
    readonly answer: string
    /** By method, where it is another. */
    readonly answers: Readonly<Record<string, string>>
  }): Promise<{ readonly port: number; close(): Promise<void> }>
  drive(name: string, load: Load): Driver
}

/** Builds the program; undefined, with a line that says so, where there is no Go. */
export function openGoLoad(folder: string): GoLoad | undefined {
  const program = join(folder, 'go-load')
  const source = join(import.meta.dirname, '..', 'go-load')
  const built = spawnSync('go', ['build', '-o', program, '.'], { cwd: source, encoding: 'utf8' })
  if (built.status !== 0) {
    process.stderr.write(`NO GO TOOLCHAIN, AND NOTHING MEASURED\n${built.stderr ?? ''}`)
    return undefined
  }
  return {
    async serve({ credentialPem, bundlePem, answer, answers }) {
      const child = spawn(program, ['serve'], {
        stdio: ['pipe', 'pipe', 'inherit'],
        env: { GOMAXPROCS: '1' },
      })
      const identities = filesOf(folder, 'upstream', [credentialPem])
      const anchors = anchorsIn(folder, bundlePem)
      child.stdin.write(JSON.stringify({ identities, anchors, answer, answers }))
      const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
      return { port: Number(line), close: () => endInput(child) }
    },
    drive(name, load) {
      const { port, credentialPems, bundlePem, ...rest } = load
      const child = spawn(program, ['drive'], { stdio: ['pipe', 'pipe', 'inherit'] })
      const identities = filesOf(folder, name.replaceAll(/\W+/g, '-'), credentialPems)
      const anchors = anchorsIn(folder, bundlePem)
      const address = `127.0.0.1:${port}`
      child.stdin.write(JSON.stringify({ ...rest, identities, anchors, address }))
      const lines = createInterface({ input: child.stdout })
      return {
        pid: child.pid ?? 0,
        async round(order) {
          child.stdin.write(JSON.stringify(order))
          const made = JSON.parse(await nextLine(child, lines, name)) as Round & Judged
          const statuses = Object.keys(made.statuses).join()
          if (statuses !== '200' || made.wrong > 0) {
            throw new Error(`${name}: want=200 got=${statuses}, ${made.wrong} wrong answers`)
          }
          return made
        },
        close: () => endInput(child),
      }
    },
  }
}

interface Judged {
  readonly statuses: Readonly<Record<string, number>>
  readonly wrong: number
}

async function nextLine(child: ChildProcess, lines: Interface, name: string): Promise<string> {
  const ended = new AbortController()
  const onExit = (): void => ended.abort(new Error(`${name}: the load generator ended`))
  child.once('exit', onExit)
  try {
    const [line] = (await once(lines, 'line', { signal: ended.signal })) as [string]
    return line
  } finally {
    child.off('exit', onExit)
  }
}

async function endInput(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const exited = once(child, 'exit')
  child.stdin?.end()
  await exited
}

function filesOf(
  folder: string,
  name: string,
  credentialPems: readonly string[],
): readonly Record<'chain' | 'key', string>[] {
  return credentialPems.map((pem, index) => {
    const { chainPem, privateKeyPem } = parseCredentialBundle(pem)
    const write = (kind: string, text: string): string => {
      const file = join(folder, `${name}-${index}-${kind}.pem`)
      writeFileSync(file, text, { mode: 0o600 })
      return file
    }
    return { chain: write('chain', chainPem), key: write('key', privateKeyPem) }
  })
}

function anchorsIn(folder: string, bundlePem: string): string {
  const file = join(folder, 'anchors.pem')
  writeFileSync(file, bundlePem)
  return file
}
