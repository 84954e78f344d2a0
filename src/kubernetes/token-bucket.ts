/** So many at once, then so many a second. Gives what takes one, and says whether there was one. */
export function createTokenBucket(options: {
  readonly tokensMax: number
  readonly tokensPerSecond: number
  /** Milliseconds of a clock that only goes forward. */
  readonly clock: () => number
}): () => boolean {
  const { tokensMax, tokensPerSecond, clock } = options
  let tokens = tokensMax
  let filledAt = clock()
  return () => {
    const now = clock()
    tokens = Math.min(tokensMax, tokens + ((now - filledAt) / 1000) * tokensPerSecond)
    filledAt = now
    if (tokens < 1) return false
    tokens -= 1
    return true
  }
}
