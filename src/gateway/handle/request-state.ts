import type { Seal } from './seal.ts'

/** The call that a tool server's `requestState` belongs to: only the same caller goes on with it, by the same call. */
export interface CallOfState {
  /** SPIFFE ID, pod UID and that of its claim. */
  readonly owner: string
  readonly door: string
  /** SPIFFE ID of the tool server that gave it. */
  readonly server: string
  readonly method: string
  /** What the call is about, as that server knows it. */
  readonly target: string
  /** Of the arguments as canonical JSON: a client may write them in another order when it comes back. */
  readonly argumentsDigest: string
}

/** What a call comes back with. */
export interface StateGiven {
  /** The server's own, as JSON; undefined: it has given none. */
  readonly state: string | undefined
  /** The ticket under which the approval of the call is kept for this. */
  readonly approved?: string | undefined
}

/** A person takes their time over a form, and no longer than a certificate lives. */
const secondsMax = 3600

/** Of what the server gave, as JSON. */
const stateOctetsMax = 16_384

/**
 * Seals the JSON text of a server's `requestState` for its caller: to the server all callers are the gateway, so only the gateway can
 * tell whose it is (MCP 2026-07-28, multi round-trip requests). Undefined: it is too long.
 */
export function sealRequestState(
  seal: Seal,
  { owner, ...call }: CallOfState,
  { now, ...given }: StateGiven & { readonly now: number },
): string | undefined {
  if (Buffer.byteLength(given.state ?? '') > stateOctetsMax) return undefined
  const until = now + secondsMax * 1000
  return seal.seal({ kind: 'requestState', owner }, { ...call, until, ...given })
}

/** The server's own JSON text; or why this is none of this call. */
export function openRequestState(
  seal: Seal,
  { owner, ...call }: CallOfState,
  { sealed, now }: { readonly sealed: string; readonly now: number },
): StateGiven | { readonly why: string } {
  const opened = seal.open({ kind: 'requestState', owner }, sealed)
  if (opened === undefined) return { why: 'it was not sealed here' }
  if ('ownedBy' in opened) return { why: `it is of ${opened.ownedBy}` }
  const { until, state, approved, ...of } = opened.value as SealedState
  const other = callMembers.find((member) => of[member] !== call[member])
  if (other !== undefined) return { why: `it is of another ${names[other]}` }
  if (now >= until) return { why: 'it has expired' }
  return approved === undefined ? { state } : { state, approved }
}

type CallMembers = Omit<CallOfState, 'owner'>

interface SealedState extends CallMembers, StateGiven {
  /** Milliseconds since the epoch. */
  readonly until: number
}

const names: Readonly<Record<keyof CallMembers, string>> = {
  door: 'door',
  server: 'tool server',
  method: 'method',
  target: 'target',
  argumentsDigest: 'call: its arguments are others',
}

const callMembers = Object.keys(names) as readonly (keyof CallMembers)[]
