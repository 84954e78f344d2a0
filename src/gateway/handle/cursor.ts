import type { Seal } from './seal.ts'

/** How far a caller has read the upstreams' lists: sealed, so that it is the caller's own and cannot be made up. */
export interface Position {
  /** SPIFFE ID, pod UID and that of its claim. */
  readonly owner: string
  readonly era: string
  readonly door: string
  /** The method of the list. */
  readonly list: string
  /** How many pages have been read. */
  readonly pages: number
  /** The cursors of the upstreams that have more, by server. */
  readonly cursors: Readonly<Record<string, string>>
}

/** Longer ones of upstreams are not carried, and so is what all of them together are beyond the other bound. */
const upstreamOctetsMax = 4096
const octetsMax = 16_384

export interface SealedCursor {
  /** The cursor to give the caller; undefined where no upstream has more that can be said. */
  readonly cursor: string | undefined
  /** The servers whose cursors did not fit, those with the longest first. */
  readonly without: readonly string[]
}

/** Seals as many of the upstreams' cursors as may be carried: one that is too long costs nobody but its own upstream the next page. */
export function sealCursor(seal: Seal, position: Position): SealedCursor {
  const carried: Record<string, string> = {}
  const without: string[] = []
  let left = octetsMax
  const bySize = Object.entries(position.cursors)
    .map(([server, cursor]) => ({ server, cursor, octets: octetsOf(cursor) }))
    .toSorted((one, other) => one.octets - other.octets)
  for (const { server, cursor, octets } of bySize) {
    left -= octets
    if (octets > upstreamOctetsMax || left < 0) without.unshift(server)
    else carried[server] = cursor
  }
  if (Object.keys(carried).length === 0) return { cursor: undefined, without }
  const { owner, ...rest } = position
  const cursor = seal.seal({ kind: 'cursor', owner }, { ...rest, cursors: carried })
  // Of very many upstreams the names alone may be too much.
  return { cursor, without: cursor === undefined ? Object.keys(position.cursors) : without }
}

function octetsOf(cursor: string): number {
  return Buffer.byteLength(JSON.stringify(cursor))
}

/** The position of a cursor; undefined when it is not this caller's, of this list in this era at this door. */
export function openCursor(
  seal: Seal,
  cursor: unknown,
  { owner, era, list, door }: Pick<Position, 'owner' | 'era' | 'list' | 'door'>,
): Position | undefined {
  if (typeof cursor !== 'string') return undefined
  const opened = seal.open({ kind: 'cursor', owner }, cursor)
  if (opened === undefined || 'ownedBy' in opened) return undefined
  const position = { ...(opened.value as Omit<Position, 'owner'>), owner }
  const isOf = position.era === era && position.list === list && position.door === door
  return isOf ? position : undefined
}
