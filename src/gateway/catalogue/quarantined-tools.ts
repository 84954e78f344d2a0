import type { Era } from '../../mcp/message.ts'
import type { TellChange } from '../upstream/tool-change.ts'
import type { UpstreamConfig } from '../upstream/upstream.ts'

/** The tools that are quarantined now, as far as somebody has asked for them. */
export interface QuarantinedTools {
  readonly size: number
  /** It is quarantined as it is defined now. */
  add(config: UpstreamConfig, tool: string, found: Found): void
  /** It may be used as it is defined now. */
  allowed(config: UpstreamConfig, tool: string, as: Pick<Found, 'era' | 'digest'>): void
  /** These servers there are from now on, with these pins: who pins what is quarantined has approved it. */
  follow(configs: readonly UpstreamConfig[]): void
}

interface Found {
  readonly era: Era
  readonly digest: string
  readonly approved: string | undefined
  readonly why: string
}

/** Of one server, in both eras: its own tools take the place of each other, and of nobody else's. */
const ofServerMax = 64

interface Quarantined extends Found {
  readonly tool: string
}

export function createQuarantinedTools(tell: TellChange): QuarantinedTools {
  /** By server, then by tool and era, oldest first. */
  const quarantined = new Map<string, Map<string, Quarantined>>()

  /** Approved is a definition, whichever era its server gives it in; what the other era has beside it is not. */
  function served(
    server: string,
    tool: string,
    { era, digest }: Pick<Found, 'era' | 'digest'>,
  ): void {
    const tools = quarantined.get(server)
    if (tools?.delete(keyOf(era, tool)) !== true) return
    const other = keyOf(otherEra[era], tool)
    if (tools.get(other)?.digest === digest) tools.delete(other)
    if (tools.size === 0) quarantined.delete(server)
    tell({ kind: 'served', server, tool, digest })
  }
  return {
    get size() {
      return quarantined.size
    },
    add({ server }, tool, found) {
      const tools = quarantined.get(server) ?? new Map<string, Quarantined>()
      quarantined.set(server, tools)
      const key = keyOf(found.era, tool)
      const known = [tools.get(key), tools.get(keyOf(otherEra[found.era], tool))]
      tools.delete(key)
      const [oldest] = tools.keys()
      if (tools.size >= ofServerMax && oldest !== undefined) tools.delete(oldest)
      tools.set(key, { ...found, tool })
      if (known.some((each) => each?.digest === found.digest)) return
      const { digest, approved, why } = found
      tell({ kind: 'quarantined', server, tool, digest, approved, why })
    },
    allowed: ({ server }, tool, as) => served(server, tool, as),
    follow(configs) {
      const byServer = new Map(configs.map((config) => [config.server, config]))
      for (const [server, tools] of quarantined) {
        const config = byServer.get(server)
        if (config === undefined) quarantined.delete(server)
        for (const { tool, era, digest } of tools.values()) {
          if (config?.pins !== undefined && Object.hasOwn(config.pins, tool)) {
            if (config.pins[tool] === digest) served(server, tool, { era, digest })
          }
        }
      }
    },
  }
}

const otherEra = { modern: 'legacy', legacy: 'modern' } as const satisfies Record<Era, Era>

function keyOf(era: Era, tool: string): string {
  return `${era} ${tool}`
}
