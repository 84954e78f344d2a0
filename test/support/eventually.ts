import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'

/** Waits until the condition holds; names it when it does not within `timeoutSeconds`. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  timeoutSeconds = 5,
): Promise<void> {
  const deadline = performance.now() + timeoutSeconds * 1000
  while (!(await holds())) {
    if (performance.now() > deadline) assert.fail(`${what}: not within ${timeoutSeconds} s`)
    await delay(2)
  }
}
