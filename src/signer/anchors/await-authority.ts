import { createListeners } from '../../listeners.ts'
import { CountersignError } from '../../errors.ts'
import { realDelay, type Delay } from '../../kubernetes/backoff.ts'
import type { Log } from '../../log.ts'
import type { AuthoritySource } from '../../pki/authority.ts'
import { untilAnswered } from '../until-answered.ts'

/** An authority that is opened as soon as that can be done. Until then it is unavailable, and says why. */
export function awaitAuthority(
  open: () => Promise<AuthoritySource & Partial<AsyncDisposable>>,
  options: { readonly log: Log; readonly delay?: Delay },
): AuthoritySource & AsyncDisposable {
  const { log, delay = realDelay } = options
  const closing = new AbortController()
  const { signal } = closing
  const listeners = createListeners()
  let source: (AuthoritySource & Partial<AsyncDisposable>) | undefined
  let why = 'authority is not read yet'
  const told = (problem: string): void => {
    why = problem
  }
  const done = untilAnswered(open, { signal, log, delay, told }).then(
    (found) => {
      if (found === undefined) return
      source = found
      found.onChange(listeners.tell)
      listeners.tell()
    },
    (error: unknown) => {
      why = 'authority cannot be read'
      log.error({ error }, why)
    },
  )
  const opened = (): AuthoritySource => {
    if (source !== undefined) return source
    throw new CountersignError('pki/authority-unavailable', why)
  }
  return {
    current: () => opened().current(),
    anchors: () => opened().anchors(),
    get rotation() {
      return source?.rotation
    },
    get problem() {
      return source?.problem
    },
    onChange: listeners.onChange,
    async [Symbol.asyncDispose]() {
      closing.abort()
      await done
      await source?.[Symbol.asyncDispose]?.()
    },
  }
}
