/** Counts what rules have dropped, until the log has been told. */
export interface Dropped {
  /** One more, by the rules of a revision, at a time in milliseconds since the epoch. */
  add(revision: string, at: number): void
  /** Has it told, as far as there is room, and forgets what was. */
  tell(told: (members: DroppedMembers) => boolean): void
  readonly isEmpty: boolean
}

/** Whose rules have dropped how many, and when the first and the last of them. */
export interface DroppedMembers {
  readonly revision: string
  readonly events: number
  readonly from: number
  readonly until: number
}

/** Rules change while they drop: each revision stands for its own. */
export function createDropped(): Dropped {
  const byRevision = new Map<string, DroppedMembers>()
  return {
    get isEmpty() {
      return byRevision.size === 0
    },
    add(revision, at) {
      const { events, from } = byRevision.get(revision) ?? { events: 0, from: at }
      byRevision.set(revision, { revision, events: events + 1, from, until: at })
    },
    tell(told) {
      for (const [revision, members] of byRevision) {
        if (!told(members)) return
        byRevision.delete(revision)
      }
    },
  }
}
