/** Many changes of one moment are one change: a rollout deletes hundreds of pods at once. */
export function coalesce(work: () => void): () => void {
  let due = false
  return () => {
    if (due) return
    due = true
    setImmediate(() => {
      due = false
      work()
    })
  }
}

/** The first change is told at once; those that follow within so many milliseconds are told together at their end. */
export function spaced(work: () => void, milliseconds: number): () => void {
  let timer: NodeJS.Timeout | undefined
  let due = false
  function tell(): void {
    if (timer !== undefined) {
      due = true
      return
    }
    timer = setTimeout(end, milliseconds).unref()
    work()
  }
  function end(): void {
    timer = undefined
    if (!due) return
    due = false
    tell()
  }
  return tell
}
