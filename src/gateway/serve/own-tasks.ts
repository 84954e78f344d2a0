import type { Account, SharePercents } from '../../shares.ts'
import { Shelf, type Owned } from '../upstream/shelf.ts'

/** A task of the legacy era, as its owner has made it here or has shown it here since. */
export interface OwnTask {
  /** SPIFFE ID, pod UID and that of its claim. */
  readonly owner: string
  readonly account: Account
  readonly door: string
  /** SPIFFE ID of the tool server that has it. */
  readonly spiffeId: string
  readonly server: string
  readonly tool: string
  /** As that server knows it. */
  readonly taskId: string
  /** As its owner knows it. */
  readonly shown: string
  /** Milliseconds since the epoch; it is of no use from then on. */
  readonly until: number
}

export interface KnownTask extends OwnTask {
  /** Of two, the later one has the higher. */
  readonly number: number
}

/**
 * The tasks of callers that this process has heard of: what a server tells of a task by its own id is for who has that task, and the list
 * of a caller's tasks is of these. The id that a caller has proves itself wherever it is shown, so what is forgotten here costs it no task.
 */
export interface OwnTasks {
  note(task: OwnTask): void
  forget(task: OwnTask): void
  /** The one that a server means by its own id, if that is of this caller at this door. */
  find(of: Pick<OwnTask, 'owner' | 'door' | 'spiffeId' | 'taskId'>): KnownTask | undefined
  /** Those of a caller at a door, in the order in which they were heard of first. */
  listOf(of: Pick<OwnTask, 'owner' | 'door'>): readonly KnownTask[]
  /** The identity is over, or its pod: those that it had. */
  endOwner(owner: string): readonly KnownTask[]
}

interface Entry extends KnownTask, Owned {}

export function createOwnTasks({
  shares,
  now,
}: {
  readonly shares: SharePercents
  readonly now: () => number
}): OwnTasks {
  const shelf = new Shelf<Entry>(shares, () => {})
  let lastNumber = 0

  function findLiving(place: string): Entry | undefined {
    const entry = shelf.find(place)
    return entry !== undefined && now() < entry.until ? entry : undefined
  }
  return {
    note(task) {
      const place = placeOf(task)
      if (findLiving(place) !== undefined) return
      lastNumber += 1
      shelf.put({ ...task, place, wasUsed: true, number: lastNumber })
    },
    forget(task) {
      const place = placeOf(task)
      shelf.takeOf(task.owner, (entry) => entry.place === place)
    },
    find: (task) => findLiving(placeOf(task)),
    listOf({ owner, door }) {
      shelf.takeOf(owner, ({ until }) => now() >= until)
      const own = shelf.of(owner).filter((entry) => entry.door === door)
      return own.toSorted((one, other) => one.number - other.number)
    },
    endOwner: (owner) => shelf.takeOf(owner, () => true),
  }
}

function placeOf({
  owner,
  door,
  spiffeId,
  taskId,
}: Pick<OwnTask, 'owner' | 'door' | 'spiffeId' | 'taskId'>): string {
  return JSON.stringify([owner, door, spiffeId, taskId])
}
