import { textOf } from '../../src/policy/asked.ts'
import type { Received } from '../gateway/world/upstream.ts'
import type { World } from '../gateway/world/world.ts'

/** What servers offer of each kind; of `never` no policy allows anything, of `echo` one of the two. */
export const whats = ['echo', 'other', 'never'] as const

/** What holds for a caller from one moment on. */
interface Known {
  /** Requests sent after this may not arrive: revoked, or the pod gone, at this turn; or over. */
  endedAt: number
  readonly notAfter: number
}

/** Who may do what, kept beside the gateway and without its help: what arrives at a tool server is judged by it. */
export interface Ledger {
  /** A caller is there. */
  admit(name: string, notAfter: number): void
  /** From now on nothing that it sends may arrive. */
  end(name: string): void
  /** Whether it is let in, as far as is known here. */
  isThere(name: string): boolean
  /** What policy allows from now on. */
  allow(whats: ReadonlySet<string>): void
  /** A mark for a request that is sent now. */
  mark(name: string, what: string): string
  /** Somebody approves this one. */
  approve(mark: string): void
  /** Judges what has arrived and what was decided since. Gives what should not have arrived. */
  judge(world: World): readonly string[]
  /** How often each method has arrived. */
  readonly arrived: ReadonlyMap<string, number>
}

const arrivalsMax: Readonly<Record<string, number>> = {
  // What a legacy client is asked for a modern server is answered there by the same call.
  ask: 2,
}

interface Sent {
  readonly name: string
  readonly what: string
  readonly turn: number
  readonly time: number
  arrivals: number
  isApproved: boolean
}

/** A decision that lets one request be made. */
interface Permit {
  readonly time: number
  readonly name: string
  readonly action: string
  arrivals: number
}

/** A clock of its own beside the real one: of two things that happen in this process one is always the first. */
export function createLedger(now: () => number): Ledger {
  const callers = new Map<string, Known>()
  const policies: { readonly since: number; readonly whats: ReadonlySet<string> }[] = []
  const sent = new Map<string, Sent>()
  const permits = new Map<string, Permit>()
  const arrived = new Map<string, number>()
  let turn = 0

  /** Whether some policy since the request was sent has allowed it: which one was asked, the ledger cannot see. */
  function mayHaveBeenAllowed({ what, turn: since }: Sent): boolean {
    const current = policies.findLastIndex((policy) => policy.since <= since)
    return policies.slice(Math.max(0, current)).some(({ whats: allowed }) => allowed.has(what))
  }
  function isThere(name: string): boolean {
    const { endedAt = 0, notAfter = 0 } = callers.get(name) ?? {}
    return endedAt > turn && notAfter > now()
  }
  function wrongWith(method: string, { body, headers }: Received): string | undefined {
    const decision = decisionIn(headers['txn-token'])
    const owner = ownerIn(body)
    // What the gateway itself cancels is of somebody who is not there any more.
    const isOfGone = method === 'tasks/cancel' && decision === '' && owner !== undefined
    if (isOfGone) return isThere(owner) ? `is cancelled though ${owner} is there` : undefined
    const permit = permits.get(decision)
    if (permit === undefined) return 'came without a decision'
    permit.arrivals += 1
    // A decision is good for one request; one that only reads is sent again where a connection has ended in it (RFC 9110 §9.2.2).
    const isRepeated = permit.arrivals === 2 && repeated.has(method)
    if (permit.arrivals > 1 && !isRepeated) return 'came twice by one decision'
    if (permit.action !== method) return `came by a decision on ${permit.action}`
    // For a list of tasks the gateway asks for each of them itself, in the name of whoever wants the list.
    const isOfList = method === 'tasks/get' && !body.includes('"soak"')
    if (isOfList) return owner === permit.name ? undefined : `is asked for ${permit.name}`
    const mark = markIn(body)
    const request = mark === undefined ? undefined : sent.get(mark)
    if (request === undefined) return 'was never sent'
    if (permit.name !== request.name) return `came by a decision on ${permit.name}`
    if (owner !== undefined && owner !== request.name) return `is for what is ${owner}'s`
    if (!isRepeated) request.arrivals += 1
    if (request.arrivals > (arrivalsMax[request.what] ?? 1)) return 'came too often'
    if (request.what === 'hold' && !request.isApproved) return 'is approved by nobody'
    const caller = callers.get(request.name)
    if (caller === undefined) return 'has no caller'
    if (request.turn > caller.endedAt) return 'was sent after its caller was ended'
    if (request.time > caller.notAfter) return 'was sent after the certificate of its caller'
    return mayHaveBeenAllowed(request) ? undefined : 'is not allowed by any policy since'
  }
  return {
    admit: (name, notAfter) =>
      void callers.set(name, { endedAt: Number.POSITIVE_INFINITY, notAfter }),
    end(name) {
      const caller = callers.get(name)
      if (caller !== undefined) caller.endedAt = turn += 1
    },
    isThere,
    allow: (allowed) => void policies.push({ since: (turn += 1), whats: allowed }),
    mark(name, what) {
      const mark = `mark-${name}-${(turn += 1)}`
      sent.set(mark, { name, what, turn, time: now(), arrivals: 0, isApproved: false })
      return mark
    },
    approve(mark) {
      const request = sent.get(mark)
      if (request !== undefined) request.isApproved = true
    },
    judge(world) {
      for (const { decisionId, path, evaluated } of world.events.splice(0)) {
        if (path !== 'countersign/mcp/decision') continue
        if ((evaluated.value as { readonly allow?: unknown }).allow !== true) continue
        const { subject, action } = JSON.parse(textOf(evaluated.asked)) as DecidedOn
        const name = subject.properties.pod?.uid.slice(0, 8) ?? ''
        permits.set(decisionId, { time: now(), name, action: action.name, arrivals: 0 })
      }
      const wrong: string[] = []
      for (const [server, upstream] of Object.entries(world.upstreams)) {
        for (const each of upstream.received.splice(0)) {
          const method = methodOf(each.body)
          if (method === undefined) continue
          arrived.set(method, (arrived.get(method) ?? 0) + 1)
          if (!named.has(method)) continue
          const why = wrongWith(method, each)
          if (why !== undefined) wrong.push(`${server} ${method} ${markIn(each.body)}: ${why}`)
        }
      }
      forget(sent, now() - rememberedMilliseconds)
      forget(permits, now() - rememberedMilliseconds)
      return wrong
    },
    arrived,
  }
}

