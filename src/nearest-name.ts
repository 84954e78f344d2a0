/** Beyond this many edits a name is another one, not a slip of the fingers; a short name is soon another. */
const editsMax = 4
const editsMin = 2

const charactersMax = 80

/** The candidate that was meant: the one that takes the fewest edits, whatever the case; undefined where none is near. */
export function nearestName(name: string, candidates: readonly string[]): string | undefined {
  if (name.length > charactersMax) return undefined
  const ranked = candidates
    .filter((candidate) => Math.abs(candidate.length - name.length) <= editsMax)
    .map((candidate) => ({
      candidate,
      edits: editsBetween(name.toLowerCase(), candidate.toLowerCase()),
    }))
    .filter(({ candidate, edits }) => edits <= editsFor(candidate))
    .toSorted((left, right) => left.edits - right.edits)
  return ranked[0]?.candidate
}

function editsFor({ length }: string): number {
  return Math.min(editsMax, Math.max(editsMin, length / 3))
}

/** Levenshtein's distance, row by row. */
function editsBetween(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let i = 1; i <= left.length; i++) {
    const next = [i]
    for (let j = 1; j <= right.length; j++) {
      const same = left[i - 1] === right[j - 1] ? 0 : 1
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + same))
    }
    row = next
  }
  return row[right.length] ?? 0
}
