import { readFile } from 'node:fs/promises'
import { CountersignError, quoted, quotedName } from '../../errors.ts'
import { nearestName } from '../../nearest-name.ts'
import { requiredFile } from '../required-file.ts'
import { seeGateway, type PinsAt, type SeenServer, type SeenTool } from './seen-tools.ts'
import type { Terminal } from '../terminal.ts'
import { writePinsOfFile, writePinsOfToolServer, type Pins } from './write-pins.ts'

/** The document of `tools list --json` (docs/OPERATING.md). Members are added, never changed, as long as `version` stays. */
export interface ToolsDocument {
  readonly version: 1
  readonly server: string
  readonly pinsAt: PinsAt
  readonly trustOnFirstUse: boolean
  readonly tools: readonly ListedTool[]
}

interface ListedTool {
  readonly name: string
  readonly era: string
  readonly digest: string
  /** The code of its quarantine, or `served`. */
  readonly state: string
  /** The pin, where there is one. */
  readonly pinned: string | null
  /** As its server gives it now. */
  readonly definition: unknown
}

export interface ToolsOptions {
  readonly config?: string
  readonly listed?: string
  readonly kubeconfig?: string
  readonly digest?: string
  readonly json?: boolean
  readonly dryRun?: boolean
}

/** Shows the tools of a server: name, digest, and whether its definition is approved. */
export async function runToolsList(
  server: string,
  options: ToolsOptions,
  terminal: Terminal,
): Promise<void> {
  const document = await see(server, options, terminal.signal)
  terminal.out(options.json === true ? `${JSON.stringify(document)}\n` : formatTools(document))
}

/** Approves what a server's tools say now: shows each definition that was not approved, and writes its digest where the pins are. */
export async function runToolsApprove(
  server: string,
  tool: string | undefined,
  options: ToolsOptions,
  terminal: Terminal,
): Promise<void> {
  const document = await see(server, options, terminal.signal)
  const chosen = choose(document, tool, options.digest)
  if (chosen.length === 0) {
    terminal.out(
      `nothing to approve: ${tool === undefined ? 'every tool' : quotedName(tool)} of ${server} is as it was pinned\n`,
    )
    return
  }
  for (const each of chosen) terminal.out(formatChange(each))
  const pins: Pins = Object.fromEntries(chosen.map(({ name, digest }) => [name, digest]))
  const left = leftOut(document, pins)
  if (left.length > 0) {
    terminal.out(`with pins these are served no more, as they have none: ${left.join(', ')}\n`)
  }
  if (options.dryRun === true) {
    terminal.out('nothing is written (--dry-run)\n')
    return
  }
  const at = document.pinsAt
  if ('file' in at) await writePinsOfFile(at.file, server, pins)
  else {
    const { kubeconfig } = options
    await writePinsOfToolServer(at.toolServer, pins, { kubeconfig, signal: terminal.signal })
  }
  const where = 'file' in at ? at.file : `ToolServer ${at.toolServer}`
  terminal.out(`${chosen.length} approved, in ${where}\n`)
}

async function see(
  server: string,
  options: ToolsOptions,
  signal: AbortSignal,
): Promise<ToolsDocument> {
  const { config, listed } = options
  if (listed !== undefined) return readListed(listed, server)
  const gateway = await seeGateway(requiredFile(config, 'tools'), { signal })
  const found = gateway.servers.find((each) => each.config.server === server)
  if (found === undefined) {
    const names = gateway.servers.map((each) => each.config.server)
    const nearest = nearestName(server, names)
    const hint =
      nearest === undefined ? `there are ${names.join(', ')}` : `did you mean ${nearest}?`
    throw new CountersignError('cli/usage', `no tool server ${quoted(server)}`, { hint })
  }
  return documentOf(found, await gateway.toolsOf(found))
}

