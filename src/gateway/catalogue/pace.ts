import type { Soon } from '../soon.ts'
import { turnOctetsMax } from '../turns.ts'

/** What is shorter takes no less time. */
const textOctetsMin = 128

/** Asked before each of many texts is read: waits for a turn of the loop where this one has read its part. */
export function createPace(takeTurn: () => Soon<void>): (octets: number) => Soon<void> {
  let left = 0
  return (octets) => {
    const turn = left > 0 ? undefined : takeTurn()
    if (left <= 0) left = turnOctetsMax
    left -= Math.max(octets, textOctetsMin)
    return turn
  }
}
