/**
 * Runs so many at a time; the others wait in line. What one turn of the loop asks for begins at its end, all together: a thread that is
 * woken for each costs more than it signs, and nobody is told before the turn is over.
 */
export function createSigningTurns(most: number): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0
  let isDue = false
  const waiting: (() => void)[] = []
  function begin(): void {
    isDue = false
    while (running < most) {
      const next = waiting.shift()
      if (next === undefined) return
      running += 1
      next()
    }
  }
  function ended(): void {
    running -= 1
    begin()
  }
  return (work) =>
    new Promise((resolve, reject) => {
      waiting.push(() => void work().then(resolve, reject).then(ended))
      if (isDue) return
      isDue = true
      setImmediate(begin)
    })
}
