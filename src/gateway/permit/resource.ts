import { boundedText, formatInput, type InputText } from '../../policy/input.ts'
import type { AskedResource } from '../../policy/asked.ts'
import type { DecisionResource } from '../../policy/authorizer.ts'
import { frozen, valueOf } from '../../policy/document.ts'
import type { Value } from '../../policy/plan/values.ts'
import type { OfferKind, Target } from '../call.ts'
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
  return target.kind === 'tool'
    ? formatOffer('tool', server, target.tool)
    : formatOffer(target.kind, server, target.name)
}

/** What is known by its name alone. */
function formatOffer(type: DecisionResource['type'], server: string, id: string): InputText {
  return formatInput({ type, id, properties: { server } })
}

/** What policy is told of one of a list. */
export interface ResourceText extends AskedResource {
  /** No other text of this process has it. */
  readonly number: number
}

const texts = new WeakMap<Definition, { readonly server: string; readonly told: ResourceText }>()
let made = 0

/** What policy is told of a tool: made once for a definition, which is of one server. */
export function toolText(server: string, definition: Definition): ResourceText {
  const known = texts.get(definition)
  if (known?.server === server) return known.told
  const told = numbered(formatTool(server, definition), toolValue(server, definition))
  texts.set(definition, { server, told })
  return told
}

/** What policy is told of something else that a server offers. */
export function offerText(kind: OfferKind, server: string, name: string): ResourceText {
  const value = frozen({ type: kind, id: name, properties: { server } })
  return numbered(formatOffer(kind, server, name), value)
}

function numbered(text: InputText, value: Value): ResourceText {
  made += 1
  return { text, octets: Buffer.byteLength(text), value, number: made }
}

/** A `DecisionResource`, of texts that were found fit with the definition. */
function formatTool(server: string, definition: Definition): InputText {
  const { name, digest, annotationsText } = definition
  const id = JSON.stringify(name)
  const told = annotationsText === undefined ? '' : `,"annotations":${annotationsText}`
  const properties = `{"server":${JSON.stringify(server)},"definitionDigest":"${digest}"${told}}`
  return boundedText(`{"type":"tool","id":${id},"properties":${properties}}`)
}

/** The value of that text, without parsing what we have written ourselves. */
function toolValue(server: string, { name, digest, annotationsText }: Definition): Value {
  const told = { server, definitionDigest: digest }
  const properties =
    annotationsText === undefined ? told : { ...told, annotations: valueOf(annotationsText) }
  return Object.freeze({ type: 'tool', id: name, properties: Object.freeze(properties) })
}
