import type { Place } from './member-names.ts'

/** Where a value stands in the body: octets [start, end). */
export interface Span {
  readonly start: number
  readonly end: number
}

/** The members that a gateway splices or hashes; one that the body lacks is absent here too. */
export interface Offsets {
  readonly method?: Span
  readonly id?: Span
  readonly params?: Span
  /** `params.name` */
  readonly name?: Span
  /** `params.arguments` */
  readonly arguments?: Span
  /** `params._meta` */
  readonly meta?: Span
  /** `params.uri` */
  readonly uri?: Span
  /** `params.ref.name` and `params.ref.uri` */
  readonly refName?: Span
  readonly refUri?: Span
  /** `params.inputResponses` */
  readonly inputResponses?: Span
  /** `params.requestState` */
  readonly requestState?: Span
  /** `params.taskId` */
  readonly taskId?: Span
  /** `params.cursor` */
  readonly cursor?: Span
  /** `params.protocolVersion` */
  readonly protocolVersion?: Span
  readonly result?: Span
}

/** A value that is a member of the protocol's own objects is `own`; what stands in it is elsewhere. */
export type Level = Place | 'own' | 'elsewhere' | 'unread'

/** The members whose places are kept, by where they stand. */
const marks: Readonly<Record<'message' | 'params' | 'ref', ReadonlyMap<string, keyof Offsets>>> = {
  message: new Map([
    ['method', 'method'],
    ['id', 'id'],
    ['params', 'params'],
    ['result', 'result'],
  ]),
  params: new Map([
    ['_meta', 'meta'],
    ['name', 'name'],
    ['uri', 'uri'],
    ['taskId', 'taskId'],
    ['arguments', 'arguments'],
    ['inputResponses', 'inputResponses'],
    ['requestState', 'requestState'],
    ['cursor', 'cursor'],
    ['protocolVersion', 'protocolVersion'],
  ]),
  ref: new Map([
    ['name', 'refName'],
    ['uri', 'refUri'],
  ]),
}

/** Under which name the place of a member is kept, if it is. */
export function markOf(level: Level, name: string): keyof Offsets | undefined {
  return level === 'message' || level === 'params' || level === 'ref'
    ? marks[level].get(name)
    : undefined
}

/** Where the value of a member stands. */
export function levelBelow(level: Level, name: string): Level {
  if (level === 'message') {
    return name === 'params' || name === 'result' || name === 'error' ? name : 'own'
  }
  if (level === 'params') {
    if (name === '_meta') return 'meta'
    const isRead =
      name === 'arguments' || name === 'ref' || name === 'argument' || name === 'context'
    return isRead ? name : 'own'
  }
  if (level === 'ask') return name === 'params' ? 'asked' : 'own'
  // At any depth: whatever a rule asks for, it is asked of one value.
  if (level === 'arguments') return level
  if (level === 'context' && name === 'arguments') return name
  return level === 'meta' || level === 'ref' || level === 'argument' ? 'own' : 'elsewhere'
}
