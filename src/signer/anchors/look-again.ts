import type { Delay } from '../../kubernetes/backoff.ts'

/**
 * Looks at what is due, and again after as many milliseconds as a look has given, until the signal aborts. It waits for no look then: what is
 * under way has happened or has not, and the next start reads which.
 */
export async function lookAgain(
  look: () => Promise<number>,
  { delay, signal }: { readonly delay: Delay; readonly signal: AbortSignal },
): Promise<void> {
  const ended = new Promise<number>((resolve) =>
    signal.addEventListener('abort', () => resolve(0), { once: true }),
  )
  while (!signal.aborted) {
    const milliseconds = await Promise.race([look(), ended])
    await delay(milliseconds, signal).catch(() => {})
  }
}
