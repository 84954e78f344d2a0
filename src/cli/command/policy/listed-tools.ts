import { readFile, stat } from 'node:fs/promises'
import { CountersignError, quoted } from '../../../errors.ts'
import { jsonFault } from '../../../policy/json-fault.ts'

/** A tool as its server defines it. */
export interface DefinedTool {
  readonly server: string
  readonly name: string
  readonly inputSchema: unknown
}

type Json = Readonly<Record<string, unknown>>

/**
 * The tools of a file: what `countersign tools list --json` has printed, which names its server, or an answer to `tools/list`, whole or its
 * result alone, of the server that is named. Throws `cli/usage`.
 */
export async function readListedTools(
  file: string,
  named: string | undefined,
): Promise<readonly DefinedTool[]> {
  const document = await readDocument(file)
  const result = isObject(document['result']) ? document['result'] : document
  const server = typeof result['server'] === 'string' ? result['server'] : named
  const { tools } = result
  if (server === undefined) {
    throw new CountersignError('cli/usage', `--server: want=the server of ${quoted(file, 200)}`)
  }
  if (!Array.isArray(tools)) throw notTools(file)
  return tools.map((tool: unknown) => {
    const listed = isObject(tool) && isObject(tool['definition']) ? tool['definition'] : tool
    if (!isObject(listed) || typeof listed['name'] !== 'string') throw notTools(file)
    return { server, name: listed['name'], inputSchema: listed['inputSchema'] }
  })
}

/** More than any server's list that a gateway takes. */
const octetsMax = 32 * 1024 * 1024

async function readDocument(file: string): Promise<Json> {
  try {
    const { size } = await stat(file)
    if (size > octetsMax) throw new Error(`want=..${octetsMax} octets got=${size}`)
    const text = await readFile(file, 'utf8')
    const fault = jsonFault(text)
    if (fault !== undefined) throw new Error(fault)
    const document: unknown = JSON.parse(text)
    if (isObject(document)) return document
  } catch (cause) {
    throw notTools(file, cause)
  }
  throw notTools(file)
}

function notTools(file: string, cause?: unknown): CountersignError {
  return new CountersignError('cli/usage', `--tools: ${quoted(file, 200)} is no list of tools`, {
    cause,
    hint: 'what countersign tools list --json has printed, or an answer to tools/list',
  })
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
