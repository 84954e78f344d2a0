import { timingSafeEqual } from 'node:crypto'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import type { Seal } from '../handle/seal.ts'
import type { Account, Full, SharePercents } from '../../shares.ts'
import { createWindows, type Windows } from '../windows.ts'
import {
  approvalSecondsMax,
  type Approval,
  type ApprovalRequest,
  type Verdict,
} from './approval.ts'
import { createGoingOn, type GoingOn } from './going-on.ts'
import type { ApprovalStore, KeptApproval } from './store.ts'
import { formatTicket, isSameBinding, nameOf, newNonce, parseTicket } from './ticket.ts'

/** What is known of a call that needs an approval. */
export type Standing =
  /** It was approved, and the approval is used up with this. */
  | { readonly state: 'used'; readonly approval: Approval }
  | { readonly state: 'waiting' | 'denied'; readonly approval: Approval }
  | { readonly state: 'full'; readonly full: Full }
  /** With a verdict it could not be kept: nobody is asked for one. */
  | { readonly state: 'too long' }
  /** Something is kept of it that another replica has sealed, with a key that is not here. */
  | { readonly state: 'elsewhere' }

export interface Wanted {
  readonly account: Account
  readonly request: Omit<ApprovalRequest, 'nonce' | 'askedAt' | 'deadline'>
  readonly seconds: number
  /** Whether an approval still counts at this moment. */
  readonly counts: (approval: Approval) => Promise<boolean>
}

export interface Approvals {
  /** Uses the approval of a call, if there is one; else the call waits for one from now on. Rejects where the store does. */
  claim(wanted: Wanted): Promise<Standing>
  /** What a ticket is of, while it can be decided; `elsewhere`: where another replica's key is. */
  find(ticket: unknown): Promise<Found | 'elsewhere' | undefined>
  /** False: somebody else was faster. */
  decide(found: Found, verdict: Verdict): Promise<boolean>
  /** Those that wait, and of how many nothing is known here. */
  waiting(): Promise<{ readonly approvals: readonly Approval[]; readonly elsewhere: number }>
  /** For what goes on with approved calls. */
  readonly goingOn: GoingOn
}

export interface Found {
  readonly approval: Approval
  readonly kept: KeptApproval
}

export interface ApprovalsOptions extends SharePercents {
  readonly store: ApprovalStore
  readonly seal: Seal
  readonly now: () => number
  readonly log: Log
  readonly metrics: Metrics
}

/** Of one process: each is an object that everybody has to keep, and a person to read. */
const waitingMax = 256
/** Whoever changes one at the same moment as others do comes to an end of it. */
const attemptsMax = 4
/** Nobody needs what is over; it is looked for so often at most. */
const tidyMilliseconds = 60_000
/**
 * A verdict is as long as this at most, as JSON: the certificate is 16 KiB as DER, in base64 a third more, the SPIFFE ID 2 KiB, what names the CAs
 * above it less than a half. It has room from the start, so what can be asked for can be given.
 */
const verdictOctetsMax = 25_600
/** What goes on with its call is kept with the ticket that was approved and how often it was, which have room from the start, too: as JSON. */
const ticketOctetsMax = 96
/** How far clocks of replicas may be apart: what is over by this one alone is left to others. */
const skewMilliseconds = 60_000
/** Who sees what this replica cannot open is told so often at most. */
const tellMilliseconds = 60_000

/** Whether it is of the very call, under the rules as they are now, and can come to an end. */
function isMeant(approval: Approval, wanted: Wanted): boolean {
  const { request } = approval
  return (
    !isHalfKept(approval) &&
    isSameBinding(request.binding, wanted.request.binding) &&
    request.rules.join() === wanted.request.rules.join()
  )
}

/** What goes on under an approval that there was stands there without it for a moment, or for good where its verdict was not written. */
function isHalfKept({ request, verdict }: Approval): boolean {
  return verdict === undefined && request.first !== undefined
}

/** Nobody is asked for what goes on. */
function isAsked(approval: Approval): boolean {
  return approval.verdict === undefined && !isHalfKept(approval)
}

/**
 * Whether somebody may need it still, as far as that can be seen from outside. What lasts longer than an approval is given for nobody here
 * has written.
 */
