import { timingSafeEqual } from 'node:crypto'
import {
  approvalSecondsMax,
  type Approval,
  type ApprovalRequest,
  type Verdict,
} from './approval.ts'
import type { ApprovalStore, KeptApproval } from './store.ts'
import {
  formatTicket,
  isSameBinding,
  nameOf,
  newNonce,
  parseTicket,
  type Binding,
} from './ticket.ts'

/*
 * An approved call whose tool server wants more of its caller goes on under the approval that it had: that is used up with the call, and in
 * its place another one is kept, good for what goes on with it, once.
 */

/** What a call that goes on has to be. */
export interface Going {
  readonly binding: Binding
  readonly rules: readonly string[]
  /** Whether the approval still counts at this moment. */
  readonly counts: (approval: Approval) => Promise<boolean>
}

export interface GoingOn {
  /** Keeps an approval that was used for what goes on with its call. Rejects where the store does. */
  keep(approval: Approval): Promise<string>
  /**
   * Keeps it for the very call, which its server has done nothing of and its client makes again with nothing to bring back. False: the same
   * call waits for another approval by now; rejects as `keep` does.
   */
  keepForAgain(approval: Approval): Promise<boolean>
  /**
   * Uses it, by what `keep` gave, or as it stands in this process, which uses it once; undefined: it is none of this call, or not any more.
   */
  use(kept: string | Approval, going: Going): Promise<Approval | 'elsewhere' | undefined>
}

export interface GoingOnOptions {
  readonly store: ApprovalStore
  readonly open: (kept: KeptApproval, secondsMax: number) => Approval | 'elsewhere' | undefined
  readonly ask: (name: string, request: ApprovalRequest) => string | undefined
  readonly decide: (
    kept: KeptApproval,
    request: ApprovalRequest,
    verdict: Verdict,
  ) => string | undefined
  readonly isOver: (approval: Approval) => boolean
}

/** What its caller answers, and brings back, is other octets each time: the sealed state says that they are of it. */
function withoutInput(binding: Binding): Binding {
  return { ...binding, inputResponsesSha256: undefined, requestStateSha256: undefined }
}

/** Puts a used approval there once more, with its verdict. False: there is one of that name. */
function createPut({
  store,
  open,
  ask,
  decide,
}: Omit<GoingOnOptions, 'isOver'>): (
  name: string,
  request: ApprovalRequest,
  verdict: Verdict | undefined,
) => Promise<boolean> {
  /** Best effort: what stays is good for nothing, and is tidied away after its time. */
  async function takeAway(name: string, nonce: string): Promise<void> {
    const left = await store.read(name).catch(() => {})
    const found = left && open(left, approvalSecondsMax)
    // What waits in its place meanwhile is another one.
    const isOurs = typeof found === 'object' && found.request.nonce === nonce
    if (left !== undefined && isOurs) await store.remove(left).catch(() => false)
  }
  return async (name, request, verdict) => {
    const sealed = ask(name, request)
    const deadline = new Date(request.deadline).toISOString()
    if (sealed === undefined) throw new Error('approval of a call that goes on is too long')
    let isMade = true
    try {
      isMade = await store.create({ name, sealed, deadline })
      if (!isMade) return false
      const kept = await store.read(name)
      // A verdict is good for the very object that it is in, which there has to be first.
      const decided = kept && verdict && decide(kept, request, verdict)
      const isDecided = kept && decided !== undefined && (await store.replace(kept, decided))
      if (isDecided !== true) throw new Error('approval of a call that goes on is not kept')
    } catch (error) {
      if (isMade) await takeAway(name, request.nonce)
      throw error
    }
    return true
  }
}

export function createGoingOn({ store, open, ask, decide, isOver }: GoingOnOptions): GoingOn {
  async function isUsable(approval: Approval, { binding, rules, counts }: Going): Promise<boolean> {
    const { request } = approval
    return (
      isSameBinding(withoutInput(request.binding), withoutInput(binding)) &&
      request.rules.join() === rules.join() &&
      !isOver(approval) &&
      (await counts(approval))
    )
  }
  const put = createPut({ store, open, ask, decide })
  return {
    async keep({ ticket, request: first, verdict }) {
      const nonce = newNonce()
      // No call has this name, so nobody finds it but by its ticket.
      const name = nameOf({ ...first.binding, requestStateSha256: nonce })
      const request = { ...first, binding: withoutInput(first.binding), nonce, first: ticket }
      if (!(await put(name, request, verdict)))
        throw new Error('approval of a call that goes on is not kept')
      return formatTicket(name, nonce)
    },
    keepForAgain({ ticket, request: first, verdict }) {
      const nonce = newNonce()
      const name = nameOf(first.binding)
      const pageRounds = (first.pageRounds ?? 0) + 1
      const request = { ...first, nonce, first: ticket, pageRounds }
      return put(name, request, verdict)
    },
    async use(kept, going) {
      if (typeof kept !== 'string') {
        const isUsed = (await isUsable(kept, going)) && !isOver(kept)
        return isUsed ? kept : undefined
      }
      const ticket = parseTicket(kept)
      const found = ticket && (await store.read(ticket.name))
      const approval = found && open(found, approvalSecondsMax)
      if (approval === 'elsewhere') return 'elsewhere'
      if (ticket === undefined || found === undefined || approval === undefined) return undefined
      const { nonce } = approval.request
      if (!timingSafeEqual(Buffer.from(nonce), Buffer.from(ticket.nonce))) return undefined
      if (!(await isUsable(approval, going))) return undefined
      // Of several who try, one takes it away. Looked at again: asking takes a moment, in which its time may end.
      return (await store.remove(found)) && !isOver(approval) ? approval : undefined
    },
  }
}
