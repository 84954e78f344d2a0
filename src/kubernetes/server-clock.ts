/** Two clocks that are further apart make certificates that have not begun, and anchors that go too soon. */
const offSecondsMax = 60

/** What the answers of an API server say of the clock here. */
export interface ServerClock {
  /** An answer says when it was written, to the second, and came between two looks at the clock here. */
  note(answer: {
    readonly date: string | undefined
    readonly askedAt: number
    readonly answeredAt: number
  }): void
  /** Why the clock here is not to be gone by. */
  problem(): string | undefined
}

export function createServerClock(): ServerClock {
  let aheadSeconds = 0
  return {
    note({ date, askedAt, answeredAt }) {
      const at = Date.parse(date ?? '')
      if (!Number.isNaN(at)) aheadSeconds = secondsAhead(at, askedAt, answeredAt)
    },
    problem() {
      if (Math.abs(aheadSeconds) <= offSecondsMax) return undefined
      const got = formatAhead(aheadSeconds)
      return `the clock here is not that of the API server, want=within ${offSecondsMax} s got=${got}`
    },
  }
}

/** The least difference that explains an answer of that date. The header leaves the milliseconds out. */
function secondsAhead(at: number, askedAt: number, answeredAt: number): number {
  const ahead = askedAt - (at + 999)
  const behind = at - answeredAt
  return Math.round((ahead > 0 ? ahead : behind > 0 ? -behind : 0) / 1000)
}

function formatAhead(seconds: number): string {
  return seconds > 0 ? `${seconds} s ahead` : `${-seconds} s behind`
}
