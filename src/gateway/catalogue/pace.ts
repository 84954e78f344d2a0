import type { Soon } from '../soon.ts'
import { turnOctetsMax } from '../turns.ts'

/** What is shorter takes no less time. */
const textOctetsMin = 128

/**
 * Asked before each of many texts is read: waits for a turn of the loop where this one has read its part. What is told of all of them
 * together, where it is known, takes no more of the last turn than they have.
 */
export function createPace(
  takeTurn: (octets: number) => Soon<void>,
  texts: readonly number[] = [],
): (octets: number) => Soon<void> {
  let rest = texts.length === 0 ? Infinity : texts.reduce((sum, each) => sum + sizeOf(each), 0)
  let left = 0
  return (octets) => {
    const size = sizeOf(octets)
    const turn = left > 0 ? undefined : takeTurn(Math.min(rest, turnOctetsMax))
    if (left <= 0) left = turnOctetsMax
    left -= size
    rest -= size
    return turn
  }
}

function sizeOf(octets: number): number {
  return Math.max(octets, textOctetsMin)
}
