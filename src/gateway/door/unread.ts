import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'

/** What is looked at of a connection. */
export type Written = Pick<Socket, 'writableLength' | 'bytesWritten' | 'destroy' | 'once'>

export interface UnreadOptions {
  /** So long octets may wait of which the other end takes next to nothing. */
  readonly unreadMilliseconds: number
  readonly checkMilliseconds: number
  /** Milliseconds of a clock that only goes forward. */
  readonly now?: () => number
}

/** Who takes less than this in the time that is given has as good as stopped reading. */
const takenOctetsMin = 64 * 1024

interface Reading {
  /** Since when something waits without enough of it being taken; undefined while nothing waits. */
  since: number | undefined
  /** What had been taken then. */
  taken: number
}

/**
 * Ends connections whose other end does not read: whatever waits for it, small answers one behind the other or a stream, is memory of ours.
 * Neither has a time-out of Node's own. One look at all of them costs less than a timer for each answer. Returns what ends the looking.
 */
export function endUnread(
  server: Pick<EventEmitter, 'on'>,
  { unreadMilliseconds, checkMilliseconds, now = () => performance.now() }: UnreadOptions,
): () => void {
  const readings = new Map<Written, Reading>()
  server.on('secureConnection', (socket: Written) => {
    readings.set(socket, { since: undefined, taken: 0 })
    socket.once('close', () => readings.delete(socket))
  })
  function look(): void {
    const at = now()
    for (const [socket, reading] of readings) {
      // What is written and does not wait any more, the other end's kernel has, or ours.
      const taken = socket.bytesWritten - socket.writableLength
      if (socket.writableLength === 0) reading.since = undefined
      else if (reading.since === undefined || taken - reading.taken >= takenOctetsMin) {
        reading.since = at
        reading.taken = taken
      } else if (at - reading.since >= unreadMilliseconds) socket.destroy()
    }
  }
  const timer = setInterval(look, checkMilliseconds).unref()
  return () => clearInterval(timer)
}
