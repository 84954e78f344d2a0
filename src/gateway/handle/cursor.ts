import type { Seal } from './seal.ts'

/** How far a caller has read the upstreams' lists: sealed, so that it is the caller's own and cannot be made up. */
export interface Position {
  /** SPIFFE ID and pod UID. */
  readonly owner: string
  readonly era: string
  /** The cursors of the upstreams that have more, by server. */
  readonly cursors: Readonly<Record<string, string>>
}

const purpose = 'countersign/cursor/1'

export function sealCursor(seal: Seal, position: Position): string {
  return seal.seal(purpose, position)
}

/** The position of a cursor; undefined when it is not this caller's, in this era. */
export function openCursor(
  seal: Seal,
  cursor: unknown,
  { owner, era }: Pick<Position, 'owner' | 'era'>,
): Position | undefined {
  if (typeof cursor !== 'string') return undefined
  const position = seal.open(purpose, cursor) as Position | undefined
  return position?.owner === owner && position.era === era ? position : undefined
}
