import { boundedText, formatInput, type InputText } from '../../policy/input.ts'
import type { Target } from '../call.ts'
import type { Definition } from '../catalogue/definition.ts'

/** The server of what the gateway answers itself. */
const federatedServer = 'countersign'

/** What policy is told of a target, as text. */
export function resourceTextOf(target: Target, definition: Definition | undefined): InputText {
  const server = target.upstream?.config.server ?? federatedServer
  if (target.kind === 'server') {
    return formatInput({ type: 'mcp_server', id: server, properties: { server } })
  }
  if (definition !== undefined) return toolText(server, definition).text
  return formatInput({ type: 'tool', id: target.tool, properties: { server } })
}

/** What policy is told of a tool. */
export interface ToolText {
  readonly text: InputText
  readonly octets: number
  /** No other text of this process has it. */
  readonly number: number
}

const texts = new WeakMap<Definition, { readonly server: string; readonly told: ToolText }>()
let made = 0

/** What policy is told of a tool: made once for a definition, which is of one server. */
export function toolText(server: string, definition: Definition): ToolText {
  const known = texts.get(definition)
  if (known?.server === server) return known.told
  const text = formatTool(server, definition)
  made += 1
  const told = { text, octets: Buffer.byteLength(text), number: made }
  texts.set(definition, { server, told })
  return told
}

/** A `DecisionResource`, of texts that were found fit with the definition. */
function formatTool(server: string, definition: Definition): InputText {
  const { name, digest, annotationsText } = definition
  const id = JSON.stringify(name)
  const told = annotationsText === undefined ? '' : `,"annotations":${annotationsText}`
  const properties = `{"server":${JSON.stringify(server)},"definitionDigest":"${digest}"${told}}`
  return boundedText(`{"type":"tool","id":${id},"properties":${properties}}`)
}
