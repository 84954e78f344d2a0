import type { Call, Target } from '../call.ts'
import { openTask, sealTask, taskMilliseconds, type TaskOf } from '../handle/task.ts'
import type { Seal } from '../handle/seal.ts'
import { isJsonObject } from '../../mcp/envelope.ts'
import { tasksExtension } from '../../mcp/task.ts'
import { missingCapability, refused, taskUnknown, type Refusal, type Refused } from '../refusal.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { Decisions } from './policy.ts'

export interface TaskParts {
  readonly seal: Seal
  readonly decisions: Decisions
  readonly upstreams: ReadonlyMap<string, Upstream>
  readonly now: () => number
}

/** What a call is about that shows a task: the tool whose call it was, at the server that has it. So that tool is decided on. */
export interface TaskTarget {
  readonly target: Target
  readonly taskId: string
  readonly taskUntil: number
}

/** As a server has to say it, whatever is shown (MCP tasks extension, MissingRequiredClientCapability). */
export const tasksUndeclared: Refusal = {
  ...missingCapability({ extensions: { [tasksExtension]: {} } }),
  message: `taskIds are for clients that declare ${tasksExtension}`,
}

/** Opens the task that a call shows. Whose it is that is somebody else's stands in the decision log alone. */
export function taskOf(
  call: Call,
  { seal, decisions, upstreams, now }: TaskParts,
): TaskTarget | Refused {
  const { caller, arrived, message } = call
  if (message.era === 'modern' && !knowsTasks(call)) return refused('era', tasksUndeclared)
  const whose = { owner: caller.owner, door: arrived.door.name, era: message.era, now: now() }
  const task = openTask(seal, whose, message.name ?? '')
  if ('why' in task) return refuse(call, decisions, task.why)
  const upstream = upstreams.get(task.server)
  // Whoever has the name now would learn an id that is good elsewhere.
  const isThere = upstream?.config.spiffeId.uri === task.spiffeId
  if (!isThere || !upstream.config.eras.includes(message.era)) {
    return refuse(call, decisions, 'its server is gone')
  }
  return {
    target: { kind: 'tool', upstream, tool: task.tool },
    taskId: task.taskId,
    taskUntil: task.until,
  }
}

function refuse(call: Call, decisions: Decisions, why: string): Refused {
  const reason = { code: 'task-refused', message: `taskId: ${why}`, audience: 'operator' } as const
  return decisions.refuse({ call, definition: undefined }, 'target', reason, taskUnknown)
}

/** What the caller of a tool is given in place of the id of its task, and until when; undefined: that is too long. */
export function sealTaskOf(
  { caller, arrived, message, target }: Call,
  { taskId, ttl }: { readonly taskId: string; readonly ttl: unknown },
  { seal, now }: Pick<TaskParts, 'seal' | 'now'>,
): { readonly shown: string; readonly until: number } | undefined {
  if (target.kind !== 'tool') return undefined
  const { server, spiffeId } = target.upstream.config
  const until = now() + taskMilliseconds(ttl)
  const task: TaskOf = {
    door: arrived.door.name,
    era: message.era,
    server,
    spiffeId: spiffeId.uri,
    tool: target.tool,
    taskId,
    until,
  }
  const shown = sealTask(seal, caller.owner, task)
  return shown === undefined ? undefined : { shown, until }
}

/**
 * A call becomes a task only for a client that has said with it that it knows what that is (MCP tasks extension), or asks for one (MCP
 * 2025-11-25 tasks).
 */
export function knowsTasks({ message }: Call): boolean {
  if (message.era === 'legacy') return isJsonObject(message.params['task'])
  const meta = message.params['_meta']
  const declared = isJsonObject(meta)
    ? meta['io.modelcontextprotocol/clientCapabilities']
    : undefined
  const extensions = isJsonObject(declared) ? declared['extensions'] : undefined
  return isJsonObject(extensions) && isJsonObject(extensions[tasksExtension])
}
