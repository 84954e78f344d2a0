import type { Seal } from './seal.ts'

/** A place in the stream of a request, as the id of an event: whoever holds it may ask for the rest as what the request asked for. */
export interface Place {
  /** Of the session that the request is in, which is of one door. */
  readonly key: string
  /** SPIFFE ID of the tool server. */
  readonly spiffeId: string
  /** Its own id of the session. */
  readonly there: string
  /** Its own id of the event. */
  readonly lastEventId: string
  /** The request, in the octets of its caller: it is decided on again. */
  readonly body: string
  /** Milliseconds since the epoch; it is of no use from then on. */
  readonly until: number
}

/** Of the requests that a place is sealed for: with more it would not fit a header. */
export const placeBodyOctetsMax = 1536

/** What the caller is given in place of a server's id of an event; undefined: it is too long. */
export function sealPlace(seal: Seal, owner: string, place: Place): string | undefined {
  return seal.seal({ kind: 'place', owner }, place)
}

interface Shown extends Pick<Place, 'key'> {
  readonly owner: string
  readonly now: number
}

/** Undefined for whatever was not given to this very caller, in this session, or is too old. */
export function openPlace(
  seal: Seal,
  { owner, key, now }: Shown,
  shown: string,
): Place | undefined {
  const opened = seal.open({ kind: 'place', owner }, shown)
  if (opened === undefined || 'ownedBy' in opened) return undefined
  const place = opened.value as Place
  return place.key === key && now < place.until ? place : undefined
}
