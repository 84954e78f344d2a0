import { hkdfSync, randomBytes } from 'node:crypto'
import { CountersignError } from '../../errors.ts'

/** A key that handles are sealed with. */
export interface HandleKey {
  /** Follows from the key alone and tells nothing of it: it stands in every handle. */
  readonly id: string
  readonly octets: Buffer
}

/** The keys at this moment. Every one of them opens what it has sealed. */
export interface HandleKeys {
  readonly sealing: HandleKey
  find(id: string): HandleKey | undefined
}

export interface HandleKeySource {
  current(): HandleKeys
}

/** A key, and since when it is here. */
export interface PlacedKey {
  readonly key: HandleKey
  /** Milliseconds since the epoch. */
  readonly since: number
}

export const handleKeyBytes = 32
/**
 * How long a new key waits until it seals. kubelet gives a changed Secret to its pods within its sync period and the age of its cache,
 * a minute each: until then other replicas could not open what this one would seal.
 */
export const settleMilliseconds = 180_000

/** Throws `gateway/handle-key` for a key of another length. */
export function createHandleKey(octets: Buffer): HandleKey {
  if (octets.length !== handleKeyBytes) {
    throw new CountersignError(
      'gateway/handle-key',
      `handle key is of the wrong length, want=${handleKeyBytes} octets got=${octets.length}`,
    )
  }
  const id = hkdfSync('sha256', octets, '', 'countersign handle key id', 4)
  return { id: Buffer.from(id).toString('hex'), octets }
}

/**
 * Keys in their order, the newest last. The newest that has been here long enough seals: it is everywhere. Where none has, the oldest
 * does: it was the first to come.
 */
export function orderHandleKeys(
  placed: readonly [PlacedKey, ...PlacedKey[]],
  now: () => number,
): HandleKeySource {
  const byId = new Map(placed.map(({ key }) => [key.id, key]))
  const find = (id: string): HandleKey | undefined => byId.get(id)
  return {
    current() {
      const settled = placed.findLast(({ since }) => now() - since >= settleMilliseconds)
      return { sealing: (settled ?? placed[0]).key, find }
    },
  }
}

/** One key, of nobody else's knowledge unless it is given: what it seals ends with it. */
export function oneHandleKey(octets: Buffer = randomBytes(handleKeyBytes)): HandleKeySource {
  return orderHandleKeys([{ key: createHandleKey(octets), since: 0 }], () => 0)
}