function mayBeNeeded({ deadline }: KeptApproval, now: number, seconds: number): boolean {
  const left = Date.parse(deadline) - now
  return left > -skewMilliseconds && left <= seconds * 1000 + skewMilliseconds
}

interface Sealed extends Pick<Approval, 'request' | 'verdict'> {
  /** The very object that the verdict was given on: one that is used and written once more is another one. */
  readonly uid: string | undefined
}

/** What is kept, in the clear and sealed under its own name. */
function createSealing(handles: Seal): {
  readonly open: (kept: KeptApproval) => Approval | 'elsewhere' | undefined
  /** Undefined: it is too long, now or with a verdict. */
  readonly ask: (name: string, request: ApprovalRequest) => string | undefined
  readonly decide: (
    kept: KeptApproval,
    request: ApprovalRequest,
    verdict: Verdict,
  ) => string | undefined
} {
  const seal = (name: string, value: Sealed & { readonly room?: string }): string | undefined =>
    handles.seal({ kind: 'approval', owner: name }, value)
  return {
    open({ name, sealed, version }) {
      const opened = handles.open({ kind: 'approval', owner: name }, sealed)
      if (opened === undefined && handles.isSealedElsewhere('approval', sealed)) return 'elsewhere'
      if (opened === undefined || !('value' in opened)) return undefined
      const { request, verdict, uid } = opened.value as Sealed
      if (verdict !== undefined && uid !== version.uid) return undefined
      const ticket = request.first ?? formatTicket(name, request.nonce)
      return { ticket, request, verdict }
    },
    ask(name, request) {
      const asked = { request, verdict: undefined, uid: undefined }
      const octets = verdictOctetsMax + (request.first === undefined ? ticketOctetsMax : 0)
      const fits = seal(name, { ...asked, room: ' '.repeat(octets) }) !== undefined
      return fits ? seal(name, asked) : undefined
    },
    decide: ({ name, version: { uid } }, request, verdict) => seal(name, { request, verdict, uid }),
  }
}

/** Takes away what is over, which nobody needs, from time to time. */
function createTidy({ store, now }: ApprovalsOptions): () => Promise<void> {
  let tidiedAt = now()
  return async () => {
    if (now() - tidiedAt < tidyMilliseconds) return
    tidiedAt = now()
    for (const kept of await store.list()) {
      if (!(Date.parse(kept.deadline) > now() - skewMilliseconds)) await store.remove(kept)
    }
  }
}

/** Opens what is kept, and tells of what only others can open; that is none any more once nobody may need it. */
function createOpening(
  open: ReturnType<typeof createSealing>['open'],
  { now, log, metrics }: ApprovalsOptions,
): (kept: KeptApproval, secondsMax: number) => Approval | 'elsewhere' | undefined {
  let toldAt = Number.NEGATIVE_INFINITY
  return (kept, secondsMax) => {
    const opened = open(kept)
    if (opened !== 'elsewhere') return opened
    if (!mayBeNeeded(kept, now(), secondsMax)) return undefined
    metrics.count('countersign_gateway_approvals_elsewhere_total')
    if (now() - toldAt >= tellMilliseconds) {
      toldAt = now()
      log.warn({ approval: kept.name }, 'an approval is sealed with a key that is not here')
    }
    return 'elsewhere'
  }
}

/** The place of what is not there any more is given back; where that is not known, it is kept until its time is over. */
function givingBack(store: ApprovalStore, room: Windows): ApprovalStore {
  return {
    read: (name) => store.read(name),
    list: () => store.list(),
    replace: (kept, sealed) => store.replace(kept, sealed),
    async create(approval) {
      const isMade = await store.create(approval)
      if (!isMade) room.release(approval.name)
      return isMade
    },
    async remove(kept) {
      const isRemoved = await store.remove(kept)
      if (isRemoved) room.release(kept.name)
      return isRemoved
    },
  }
}

