import { createShares, type Account, type Full, type SharePercents } from '../shares.ts'

/** So much time, in which so many calls were counted. It begins with the first, so that not everybody's ends at the same moment. */
export interface Window {
  readonly startedAt: number
  count: number
  /** On whose account it is kept. */
  readonly account: Account
}

/** Fixed windows, by what is counted in them. */
export interface Windows {
  /** The window of this length that counts for the key now; a new one where there is room for it on this account. */
  find(key: string, seconds: number, account: Account): Window | { readonly full: Full }
  /** Takes one from what is counted for the key. A window in which nothing is left has ended. */
  release(key: string): void
  /** How many there are at this moment. */
  readonly size: number
}

export interface WindowsOptions extends SharePercents {
  /** Of all callers together. */
  readonly windowsMax: number
  readonly now: () => number
}

/**
 * A window that has not ended is never forgotten, because whoever could make others forget theirs would have no limit: where there is
 * no room for a new one there is none. The room is shared as everything else is: who uses ever new tools or identities takes it from
 * themselves.
 */
export function createWindows(options: WindowsOptions): Windows {
  const { windowsMax, now } = options
  const room = createShares(windowsMax, options)
  /** By their length, each oldest first: of one length who begins first ends first. */
  const bySeconds = new Map<number, Map<string, Window>>()

  /** A clock that was put back ends a window too: else nobody could say when it ends. */
  function isOver({ startedAt }: Window, seconds: number, at: number): boolean {
    return at >= startedAt + seconds * 1000 || at < startedAt
  }
  function forgetEnded(seconds: number, windows: Map<string, Window>, at: number): void {
    for (const [key, window] of windows) {
      if (!isOver(window, seconds, at)) return
      windows.delete(key)
      room.give(window.account)
    }
  }
  function forgetAllEnded(at: number): void {
    for (const [seconds, windows] of bySeconds) {
      forgetEnded(seconds, windows, at)
      if (windows.size === 0) bySeconds.delete(seconds)
    }
  }
  function current(key: string, seconds: number, at: number): Window | undefined {
    const windows = bySeconds.get(seconds)
    if (windows === undefined) return undefined
    forgetEnded(seconds, windows, at)
    return windows.get(key)
  }
  function keep(key: string, seconds: number, window: Window): Window {
    const windows = bySeconds.get(seconds) ?? new Map<string, Window>()
    bySeconds.set(seconds, windows.set(key, window))
    return window
  }
  return {
    find(key, seconds, account) {
      const at = now()
      const known = current(key, seconds, at)
      if (known !== undefined) return known
      if (room.full(account) !== undefined) forgetAllEnded(at)
      const full = room.take(account)
      return full === undefined
        ? keep(key, seconds, { startedAt: at, count: 0, account })
        : { full }
    },
    release(key) {
      for (const windows of bySeconds.values()) {
        const window = windows.get(key)
        if (window === undefined) continue
        window.count -= 1
        if (window.count > 0) continue
        windows.delete(key)
        room.give(window.account)
      }
    },
    get size() {
      forgetAllEnded(now())
      let size = 0
      for (const windows of bySeconds.values()) size += windows.size
      return size
    },
  }
}
