import { CountersignError, quoted } from '../../src/errors.ts'
import { connectUpstream, type Upstream } from '../workloads/upstream.ts'

/** Its name behind the gateway, of its pod and of its service account. */
export const ownName = 'own'

/** An MCP server that whoever watches the story brought along. */
export interface OwnServer {
  readonly upstream: Upstream
  readonly tools: readonly OwnTool[]
}

export interface OwnTool {
  readonly name: string
  /** What its schema asks for, with values that say nothing. */
  readonly sample: Readonly<Record<string, unknown>>
}

const hints = {
  form: 'give the URL of a server on this machine (--upstream http://127.0.0.1:3000/mcp), or a command (--upstream "node server.js")',
  program: 'name a program that is on the PATH, or its path; arguments follow in the same quotes',
  listen: 'start the server first, and give the port and the path at which it serves MCP',
  speak:
    'a URL has to be a Streamable HTTP endpoint (often …/mcp); a command has to speak MCP on standard input and output, and print nothing else there',
} as const

function misused(message: string, hint: string, cause?: unknown): CountersignError {
  return new CountersignError('cli/usage', `--upstream: ${message}`, { hint, cause })
}

const loopback = new Set(['localhost', '127.0.0.1', '[::1]'])

/** Reads what --upstream was given. Throws 'cli/usage'. */
export function parseUpstream(text: string): Upstream {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
      throw misused(`want=an http or https URL got=${quoted(text)}`, hints.form)
    }
    // The front has nobody's leave to carry calls to another machine.
    if (!loopback.has(url.hostname)) {
      throw misused(`want=a server on this machine got=${quoted(url.host)}`, hints.form)
    }
    return { kind: 'url', url: url.href }
  }
  const [program = '', ...words] = splitWords(text)
  if (program === '') throw misused('want=a URL or a command got=nothing', hints.form)
  return { kind: 'command', program, words }
}

/** As a shell splits, with quotes and backslashes; nothing else of a shell. */
function splitWords(text: string): readonly string[] {
  const words: string[] = []
  for (const [word] of text.matchAll(/(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\])+/g)) {
    const plain = word.replaceAll(
      /'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)/g,
      (_match, single?: string, double?: string, escaped?: string) =>
        single ?? double?.replaceAll(/\\(.)/g, '$1') ?? escaped ?? '',
    )
    words.push(plain)
  }
  return words
}

/** Connects once before the story begins, so that what is wrong is said at once and in one line. Throws 'cli/usage'. */
export async function meetUpstream(
  upstream: Upstream,
  options: {
    readonly environment: Readonly<Record<string, string | undefined>>
    readonly timeoutMilliseconds: number
  },
): Promise<OwnServer> {
  const shown = upstream.kind === 'url' ? upstream.url : quoted(upstream.program)
  try {
    const client = await connectUpstream(upstream, { ...options, stderr: 'ignore' })
    try {
      const { tools } = await client.listTools(undefined, { timeout: options.timeoutMilliseconds })
      return {
        upstream,
        tools: tools.map(({ name, inputSchema }) => ({ name, sample: sampleOf(inputSchema) })),
      }
    } finally {
      await client.close()
    }
  } catch (error) {
    throw explained(error, upstream, shown)
  }
}

function explained(error: unknown, { kind }: Upstream, shown: string): CountersignError {
  const codes = codesOf(error)
  if (kind === 'command' && (codes.includes('ENOENT') || codes.includes('EACCES'))) {
    return misused(`${shown} cannot be started`, hints.program)
  }
  if (kind === 'url' && codes.some((code) => /^E(CONN|HOST|NET|ADDR|PIPE)|UND_ERR/.test(code))) {
    return misused(`nothing answers at ${shown}`, hints.listen)
  }
  const said = error instanceof Error ? error.message.split('\n')[0] : ''
  return misused(`${shown} does not speak MCP: ${quoted(said ?? '', 200)}`, hints.speak)
}

/** Codes of the error and of all its causes. */
function codesOf(error: unknown): readonly string[] {
  if (!(error instanceof Error)) return []
  const { code } = error as { code?: unknown }
  const inner = error instanceof AggregateError ? error.errors.flatMap(codesOf) : []
  return [...(typeof code === 'string' ? [code] : []), ...inner, ...codesOf(error.cause)]
}

const samples: Readonly<Record<string, unknown>> = {
  string: 'hello',
  number: 1,
  integer: 1,
  boolean: true,
  array: [],
  object: {},
}

/** Arguments that satisfy a simple schema: the required members, by their types. */
function sampleOf(schema: unknown): Readonly<Record<string, unknown>> {
  const { properties = {}, required = [] } = schema as {
    properties?: Readonly<Record<string, { type?: unknown; enum?: readonly unknown[] }>>
    required?: readonly string[]
  }
  return Object.fromEntries(
    required.map((name) => {
      const { type, enum: choices } = properties[name] ?? {}
      return [name, choices?.[0] ?? samples[String(type)] ?? null]
    }),
  )
}