/** A call that nobody waits for yet; undefined: somebody has been faster. */
function createBeginning({
  store,
  room,
  ask,
  now,
}: Pick<ApprovalsOptions, 'store' | 'now'> & {
  readonly room: Windows
  readonly ask: ReturnType<typeof createSealing>['ask']
}): (name: string, wanted: Wanted) => Promise<Standing | undefined> {
  return async (name, { account, request, seconds }) => {
    const deadline = now() + seconds * 1000
    const whole = { ...request, nonce: newNonce(), askedAt: now(), deadline }
    const sealed = ask(name, whole)
    if (sealed === undefined) return { state: 'too long' }
    const place = room.find(name, seconds, account)
    if ('full' in place) return { state: 'full', full: place.full }
    place.count += 1
    const kept = { name, sealed, deadline: new Date(deadline).toISOString() }
    if (!(await store.create(kept))) return undefined
    const approval = { ticket: formatTicket(name, whole.nonce), request: whole, verdict: undefined }
    return { state: 'waiting', approval }
  }
}

/**
 * Approvals, each an object that all replicas see: asked for by its caller, approved or denied by somebody else, used by being taken
 * away, which one of all who try succeeds in. What they say is sealed with the handles' keys under their own name, so none can be written, changed
 * or put in another's place by who can write the objects.
 */
export function createApprovals(options: ApprovalsOptions): Approvals {
  const { now } = options
  const { ask, decide, ...sealing } = createSealing(options.seal)
  const open = createOpening(sealing.open, options)
  const room = createWindows({ ...options, windowsMax: waitingMax })
  const store = givingBack(options.store, room)
  const tidy = createTidy(options)
  const begin = createBeginning({ store, room, ask, now })

  const isOver = ({ request }: Approval): boolean => now() >= request.deadline
  /** Undefined: it is none that this call could wait for any more, and is taken away. */
  async function standingOf(kept: KeptApproval, wanted: Wanted): Promise<Standing | undefined> {
    // It may wait for as long as this call would: who writes more than that into the object holds nobody up.
    const approval = open(kept, wanted.seconds)
    // It is another replica's, which may be asked the next time.
    if (approval === 'elsewhere') return { state: 'elsewhere' }
    if (approval === undefined || isOver(approval) || !isMeant(approval, wanted)) {
      await store.remove(kept)
      return undefined
    }
    const { verdict } = approval
    if (verdict === undefined) return { state: 'waiting', approval }
    if (!verdict.approved) {
      room.release(kept.name)
      return { state: 'denied', approval }
    }
    const counts = await wanted.counts(approval)
    // Looked at again: asking takes a moment, in which its time may end.
    const isUsed = (await store.remove(kept)) && counts && !isOver(approval)
    return isUsed ? { state: 'used', approval } : undefined
  }

  return {
    goingOn: createGoingOn({ store: options.store, open, ask, decide, isOver }),
    async claim(wanted) {
      const name = nameOf(wanted.request.binding)
      for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
        const kept = await store.read(name)
        const standing =
          kept === undefined ? await begin(name, wanted) : await standingOf(kept, wanted)
        if (kept === undefined && standing?.state === 'waiting') await tidy().catch(() => {})
        if (standing !== undefined) return standing
      }
      throw new Error('approval is changed again and again')
    },
    async find(text) {
      const ticket = parseTicket(text)
      if (ticket === undefined) return undefined
      const kept = await store.read(ticket.name)
      const approval = kept && open(kept, approvalSecondsMax)
      if (approval === 'elsewhere') return 'elsewhere'
      if (kept === undefined || approval === undefined || isOver(approval)) return undefined
      const isThis = timingSafeEqual(Buffer.from(approval.request.nonce), Buffer.from(ticket.nonce))
      return isThis && approval.verdict === undefined ? { approval, kept } : undefined
    },
    async decide({ approval, kept }, verdict) {
      const sealed = decide(kept, approval.request, verdict)
      if (sealed === undefined) throw new Error('approval is too long to be kept')
      return store.replace(kept, sealed)
    },
    async waiting() {
      const all = (await store.list()).map((kept) => open(kept, approvalSecondsMax))
      const approvals = all.filter((each) => each !== undefined && each !== 'elsewhere')
      return {
        approvals: approvals.filter((each) => isAsked(each) && !isOver(each)),
        elsewhere: all.filter((each) => each === 'elsewhere').length,
      }
    },
  }
}
