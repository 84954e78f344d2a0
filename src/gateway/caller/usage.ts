import { tooMany, type Refusal } from '../refusal.ts'
import type { Caller, Stranger, Usage } from './caller.ts'

export interface Usages {
  /** The caller with the usage that it shares with the other connections of its identity, if there is room for one more. */
  admit(caller: Caller | Stranger): Caller | Stranger
  take(caller: Caller): void
  release(caller: Caller): void
}

export function createUsages(connectionsMax: number): Usages {
  const usages = new Map<string, Usage>()
  return {
    admit(caller) {
      if ('refusal' in caller) return caller
      const usage = usages.get(caller.owner) ?? caller.usage
      if (usage.connections < connectionsMax) return { ...caller, usage }
      return { refusal: tooManyConnections, svid: caller.svid }
    },
    take({ owner, usage }) {
      usage.connections += 1
      usages.set(owner, usage)
    },
    release({ owner, usage }) {
      usage.connections -= 1
      if (usage.connections === 0) usages.delete(owner)
    },
  }
}

const tooManyConnections: Refusal = { ...tooMany('connections of one identity'), close: true }