async function readListed(file: string, server: string): Promise<ToolsDocument> {
  const hint = 'what countersign tools list --json has printed, in the pod of the gateway'
  try {
    const document = JSON.parse(await readFile(file, 'utf8')) as ToolsDocument
    if (document.version === 1 && document.server === server && Array.isArray(document.tools)) {
      return document
    }
  } catch (cause) {
    throw new CountersignError('cli/usage', `cannot read ${quoted(file, 300)}`, { cause, hint })
  }
  throw new CountersignError('cli/usage', `${quoted(file, 300)} is no list of ${server}`, { hint })
}

function documentOf({ config, at }: SeenServer, tools: readonly SeenTool[]): ToolsDocument {
  const pinOf = (name: string): string | null =>
    config.pins !== undefined && Object.hasOwn(config.pins, name)
      ? (config.pins[name] ?? null)
      : null
  return {
    version: 1,
    server: config.server,
    pinsAt: at,
    trustOnFirstUse: config.trustOnFirstUse === true,
    tools: tools.map(({ era, definition, quarantine }) => ({
      name: definition.name,
      era,
      digest: definition.digest,
      state: quarantine ?? 'served',
      pinned: pinOf(definition.name),
      definition: JSON.parse(definition.octets.toString('utf8')) as unknown,
    })),
  }
}

/** What is to be pinned: of one tool, or of all that have another pin or none. */
function choose(
  { tools, server }: ToolsDocument,
  tool: string | undefined,
  digest: string | undefined,
): readonly ListedTool[] {
  const wanted = tool === undefined ? tools : tools.filter(({ name }) => name === tool)
  if (tool !== undefined && wanted.length === 0) {
    throw new CountersignError('cli/usage', `${server} has no tool ${quoted(tool)}`)
  }
  const invalid = wanted.find(({ state }) => state === 'definition-invalid')
  if (tool !== undefined && invalid !== undefined) {
    throw new CountersignError(
      'cli/usage',
      `${quoted(tool)} breaks the protocol, and is never served`,
    )
  }
  const fit = wanted.filter(({ state }) => state !== 'definition-invalid')
  for (const name of new Set(fit.map((each) => each.name))) {
    const digests = new Set(fit.filter((each) => each.name === name).map((each) => each.digest))
    if (digests.size > 1) {
      const message = `${quoted(name)} is described differently in the two eras, and has one pin`
      throw new CountersignError('cli/usage', message, { hint: 'serve it in one of them: eras' })
    }
  }
  if (digest !== undefined && fit.some((each) => each.digest !== digest)) {
    const message = `the definition is not the one that was looked at, want=${digest}`
    throw new CountersignError('cli/usage', message, { hint: 'countersign tools list' })
  }
  return [...new Map(fit.map((each) => [each.name, each])).values()].filter(
    ({ pinned, digest: now }) => pinned !== now,
  )
}

/** The first pin of a server takes all tools away that have none. */
function leftOut({ tools, trustOnFirstUse }: ToolsDocument, pins: Pins): readonly string[] {
  if (trustOnFirstUse || tools.some(({ pinned }) => pinned !== null)) return []
  const names = tools.filter(({ state }) => state === 'served').map(({ name }) => name)
  return [...new Set(names)].filter((name) => !Object.hasOwn(pins, name)).map(quotedName)
}

function formatTools({ server, tools }: ToolsDocument): string {
  if (tools.length === 0) return `${server} has no tools\n`
  const width = Math.max(...tools.map(({ state }) => state.length))
  return tools
    .map(
      ({ name, era, digest, state }) =>
        `${state.padEnd(width)}  ${digest}  ${era.padEnd(6)}  ${quotedName(name)}\n`,
    )
    .join('')
}

function formatChange({ name, pinned, digest, definition }: ListedTool): string {
  const before =
    pinned === null
      ? 'it has no pin'
      : `the pin is ${pinned}: of what was approved there is this digest alone, not the text`
  return `${quotedName(name)}: ${before}\nnow ${digest}:\n${plain(JSON.stringify(definition, null, 2))}\n`
}

/** What a tool server wrote, without what a terminal or a reader could be misled by. */
function plain(text: string): string {
  return text.replaceAll(/[^\P{C}\n]/gu, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}
