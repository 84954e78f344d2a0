/** What a process and those that it started have used, from /proc. */
import { readdirSync, readFileSync } from 'node:fs'

/** Time on a processor since the start, of all threads that still run. */
export function cpuMicroseconds(pid: number): number {
  return family(pid).reduce((sum, each) => sum + ownMicroseconds(each), 0)
}

/** Resident memory; of several processes each counts its share of what they have in common. */
export function residentMebibytes(pid: number): number {
  const pids = family(pid)
  const [own = pid] = pids
  if (pids.length === 1) return kibibytesIn(`/proc/${own}/status`, 'VmRSS') / 1024
  const shares = pids.map((each) => kibibytesIn(`/proc/${each}/smaps_rollup`, 'Pss'))
  return shares.reduce((sum, each) => sum + each, 0) / 1024
}

/** Nanoseconds are the first figure of a thread's schedstat; a thread that ends between two looks takes its own with it. */
function ownMicroseconds(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`)
  return threads.reduce((sum, thread) => {
    const [nanoseconds = '0'] = read(`/proc/${pid}/task/${thread}/schedstat`).split(' ')
    return sum + Number(nanoseconds) / 1000
  }, 0)
}

/** The process and all below it. */
function family(pid: number): readonly number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    // What stands before the last bracket is the name, which may hold anything.
    const [, parent] = read(`/proc/${name}/stat`).split(') ').at(-1)?.split(' ') ?? []
    parents.set(Number(name), Number(parent))
  }
  const below = (of: number): readonly number[] =>
    [...parents].filter(([, parent]) => parent === of).flatMap(([own]) => [own, ...below(own)])
  return [pid, ...below(pid)]
}

function kibibytesIn(file: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(read(file))?.[1] ?? 0)
}

/** A process may end while it is looked at. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
