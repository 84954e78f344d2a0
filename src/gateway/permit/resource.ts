import { formatInput, type InputText } from '../../policy/input.ts'
import type { DecisionResource } from '../../policy/authorizer.ts'
import { frozen } from '../../policy/document.ts'
import type { OfferKind, Target } from '../call.ts'
import type { Definition } from '../catalogue/definition.ts'
import { numbered, type ResourceText } from '../catalogue/resource-text.ts'

/** The server of what the gateway answers itself. */
const federatedServer = 'countersign'

/** What policy is told of a target, as text. */
export function resourceTextOf(target: Target, definition: Definition | undefined): InputText {
  const server = target.upstream?.config.server ?? federatedServer
  if (target.kind === 'server') {
    return formatInput({ type: 'mcp_server', id: server, properties: { server } })
  }
  if (definition !== undefined) return definition.told(server).text
  return target.kind === 'tool'
    ? formatOffer('tool', server, target.tool)
    : formatOffer(target.kind, server, target.name)
}

/** What is known by its name alone. */
function formatOffer(type: DecisionResource['type'], server: string, id: string): InputText {
  return formatInput({ type, id, properties: { server } })
}

/** What policy is told of something else than a tool that a server offers. */
export function offerText(kind: OfferKind, server: string, name: string): ResourceText {
  const value = frozen({ type: kind, id: name, properties: { server } })
  return numbered(formatOffer(kind, server, name), value)
}
