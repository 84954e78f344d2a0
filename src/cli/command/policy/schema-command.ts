import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CountersignError, quoted } from '../../../errors.ts'
import { typeSchemaOf } from '../../../policy/author/tool-schema.ts'
import { requiredFile } from '../../required-file.ts'
import type { Terminal } from '../../terminal.ts'
import { seeGateway } from '../seen-tools.ts'
import { readListedTools } from './listed-tools.ts'
import type { DefinedTool } from './listed-tools.ts'
import { printableName } from './printable.ts'

export interface PolicySchemaOptions {
  readonly tools?: readonly string[]
  readonly server?: string
  readonly config?: string
  readonly output?: string
  readonly json?: boolean
}

/** What METADATA names the types of one tool's arguments by, and where they stand. */
interface WrittenSchema {
  readonly server: string
  readonly tool: string
  readonly schema: string
  readonly file: string
}

/** As many as a gateway keeps of one server, and far more than all their types take: whoever lists tools may mean no good. */
const toolsMax = 10_000
const octetsMax = 64 * 1024 * 1024

/** Writes the types of tools' arguments for OPA's type checker, a file for each tool. Throws `cli/usage` and `cli/tool-server`. */
export async function runPolicySchema(
  options: PolicySchemaOptions,
  terminal: Terminal,
): Promise<void> {
  const { output, json } = options
  if (output === undefined) {
    throw new CountersignError('cli/usage', '--output: want=folder got=none')
  }
  const tools = await readTools(options, terminal.signal)
  const schemas: WrittenSchema[] = []
  const skipped: { readonly server: string; readonly tool: string }[] = []
  let octets = 0
  for (const tool of tools) {
    if (!isName(tool.server) || !isName(tool.name)) {
      skipped.push({ server: tool.server, tool: tool.name })
      continue
    }
    const text = `${JSON.stringify(typeSchemaOf(tool.inputSchema), null, 2)}\n`
    octets += Buffer.byteLength(text)
    if (octets > octetsMax) {
      throw new CountersignError('cli/usage', `types of tools are too long, want=..${octetsMax}`)
    }
    schemas.push(await write(tool, text, output))
  }
  if (json === true) {
    terminal.out(`${JSON.stringify({ version: 1, ok: true, schemas, skipped })}\n`)
    return
  }
  for (const { schema } of schemas) terminal.out(`#   - input.context.arguments: ${schema}\n`)
  for (const { server, tool } of skipped) {
    terminal.err(`${printableName(server)}:${printableName(tool)} is no name of a tool\n`)
  }
}

/** Of files, or of the tool servers that a gateway has now; of two eras, the one that is listed last. */
async function readTools(
  { tools, server, config }: PolicySchemaOptions,
  signal: AbortSignal,
): Promise<readonly DefinedTool[]> {
  const found =
    tools === undefined
      ? await readServers(requiredFile(config, 'policy schema'), server, signal)
      : (await Promise.all(tools.map((file) => readListedTools(file, server)))).flat()
  const each = new Map(found.map((tool) => [`${tool.server} ${tool.name}`, tool]))
  if (each.size > toolsMax) {
    const message = `tools are too many, want=..${toolsMax} got=${each.size}`
    throw new CountersignError('cli/usage', message)
  }
  if (each.size > 0) return [...each.values()]
  throw new CountersignError('cli/usage', 'no tool is there, want=a list with tools')
}

async function readServers(
  config: string,
  server: string | undefined,
  signal: AbortSignal,
): Promise<readonly DefinedTool[]> {
  const gateway = await seeGateway(config, { signal })
  const wanted = gateway.servers.filter(
    (each) => server === undefined || each.config.server === server,
  )
  const tools = await Promise.all(wanted.map((each) => gateway.toolsOf(each)))
  return tools.flatMap((seen, at) =>
    seen.map(({ definition }) => ({
      server: wanted[at]?.config.server ?? '',
      name: definition.name,
      inputSchema: (
        JSON.parse(definition.octets.toString('utf8')) as { readonly inputSchema?: unknown }
      ).inputSchema,
    })),
  )
}

/** A name that is a file, too, and leads nowhere else. */
function isName(name: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(name)
}

async function write(
  { server, name }: DefinedTool,
  text: string,
  output: string,
): Promise<WrittenSchema> {
  const folder = join(output, 'tools', server)
  const file = join(folder, `${name}.json`)
  try {
    await mkdir(folder, { recursive: true })
    await writeFile(file, text)
  } catch (cause) {
    const message = `--output: cannot be written, got=${quoted(file, 200)}`
    throw new CountersignError('cli/usage', message, { cause })
  }
  return { server, tool: name, schema: `schema.tools${reference(server)}${reference(name)}`, file }
}

/** As Rego writes it. */
function reference(name: string): string {
  return /^[A-Za-z_]\w*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`
}
