import { outsideCeiling, outsideServerScopes } from '../../gateway/permit/ceiling.ts'
import { offerKinds } from '../../gateway/permit/offers.ts'
import { offerText } from '../../gateway/permit/resource.ts'
import type { ResourceText } from '../../gateway/catalogue/resource-text.ts'
import { servesOffer, servesTool } from '../../gateway/upstream/upstream.ts'
import { allowsTool, type Ceiling } from '../../identity/ceiling.ts'
import { listFormOf } from '../../mcp/lists.ts'
import type { DecisionContext } from '../../policy/asked.ts'
import type { Authorizer } from '../../policy/authorizer.ts'
import type { InputText } from '../../policy/input.ts'
import type { SeenOffer, SeenServer, SeenTool } from './seen-tools.ts'

/** What becomes of one thing of a list, and why. */
export interface Explained {
  readonly server: string
  readonly era: string
  readonly shown: boolean
  /** What hides it first. */
  readonly by?: 'ceiling' | 'definition' | 'policy'
  readonly reasons: readonly { readonly code: string; readonly message: string }[]
}

export interface ExplainedTool extends Explained {
  readonly tool: string
  readonly digest: string
}

/** A prompt, a resource or a template. */
export interface ExplainedOffer extends Explained {
  readonly name: string
}

/** Who asks, and what answers. */
export interface Explaining {
  readonly text: InputText
  readonly ceiling: Ceiling
  readonly authorizer: Authorizer
  readonly now: () => number
}

type Why = Pick<Explained, 'shown' | 'by' | 'reasons'>

export function explainTools(
  { config }: SeenServer,
  seen: readonly SeenTool[],
  explaining: Explaining,
): readonly ExplainedTool[] {
  const { server } = config
  const why = ({ era, definition, quarantine }: SeenTool): Why => {
    const { name, digest } = definition
    if (!allowsTool(explaining.ceiling, server, name)) return hidden('ceiling', [outsideCeiling])
    if (!servesTool(config, name)) return hidden('ceiling', [outsideServerScopes('tool')])
    if (quarantine !== undefined) {
      return hidden('definition', [{ code: quarantine, message: `its digest is now ${digest}` }])
    }
    const asked = { server, era, told: definition.told(server) }
    return askPolicy(explaining, asked, { list: 'tools/list', use: 'tools/call' })
  }
  return seen.map((each) => {
    const { era, definition } = each
    const { name, digest } = definition
    return { server, tool: name, era, digest, ...why(each) }
  })
}

/** The lists of what is no tool, with what asks for one of each. */
export const offerMethods = {
  prompts: { list: 'prompts/list', use: 'prompts/get' },
  resources: { list: 'resources/list', use: 'resources/read' },
  resourceTemplates: { list: 'resources/templates/list', use: 'completion/complete' },
} as const

export function explainOffers(
  { config }: SeenServer,
  seen: readonly SeenOffer[],
  explaining: Explaining,
  methods: { readonly list: string; readonly use: string },
): readonly ExplainedOffer[] {
  const { server } = config
  const member = listFormOf(methods.list)?.member ?? 'tools'
  if (member === 'tools') return []
  // Scopes speak of tools: a server of which none does is outside of the ceiling as a whole.
  const isReached = explaining.ceiling.toolScopes.some((scope) => scope.server === server)
  return seen.map(({ era, name }) => {
    const kind = offerKinds[member]
    const why = (): Why => {
      if (!isReached) return hidden('ceiling', [outsideCeiling])
      if (!servesOffer(config, kind, name)) return hidden('ceiling', [outsideServerScopes(kind)])
      return askPolicy(explaining, { server, era, told: offerText(kind, server, name) }, methods)
    }
    return { server, name, era, ...why() }
  })
}

/** Whether it is in the list; where not, the reasons are those of asking for it. */
function askPolicy(
  { text: subject, authorizer, now }: Explaining,
  asked: {
    readonly server: string
    readonly era: DecisionContext['era']
    readonly told: ResourceText
  },
  { list, use }: { readonly list: string; readonly use: string },
): Why {
  const context = (phase: DecisionContext['phase']): DecisionContext => ({
    era: asked.era,
    time: new Date(now()).toISOString(),
    door: `mcp/${asked.server}`,
    phase,
    upstream: { era: asked.era },
  })
  const resources = [asked.told]
  const answer = authorizer.filter({ subject, action: list, resources, context: context('list') })
  if (answer.value[0] === true) return { shown: true, reasons: [] }
  const resource = asked.told.text
  const call = { subject, action: use, resource, arguments: undefined }
  const { value } = authorizer.decide({ ...call, context: context('request') })
  return hidden('policy', value.reasons)
}

function hidden(by: Explained['by'] & string, reasons: Explained['reasons']): Why {
  return { shown: false, by, reasons: reasons.map(({ code, message }) => ({ code, message })) }
}
