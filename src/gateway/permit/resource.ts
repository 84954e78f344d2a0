import type { DecisionResource } from '../../policy/authorizer.ts'
import { formatInput, type InputText } from '../../policy/input.ts'
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
  if (definition !== undefined) return toolText(server, definition)
  return formatInput({ type: 'tool', id: target.tool, properties: { server } })
}

const texts = new WeakMap<Definition, { readonly server: string; readonly text: InputText }>()

/** What policy is told of a tool: made once for a definition, which is of one server. */
export function toolText(server: string, definition: Definition): InputText {
  const known = texts.get(definition)
  if (known?.server === server) return known.text
  const { name, digest, annotations } = definition
  const told = annotations === undefined ? {} : { annotations }
  const resource: DecisionResource = {
    type: 'tool',
    id: name,
    properties: { server, definitionDigest: digest, ...told },
  }
  const text = formatInput(resource)
  texts.set(definition, { server, text })
  return text
}
