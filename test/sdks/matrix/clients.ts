import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { cacheFolder } from '../../tools/build.ts'
import { installPip } from '../../tools/pip.ts'

/** How a client's program is started; it does what the file named by PLAN says. */
interface Started {
  readonly program: string
  readonly words: readonly string[]
}

export interface MatrixClient {
  readonly name: string
  /** Speaks plain HTTP: the pipe before the gateway presents the certificate. */
  readonly plain?: boolean
  /** What has to be on the machine besides Node and Python. */
  readonly needs?: 'go' | 'cargo'
  /** What it has no way to do. */
  readonly leavesOut?: readonly ('progress' | 'cancels')[]
  prepare(modules: string): Promise<Started>
}

const root = join(import.meta.dirname, '../../..')
const own = (file: string): string => join(import.meta.dirname, 'clients', file)
const onNode = (file: string, ...words: string[]): Promise<Started> =>
  Promise.resolve({ program: process.execPath, words: [own(file), ...words] })

async function onPython(requirements: string, file: string): Promise<Started> {
  return { program: await installPip(join(root, requirements)), words: [own(file)] }
}

/** Built into the user's cache, once: its TLS takes minutes to compile. */
function onCargo(...words: string[]): Promise<Started> {
  const manifest = join(import.meta.dirname, '../rust/Cargo.toml')
  const target = join(cacheFolder(process.env), 'cargo-sdks')
  const build = ['--quiet', '--locked', '--manifest-path', manifest, '--target-dir', target]
  return Promise.resolve({ program: 'cargo', words: ['run', ...build, '--', ...words] })
}

export const clients: readonly MatrixClient[] = [
  {
    name: 'TypeScript SDK 1.23',
    prepare: (modules) => onNode('typescript-1.ts', join(modules, 'sdk-before-2025-11-25')),
  },
  {
    name: 'TypeScript SDK 1.32',
    prepare: () =>
      onNode('typescript-1.ts', join(root, 'node_modules', '@modelcontextprotocol', 'sdk')),
  },
  { name: 'TypeScript SDK 2.4', prepare: () => onNode('typescript-2.ts') },
  { name: 'TypeScript SDK 2.4, auto', prepare: () => onNode('typescript-2.ts', 'auto') },
  { name: 'Python mcp 1.30', prepare: () => onPython('test/sdks/legacy.txt', 'python_1.py') },
  {
    name: 'Python mcp 2.3',
    prepare: () => onPython('examples/agent-python/requirements.txt', 'python_2.py'),
  },
  { name: 'fastmcp 4.2', prepare: () => onPython('test/sdks/fast.txt', 'fastmcp_4.py') },
  {
    name: 'Go SDK 1.8',
    needs: 'go',
    prepare: () => Promise.resolve({ program: 'go', words: ['run', './matrix'] }),
  },
  {
    name: 'MCP Inspector 2.12',
    plain: true,
    leavesOut: ['progress', 'cancels'],
    prepare: (modules) =>
      onNode('inspector.ts', join(modules, '@modelcontextprotocol', 'inspector')),
  },
  { name: 'Rust rmcp 3.11', needs: 'cargo', prepare: () => onCargo() },
  { name: 'Rust rmcp 3.11, auto', needs: 'cargo', prepare: () => onCargo('auto') },
]

/** What a client said of each step, in its order. */
export interface Line {
  readonly server: string
  readonly step: string
  readonly said?: string
  readonly failed?: string
}

export async function runClient(
  { program, words }: Started,
  environment: Readonly<Record<string, string>>,
): Promise<readonly Line[]> {
  const paths = [import.meta.dirname, join(import.meta.dirname, '..')]
  const child = spawn(program, words, {
    cwd: join(import.meta.dirname, '../go'),
    env: {
      ...process.env,
      ...environment,
      PYTHONPATH: paths.join(':'),
      PYTHONDONTWRITEBYTECODE: '1',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  await once(child, 'close')
  return output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line)
}
