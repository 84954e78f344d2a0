/** Which pod a public key was issued to. A key that moves to another pod was copied: that is refused. */
export interface KeyHistory {
  /** The UID of the pod that holds the key, undefined for a key never seen. */
  ownerOf(spkiSha256: string): string | undefined
  /** The UID of the request that it was issued to first; empty where that was a kubelet's, which may ask twice. */
  requestOf(spkiSha256: string): string | undefined
  /** Remembers the key until so many milliseconds of the clock; the first pod and the first request to hold it keep it. */
  remember(spkiSha256: string, holder: KeyHolder, until: number): void
}

export interface KeyHolder {
  readonly podUid: string
  /** Empty of a kubelet's. */
  readonly requestUid: string
}

/**
 * A large cluster certifies half a million keys a day, and each replica remembers those of all: so a key takes some fifty octets here, where objects
 * in a map would take three hundred. Open addressing, linear probing; what has expired is dropped when the table is full.
 */
interface Table {
  readonly slots: number
  /** Four words of each key's hash: 128 bits, which nobody can find twice. */
  readonly words: Uint32Array
  /** Where the holder's UID stands in `pods`. */
  readonly holders: Uint32Array
  /** 0 where the slot is free. */
  readonly untils: Float64Array
  readonly pods: string[]
  readonly podIndexes: Map<string, number>
  taken: number
}

const slotsMin = 1024
const wordsEach = 4

export function createKeyHistory(now: () => number): KeyHistory {
  let table = emptyTable(slotsMin)
  /** By the key, of what pods have asked by themselves: few, as their pace is bound. */
  const requests = new Map<string, string>()
  const living = (spkiSha256: string): number | undefined => {
    const slot = slotOf(table, wordsOf(spkiSha256))
    return isLiving(table.untils[slot], now()) ? slot : undefined
  }
  const ownerAt = (slot: number): string | undefined => table.pods[table.holders[slot] ?? 0]
  return {
    ownerOf(spkiSha256) {
      const slot = living(spkiSha256)
      return slot === undefined ? undefined : ownerAt(slot)
    },
    requestOf: (spkiSha256) =>
      living(spkiSha256) === undefined ? undefined : (requests.get(spkiSha256) ?? ''),
    remember(spkiSha256, { podUid, requestUid }, until) {
      const held = living(spkiSha256)
      if (held !== undefined) {
        if (ownerAt(held) === podUid) {
          table.untils[held] = Math.max(until, table.untils[held] ?? 0)
        }
        return
      }
      if (until < now()) return
      if (table.taken >= table.slots * 0.75) {
        table = rebuilt(table, now())
        for (const key of requests.keys()) if (living(key) === undefined) requests.delete(key)
      }
      put(table, wordsOf(spkiSha256), { podUid, until })
      if (requestUid === '') requests.delete(spkiSha256)
      else requests.set(spkiSha256, requestUid)
    },
  }
}

function emptyTable(slots: number): Table {
  return {
    slots,
    words: new Uint32Array(slots * wordsEach),
    holders: new Uint32Array(slots),
    untils: new Float64Array(slots),
    pods: [],
    podIndexes: new Map(),
    taken: 0,
  }
}

function isLiving(until = 0, now: number): boolean {
  return until !== 0 && until >= now
}

function wordsOf(spkiSha256: string): readonly number[] {
  return [0, 8, 16, 24].map((at) => Number.parseInt(spkiSha256.slice(at, at + 8), 16) >>> 0)
}

/** Where the key stands, or would. There is always a free slot. */
function slotOf({ slots, words, untils }: Table, wanted: readonly number[]): number {
  let slot = (wanted[0] ?? 0) % slots
  const isOther = (): boolean =>
    untils[slot] !== 0 && wanted.some((word, at) => words[slot * wordsEach + at] !== word)
  while (isOther()) slot = (slot + 1) % slots
  return slot
}

function put(
  table: Table,
  wanted: readonly number[],
  { podUid, until }: { readonly podUid: string; readonly until: number },
): void {
  const { words, holders, untils, pods, podIndexes } = table
  const slot = slotOf(table, wanted)
  if (untils[slot] === 0) table.taken += 1
  const known = podIndexes.get(podUid)
  const index = known ?? pods.push(podUid) - 1
  podIndexes.set(podUid, index)
  words.set(wanted, slot * wordsEach)
  holders[slot] = index
  untils[slot] = until
}

/** The keys that are still remembered, with as much room again. */
function rebuilt(table: Table, now: number): Table {
  const { slots, words, holders, untils, pods } = table
  const count = untils.reduce((sum, until) => (isLiving(until, now) ? sum + 1 : sum), 0)
  let room = slotsMin
  while (room < count * 2) room *= 2
  const next = emptyTable(room)
  for (let slot = 0; slot < slots; slot += 1) {
    const until = untils[slot] ?? 0
    if (!isLiving(until, now)) continue
    const key = [...words.subarray(slot * wordsEach, (slot + 1) * wordsEach)]
    put(next, key, { podUid: pods[holders[slot] ?? 0] ?? '', until })
  }
  return next
}