/** Longer than anything waits, and short enough that what is kept here is not what grows. */
const rememberedMilliseconds = 120_000

function forget(known: Map<string, { readonly time: number }>, before: number): void {
  for (const [key, { time }] of known) {
    if (time >= before) return
    known.delete(key)
  }
}

interface DecidedOn {
  readonly subject: { readonly properties: { readonly pod?: { readonly uid: string } } }
  readonly action: { readonly name: string }
}

/** What is asked for in a caller's name, and has a token that names its decision. The gateway asks for lists on its own account, too. */
const named: ReadonlySet<string> = new Set([
  'tools/call',
  'prompts/get',
  'resources/read',
  'completion/complete',
  'tasks/get',
  'tasks/update',
  'tasks/cancel',
  'tasks/result',
])

const repeated: ReadonlySet<string> = new Set([
  'prompts/get',
  'resources/read',
  'completion/complete',
  'tasks/get',
  'tasks/result',
])

function methodOf(body: string): string | undefined {
  if (body === '') return undefined
  return (JSON.parse(body) as { readonly method?: string }).method
}

function decisionIn(token: string | string[] | undefined): string {
  const [, claims = ''] = String(token ?? '').split('.')
  const text = Buffer.from(claims, 'base64url').toString()
  return text === '' ? '' : String((JSON.parse(text) as { readonly txn?: unknown }).txn)
}

/** Of a task, which has the mark of the call that it was. */
function ownerIn(body: string): string | undefined {
  return /"taskId":"task-mark-([0-9a-f]{8})-/.exec(body)?.[1]
}

/** The mark of a request stands in `_meta`, before whatever else it says. */
export function markIn(text: string): string | undefined {
  return /"soak":"(mark-[0-9a-f]{8}-\d+)"/.exec(text)?.[1] ?? /mark-[0-9a-f]{8}-\d+/.exec(text)?.[0]
}

/** The pods whose marks are in a text. */
export function namesIn(text: string): ReadonlySet<string> {
  return new Set([...text.matchAll(/mark-([0-9a-f]{8})-\d+/g)].map(([, name = '']) => name))
}
