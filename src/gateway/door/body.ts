import type { IncomingMessage, ServerResponse } from 'node:http'
import { Gathered } from '../../mcp/gathered.ts'
import { readableId } from '../../mcp/readable-id.ts'
import { createSkeleton, type Skeleton } from '../../mcp/skeleton.ts'
import { badRequest, noRoom, refused, type Refused } from '../refusal.ts'
import type { BodyRoom, Full } from '../../shares.ts'
import type { Stay } from '../stay.ts'

/** Of a body that is too large so much is passed over that its connection stays in use, in times of what may be read. */
const passedTimes = 4

export interface BodyBounds {
  readonly bytesMax: number
  /** What all bodies together may take of memory, as far as it is there for this caller. */
  readonly room: BodyRoom
  readonly stay: Stay
}

/**
 * Reads the body, bounded before anything of it is parsed. What is too large is passed over for its id and its end, so that its sender
 * is told in its turn; what is larger than that by far, or has no room, is not read to its end, and the connection closes.
 */
export function readBody(
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
  { bytesMax, room, stay }: BodyBounds,
): Promise<Buffer | Refused> {
  const passedMax = bytesMax * passedTimes
  const declared = Number(request.headers['content-length'] ?? 0)
  // Whoever has gone away while it was looked who that is takes nothing.
  if (declared > passedMax || response.closed) {
    return Promise.resolve(tooLarge(bytesMax, { close: true }))
  }
  const hold = createHold(stay, room)
  // All at once where it is said before: a body that is large for its share passes while nothing else of its sender is there.
  const full = hold(Math.min(declared, bytesMax))
  if (full !== undefined) return Promise.resolve(noRoomFor(full))
  return new Promise((resolve) => {
    const body = new Gathered({ octets: Math.min(declared, bytesMax), octetsMax: bytesMax })
    /** Of what is too large. */
    let skeleton: Skeleton | undefined
    let length = 0
    let isOver = false
    function settle(read: Buffer | Refused): void {
      isOver = true
      resolve(read)
    }
    function stop(refusal: Refused): void {
      body.clear()
      request.pause()
      settle(refusal)
    }
    function passOver(chunk: Buffer): void {
      skeleton ??= createSkeleton()
      skeleton.push(body.whole())
      body.clear()
      skeleton.push(chunk)
      if (length > passedMax) stop(tooLarge(bytesMax, { close: true }))
    }
    request.on('data', (chunk: Buffer) => {
      if (isOver || response.closed) return
      length += chunk.length
      if (length > bytesMax) {
        passOver(chunk)
        return
      }
      const more = hold(body.capacityWith(chunk))
      if (more === undefined) body.push(chunk)
      else stop(noRoomFor(more))
    })
    request.on('end', () => {
      settle(skeleton === undefined ? body.whole() : tooLarge(bytesMax, idOf(skeleton.text())))
    })
    // The caller went away: nobody is left to be told anything.
    const gone = (): void => {
      if (!isOver) settle(tooLarge(bytesMax, { close: true }))
    }
    request.on('error', gone).on('close', gone)
  })
}

/** Takes room up to so many octets in all, and gives it back when the request has ended: so long the message is kept. */
function createHold(stay: Stay, room: BodyRoom): (octets: number) => Full | undefined {
  let held = 0
  stay.atEnd(() => room.give(held))
  return (octets) => {
    if (octets <= held) return undefined
    const full = room.take(octets - held)
    if (full === undefined) held = octets
    return full
  }
}

function idOf(text: Buffer | undefined): { readonly rawId?: string } {
  const rawId = text === undefined ? undefined : readableId(text)
  return rawId === undefined ? {} : { rawId }
}

function tooLarge(
  bytesMax: number,
  more: { readonly close?: true; readonly rawId?: string },
): Refused {
  const refusal = badRequest(413, `body is too large, want=..${bytesMax} octets`)
  return refused('body', { ...refusal, ...more })
}

function noRoomFor(full: Full): Refused {
  return refused('body', { ...noRoom('octets of open requests', full), close: true })
}
