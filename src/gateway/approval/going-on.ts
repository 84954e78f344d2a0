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
  /** Best effort: what stays is good for nothing, and is tidied away after its time. */
  async function takeAway(name: string): Promise<void> {
    const left = await store.read(name).catch(() => {})
    if (left !== undefined) await store.remove(left).catch(() => false)
  }
  return {
    async keep({ ticket, request: first, verdict }) {
      const nonce = newNonce()
      // No call has this name, so nobody finds it but by its ticket.
      const name = nameOf({ ...first.binding, requestStateSha256: nonce })
      const request = { ...first, binding: withoutInput(first.binding), nonce, first: ticket }
      const sealed = ask(name, request)
      const deadline = new Date(request.deadline).toISOString()
      if (sealed === undefined) throw new Error('approval of a call that goes on is too long')
      try {
        const isKept = await store.create({ name, sealed, deadline })
        const kept = isKept ? await store.read(name) : undefined
        // A verdict is good for the very object that it is in, which there has to be first.
        const decided = kept && verdict && decide(kept, request, verdict)
        const isDecided = kept && decided !== undefined && (await store.replace(kept, decided))
        if (isDecided !== true) throw new Error('approval of a call that goes on is not kept')
      } catch (error) {
        await takeAway(name)
        throw error
      }
      return formatTicket(name, nonce)
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
