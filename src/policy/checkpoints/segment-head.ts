/*
 * A decision log with checkpoints is one list of lines in several files, and each line is a leaf of its tree. A file begins with an event
 * that says what it stands on.
 */

export const headPath = 'countersign/log/segment'

/** Why lines that were written are in no file, or in one that nothing is said of. */
export const faults = ['removed', 'cut', 'written-to', 'changed'] as const
export type Fault = (typeof faults)[number]

export interface SegmentHead {
  /** Of the head itself: how many lines there were before it. */
  readonly firstIndex: number
  /** The compact range of the tree before it: the roots of its perfect subtrees, largest first, in hex. */
  readonly subtrees: readonly string[]
  /**
   * Where the files before it begin that are to be there, too: not the one that the next rotation writes over, since a crash
   * may come before the next head.
   */
  readonly before: readonly number[]
  /** Lines that were written and not signed yet when the file before was found to be another than was written. */
  readonly lost?: { readonly lines: number; readonly reason: Fault } | undefined
}

/** `decisionLog.files` may be 100. */
const beforeMax = 100

/** A head has no input: room for a hundred numbers, 53 hashes, and long labels. */
const headOctetsMax = 65_536

/** Undefined of every other line. */
export function parseHead(line: Buffer): SegmentHead | undefined {
  if (line.length > headOctetsMax || !line.includes(`"path":"${headPath}"`)) return undefined
  try {
    const { path, segment } = JSON.parse(line.toString()) as Record<string, unknown>
    return path === headPath && isHead(segment) ? segment : undefined
  } catch {
    return undefined
  }
}

function isHead(value: unknown): value is SegmentHead {
  if (typeof value !== 'object' || value === null) return false
  const { firstIndex, subtrees, before, lost } = value as Record<string, unknown>
  if (!isIndex(firstIndex) || !Array.isArray(subtrees) || !Array.isArray(before)) return false
  if (!subtrees.every((hash) => typeof hash === 'string' && /^[0-9a-f]{64}$/.test(hash))) {
    return false
  }
  if (subtrees.length !== onesIn(firstIndex) || before.length > beforeMax) return false
  const isRising = before.every((at, n) => isIndex(at) && at >= ((before[n - 1] as number) ?? 0))
  if (!isRising || (before.at(-1) ?? 0) > firstIndex) return false
  return lost === undefined || isLost(lost)
}

function isLost(value: unknown): boolean {
  const { lines, reason } = value as Record<string, unknown>
  return isIndex(lines) && faults.some((fault) => fault === reason)
}

function isIndex(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function onesIn(index: number): number {
  return index.toString(2).replaceAll('0', '').length
}
