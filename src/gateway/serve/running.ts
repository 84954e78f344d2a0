import type { Call } from '../call.ts'

/** What legacy clients may cancel here, because their server is told by the end of its request and not by a message. */
export interface Running {
  /** From now on `cancel` ends this call; what is given forgets it. */
  begin(call: Call, cancel: () => void): () => void
  /** Ends the call that a `notifications/cancelled` of the same session names, if it runs in this process. */
  cancel(call: Call): void
}

export function createRunning(): Running {
  const running = new Map<string, () => void>()
  return {
    begin({ session, message }, cancel) {
      const id = message.kind === 'request' ? message.id.value : undefined
      const key = keyOf(session, id)
      if (key === undefined) return () => {}
      running.set(key, cancel)
      return () => {
        if (running.get(key) === cancel) running.delete(key)
      }
    },
    cancel({ session, message }) {
      const key = keyOf(session, message.params['requestId'])
      if (key !== undefined) running.get(key)?.()
    },
  }
}

/** A session is of one caller, and so is what runs in it. A number is no text that is written alike. */
function keyOf(session: Call['session'], id: unknown): string | undefined {
  if (session === undefined) return undefined
  if (typeof id !== 'string' && typeof id !== 'number') return undefined
  return `${session.key} ${typeof id} ${id}`
}
