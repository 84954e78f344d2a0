import { textOf } from '../../src/policy/asked.ts'
import type { Received } from '../gateway/world/upstream.ts'
import type { World } from '../gateway/world/world.ts'

/** What holds for a caller from one moment on. */
interface Known {
  /** Calls sent after this may not arrive: revoked, or the pod gone, at this turn; or over. */
  endedAt: number
  readonly notAfter: number
}

/** Who may do what, kept beside the gateway and without its help: what arrives at a tool server is judged by it. */
export interface Ledger {
  /** A caller is there. */
  admit(name: string, notAfter: number): void
  /** From now on nothing that it sends may arrive. */
  end(name: string): void
  /** The tools that policy allows from now on. */
  allow(tools: ReadonlySet<string>): void
  /** A mark for a call that is sent now. */
  mark(name: string, tool: string): string
  /** Judges what has arrived and what was decided since. Gives what should not have arrived. */
  judge(world: World): readonly string[]
  readonly arrived: number
}

interface Sent {
  readonly name: string
  readonly tool: string
  readonly turn: number
  readonly time: number
}

/** A clock of its own beside the real one: of two things that happen in this process one is always the first. */
export function createLedger(now: () => number): Ledger {
  const callers = new Map<string, Known>()
  const policies: { readonly since: number; readonly tools: ReadonlySet<string> }[] = []
  const sent = new Map<string, Sent>()
  const allowed = new Set<string>()
  const seen = new Set<string>()
  let turn = 0
  let arrived = 0

  /** Whether some policy since the call was sent has allowed its tool: which one was asked, the ledger cannot see. */
  function mayHaveBeenAllowed({ tool, turn: since }: Sent): boolean {
    const current = policies.findLastIndex((policy) => policy.since <= since)
    return policies.slice(Math.max(0, current)).some(({ tools }) => tools.has(tool))
  }
  function wrongWith(mark: string): string | undefined {
    const call = sent.get(mark)
    if (call === undefined) return 'was never sent'
    if (!allowed.delete(mark)) return seen.has(mark) ? 'came twice' : 'came without a decision'
    const caller = callers.get(call.name)
    if (caller === undefined) return 'has no caller'
    if (call.turn > caller.endedAt) return 'was sent after its caller was ended'
    if (call.time > caller.notAfter) return 'was sent after the certificate of its caller'
    return mayHaveBeenAllowed(call) ? undefined : 'is not allowed by any policy since'
  }
  return {
    admit: (name, notAfter) =>
      void callers.set(name, { endedAt: Number.POSITIVE_INFINITY, notAfter }),
    end(name) {
      const caller = callers.get(name)
      if (caller !== undefined) caller.endedAt = turn += 1
    },
    allow: (tools) => void policies.push({ since: (turn += 1), tools }),
    mark(name, tool) {
      const mark = `${name}#${(turn += 1)}`
      sent.set(mark, { name, tool, turn, time: now() })
      return mark
    },
    judge(world) {
      for (const { evaluated } of world.events.splice(0)) {
        if ((evaluated.value as { readonly allow?: unknown }).allow !== true) continue
        const mark = markIn(textOf(evaluated.asked))
        if (mark !== undefined) allowed.add(mark)
      }
      const wrong: string[] = []
      for (const upstream of Object.values(world.upstreams)) {
        for (const each of upstream.received.splice(0)) {
          const mark = callOf(each)
          if (mark === undefined) continue
          arrived += 1
          const why = wrongWith(mark)
          if (why !== undefined) wrong.push(`${mark}: ${why}`)
          seen.add(mark)
        }
      }
      return wrong
    },
    get arrived() {
      return arrived
    },
  }
}

function callOf({ body }: Received): string | undefined {
  return body.includes('"tools/call"') ? markIn(body) : undefined
}

function markIn(text: string): string | undefined {
  return /"mark":"([^"]*)"/.exec(text)?.[1]
}
