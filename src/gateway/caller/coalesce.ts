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
