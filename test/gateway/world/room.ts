import type { OctetRoom } from '../../../src/shares.ts'

/** Room for so many octets, and what is left of it. */
export function roomFor(octets: number): OctetRoom & { left: number } {
  return {
    left: octets,
    take(more) {
      if (more > this.left) return 'gateway'
      this.left -= more
      return undefined
    },
    give(back) {
      this.left += back
    },
  }
}

export const boundless: OctetRoom = { take: () => undefined, give: () => {} }
