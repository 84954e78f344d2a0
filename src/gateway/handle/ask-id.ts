import type { Seal } from './seal.ts'
import type { UpstreamSession } from './session.ts'

/** What the id of a request of a server says, as its caller sees it: whom an answer to it goes to, and as the answer to what. */
export interface Ask {
  /** The process that has carried it. */
  readonly by: string
  /** Its number there. */
  readonly number: number
  readonly server: string
  /** The session with the server in which it came; undefined for a server that has none, whose answer is taken by `by` alone. */
  readonly there?: (UpstreamSession & { readonly id: string }) | undefined
  /** The server's own id, as its octets write it. */
  readonly rawId: string
  /** The digest of the policy that has let it be asked. */
  readonly policy: string
  /** From then on nobody waits for an answer, in milliseconds since the epoch. */
  readonly endsAt: number
  /** Of the task that it is of, as its server knows it. */
  readonly taskId?: string | undefined
}

/** Who is asked: whoever else answers, or answers elsewhere, answers nothing. */
export interface AskedOf {
  /** SPIFFE ID, pod UID and that of its claim. */
  readonly owner: string
  /** Of the caller's session. */
  readonly key: string
  readonly door: string
}

/**
 * Any replica can take the answer: a client that answers on another connection may meet another one. Undefined: the ids of both sides are
 * too long for that.
 */
export function sealAsk(seal: Seal, { owner, key, door }: AskedOf, ask: Ask): string | undefined {
  return seal.seal({ kind: 'ask', owner }, { ...ask, key, door })
}

/** Undefined for whatever was not asked of this very caller, in this session and at this door. */
export function openAsk(seal: Seal, asked: AskedOf, id: string | number): Ask | undefined {
  if (typeof id !== 'string') return undefined
  const opened = seal.open({ kind: 'ask', owner: asked.owner }, id)
  if (opened === undefined || 'ownedBy' in opened) return undefined
  const { key, door, ...ask } = opened.value as Ask & AskedOf
  return key === asked.key && door === asked.door ? ask : undefined
}
