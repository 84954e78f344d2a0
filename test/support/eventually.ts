import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'

/** Waits until the condition holds; names it when that takes so long that even a busy machine would have been through. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  timeoutSeconds = 60,
): Promise<void> {
  const deadline = performance.now() + timeoutSeconds * 1000
  while (!(await holds())) {
    if (performance.now() > deadline) assert.fail(`${what}: not within ${timeoutSeconds} s`)
    await delay(2)
  }
}
