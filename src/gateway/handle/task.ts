import type { Era } from '../../mcp/message.ts'
import type { Seal } from './seal.ts'

/** A task of a tool server, and the call that it came of: whoever holds it holds no more than that tool. */
export interface TaskOf {
  readonly door: string
  /** Of the call: the tasks of one era are not those of the other. */
  readonly era: Era
  readonly server: string
  /** SPIFFE ID of the tool server that gave it. */
  readonly spiffeId: string
  readonly tool: string
  /** As that server knows it. */
  readonly taskId: string
  /** Milliseconds since the epoch; it is of no use from then on. */
  readonly until: number
}

/** A task that outlives the day is asked about in vain: the decision that let it begin is too old by then. */
const millisecondsMax = 86_400_000

/** How long a task may be asked about, of which its server says this: no longer than it keeps it (MCP tasks extension, `ttlMs`; 2025-11-25 tasks, `ttl`). */
export function taskMilliseconds(ttl: unknown): number {
  return typeof ttl === 'number' && ttl >= 0 ? Math.min(ttl, millisecondsMax) : millisecondsMax
}

/** Of what the server gave. */
const taskIdCharactersMax = 512

/** What the caller is given in its place; undefined: it is too long. */
export function sealTask(seal: Seal, owner: string, task: TaskOf): string | undefined {
  if (task.taskId.length > taskIdCharactersMax) return undefined
  return seal.seal({ kind: 'task', owner }, task)
}

interface Shown extends Pick<TaskOf, 'door' | 'era'> {
  readonly owner: string
  readonly now: number
}

/** The task that somebody shows at a door; or why it is none of theirs. */
export function openTask(
  seal: Seal,
  { owner, door, era, now }: Shown,
  shown: string,
): TaskOf | { readonly why: string } {
  const opened = seal.open({ kind: 'task', owner }, shown)
  if (opened === undefined) return { why: 'it was not sealed here' }
  if ('ownedBy' in opened) return { why: `it is of ${opened.ownedBy}` }
  const task = opened.value as TaskOf
  if (task.era !== era) return { why: 'it is of the other era' }
  if (task.door !== door) return { why: 'it is of another door' }
  return now < task.until ? task : { why: 'it has expired' }
}
