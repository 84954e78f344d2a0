import type { TellChange } from '../upstream/tool-change.ts'
import type { UpstreamConfig } from '../upstream/upstream.ts'

/** The tools that are quarantined now, as far as somebody has asked for them. */
export interface QuarantinedTools {
  readonly size: number
  /** It is quarantined as it is defined now. */
  add(config: UpstreamConfig, tool: string, found: Found): void
  /** It may be used as it is defined now. */
  allowed(config: UpstreamConfig, tool: string, digest: string): void
  /** These servers there are from now on, with these pins: who pins what is quarantined has approved it. */
  follow(configs: readonly UpstreamConfig[]): void
}

interface Found {
  readonly digest: string
  readonly approved: string | undefined
  readonly why: string
}

/** Of one server: its own tools take the place of each other, and of nobody else's. */
const ofServerMax = 64

export function createQuarantinedTools(tell: TellChange): QuarantinedTools {
  /** By server, then by tool, oldest first. */
  const quarantined = new Map<string, Map<string, Found>>()

  function served(server: string, tool: string, digest: string): void {
    const tools = quarantined.get(server)
    if (tools?.delete(tool) !== true) return
    if (tools.size === 0) quarantined.delete(server)
    tell({ kind: 'served', server, tool, digest })
  }
  return {
    get size() {
      return quarantined.size
    },
    add({ server }, tool, found) {
      const tools = quarantined.get(server) ?? new Map<string, Found>()
      quarantined.set(server, tools)
      const isTold = tools.get(tool)?.digest === found.digest
      tools.delete(tool)
      const [oldest] = tools.keys()
      if (tools.size >= ofServerMax && oldest !== undefined) tools.delete(oldest)
      tools.set(tool, found)
      if (!isTold) tell({ kind: 'quarantined', server, tool, ...found })
    },
    allowed: ({ server }, tool, digest) => served(server, tool, digest),
    follow(configs) {
      const byServer = new Map(configs.map((config) => [config.server, config]))
      for (const [server, tools] of quarantined) {
        const config = byServer.get(server)
        if (config === undefined) quarantined.delete(server)
        for (const [tool, { digest }] of tools) {
          if (config?.pins !== undefined && Object.hasOwn(config.pins, tool)) {
            if (config.pins[tool] === digest) served(server, tool, digest)
          }
        }
      }
    },
  }
}
