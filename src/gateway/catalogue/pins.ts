import type { Log } from '../../log.ts'
import type { Era } from '../../mcp/message.ts'
import type { Metrics } from '../../metrics.ts'
import type { Reason } from '../../policy/decision.ts'
import type { UpstreamConfig } from '../upstream/upstream.ts'
import type { Definition } from './definition.ts'
import type { QuarantinedTools } from './quarantined-tools.ts'

/**
 * Why a tool is neither listed nor called until somebody approves its definition: a changed description or schema is how a tool
 * that was harmless at review becomes another one (MCP security best practices; OWASP MCP Top 10, tool poisoning).
 */
export type Quarantine = (
  config: UpstreamConfig,
  definition: Definition,
  /** In which its server gives this definition: in the other one the tool may have another. */
  era: Era,
) => Reason | undefined

/** What definitions were when they were seen first, of servers that are trusted then. */
export interface FirstUse {
  /** The digest that counts: of the first definition that a tool had. Undefined where it cannot be kept, which trusts nothing. */
  remember(server: string, tool: string, digest: string): string | undefined
  /** The digest that is remembered. */
  recall(server: string, tool: string): string | undefined
}

export interface QuarantineOptions {
  /** Without it nothing is trusted on first use. */
  readonly firstUse?: FirstUse | undefined
  /** Told what is quarantined, and what of it is not any more. */
  readonly quarantinedTools?: QuarantinedTools | undefined
  readonly log: Log
  readonly metrics: Metrics
}

/** What is logged of one tool server: it may not fill the log by ever new definitions. */
const linesMax = 32

export function createQuarantine({
  firstUse,
  quarantinedTools,
  log,
  metrics,
}: QuarantineOptions): Quarantine {
  const judged = new WeakSet<Definition>()
  const lines = new WeakMap<UpstreamConfig, number>()

  /** Once for each definition that comes. */
  function tell(config: UpstreamConfig, { name, digest }: Definition, told: Told): void {
    const { server } = config
    metrics.count(told.metric, { server })
    const count = (lines.get(config) ?? 0) + 1
    lines.set(config, count)
    if (count <= linesMax) log.warn({ server, tool: name, digest, ...told.fields }, told.message)
  }

  return (config, definition, era) => {
    const { name, digest } = definition
    const isNew = !judged.has(definition)
    judged.add(definition)
    const before = firstUse?.recall(config.server, name)
    const approved = isInvalid(definition) ? undefined : approvedOf(config, definition, firstUse)
    const reason = judge(definition, approved)
    if (reason === undefined && quarantinedTools !== undefined && quarantinedTools.size > 0) {
      quarantinedTools.allowed(config, name, { era, digest })
    }
    if (!isNew) return reason
    if (reason !== undefined) {
      tell(config, definition, { ...quarantined, fields: { why: reason.code, approved } })
      quarantinedTools?.add(config, name, { era, digest, approved, why: reason.code })
    } else if (isTrusting(config, name) && before === undefined && approved === digest) {
      tell(config, definition, { ...trusted, fields: {} })
    }
    return reason
  }
}

interface Told {
  readonly metric: 'countersign_gateway_quarantined_total' | 'countersign_gateway_trusted_total'
  readonly message: string
  readonly fields: object
}

const quarantined = {
  metric: 'countersign_gateway_quarantined_total',
  message: 'definition is quarantined: the tool is neither listed nor called until it is approved',
} as const

const trusted = {
  metric: 'countersign_gateway_trusted_total',
  message: 'definition is trusted on first use: nobody has approved it',
} as const

/** The digest of the definition that may be used; `any` where none is demanded. */
function approvedOf(
  config: UpstreamConfig,
  { name, digest }: Definition,
  firstUse: FirstUse | undefined,
): string | undefined {
  const { pins, trustOnFirstUse = false, server } = config
  if (pins !== undefined && Object.hasOwn(pins, name)) return pins[name]
  if (trustOnFirstUse) return firstUse?.remember(server, name, digest)
  return pins === undefined ? 'any' : undefined
}

function isTrusting({ pins, trustOnFirstUse = false }: UpstreamConfig, tool: string): boolean {
  return trustOnFirstUse && !(pins !== undefined && Object.hasOwn(pins, tool))
}

function judge(definition: Definition, approved: string | undefined): Reason | undefined {
  if (isInvalid(definition)) {
    return refusal('definition-invalid', 'the definition of this tool breaks the protocol')
  }
  if (approved === 'any' || approved === definition.digest) return undefined
  return approved === undefined
    ? refusal('definition-not-approved', 'the definition of this tool is not approved')
    : refusal('definition-changed', 'the definition of this tool has changed since its approval')
}

function isInvalid({ paramHeaders }: Definition): boolean {
  return 'code' in paramHeaders
}

function refusal(code: string, message: string): Reason {
  return { code, message, audience: 'agent' }
}

/** What would be said of a definition, of which nothing is remembered. */
export function quarantineOf(
  config: UpstreamConfig,
  definition: Definition,
  firstUse?: Pick<FirstUse, 'recall'>,
): Reason | undefined {
  const recalled: FirstUse = {
    recall: (server, tool) => firstUse?.recall(server, tool),
    remember: (server, tool, digest) => firstUse?.recall(server, tool) ?? digest,
  }
  return judge(definition, approvedOf(config, definition, recalled))
}
