import { isConflict } from '../../kubernetes/api-error.ts'
import type { Metadata } from '../../kubernetes/resource.ts'
import type { Journal } from '../../pki/authority-journal.ts'
import type { Pending, PendingStore } from '../../renewal/pending.ts'
import { readAuthority, writePending, type AuthoritySecretOptions } from './authority-secret.ts'
import { checkSeen, takenMeanwhile } from './rotate-authority.ts'

/**
 * The Secret as a place for what is asked, while it has the journal that was gone by: each write is over what was read, so of two replicas one
 * asks, and none while a CA is prepared already. Throws `pki/authority-step` where somebody else has written meanwhile.
 */
export function pendingIn(secret: AuthoritySecretOptions, seen: Journal): PendingStore {
  let read: Metadata | undefined
  let asked: Pending | undefined

  /** Whoever waited for the same answer may be the first to forget the request, and may have asked anew: to us it is an answer all the same. */
  async function forget(): Promise<void> {
    const { metadata, pending } = await readAuthority(secret)
    if (pending === undefined || pending.name !== asked?.name) return
    await writePending(metadata, undefined, secret).catch((error: unknown) => {
      if (!isConflict(error)) throw error
    })
  }
  return {
    async pending() {
      const { metadata, journal = [], pending } = await readAuthority(secret)
      checkSeen(seen, journal)
      read = metadata
      asked = pending
      return pending
    },
    async keepPending(pending) {
      if (pending === undefined) return forget()
      if (read === undefined) return
      try {
        read = await writePending(read, pending, secret)
      } catch (error) {
        if (isConflict(error)) throw takenMeanwhile()
        throw error
      }
      asked = pending
    },
  }
}
