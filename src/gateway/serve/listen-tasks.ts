import { answerOfNews, newsOfAnswer } from '../../mcp/task.ts'
import type { Call } from '../call.ts'
import { knowsTasks, taskOf, tasksUndeclared } from '../permit/task.ts'
import { isRefused, refused, type Refused } from '../refusal.ts'
import { Hold } from '../../shares.ts'
import { hearModern } from '../upstream/hear-modern.ts'
import type { Ending, Listener } from '../upstream/hearing.ts'
import { judgeAnswer } from '../upstream/judge-answer.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { ChangeStream } from './change-stream.ts'
import { refuseAnswer } from './fault.ts'
import { passTask } from './pass-task.ts'
import type { Parts } from './serve.ts'

/** By the ids of their server, each with the call that asks for it, as its caller would make it. */
export type AskedTasks = ReadonlyMap<string, Call>

/** What a caller wants to be told of tasks. */
export interface TasksAsked {
  readonly byUpstream: ReadonlyMap<Upstream, AskedTasks>
  /** Of the first that it is not told of. */
  readonly firstRefused?: Refused | undefined
}

/**
 * The tasks that a filter names (MCP tasks extension, task status notifications). Each is opened for this caller alone, and policy decides
 * as on `tasks/get` of it; what is somebody else's stands by name in the decision log, is asked of nobody, and is not in the acknowledgement.
 */
export async function tasksAsked(
  call: Call,
  parts: Parts,
  shown: readonly string[],
): Promise<TasksAsked | Refused> {
  const byUpstream = new Map<Upstream, Map<string, Call>>()
  if (shown.length > 0 && !knowsTasks(call)) return refused('era', tasksUndeclared)
  let firstRefused: Refused | undefined
  for (const each of shown) {
    const asking = askFor(call, each)
    const opened = taskOf(asking, parts)
    const whole = isRefused(opened) ? opened : { ...asking, ...opened }
    const permit = isRefused(whole) ? whole : await parts.authorizeTold(whole)
    if (isRefused(permit)) {
      firstRefused ??= permit
      continue
    }
    const { target, taskId = '' } = permit.call
    if (target.upstream === undefined) continue
    const own = byUpstream.get(target.upstream) ?? new Map<string, Call>()
    byUpstream.set(target.upstream, own.set(taskId, permit.call))
  }
  return { byUpstream, firstRefused }
}

function askFor(call: Call, shown: string): Call {
  const { message } = call
  const params = { taskId: shown, _meta: message.params['_meta'] ?? {} }
  return { ...call, message: { ...message, method: 'tasks/get', name: shown, params } }
}

export interface TaskHearing {
  readonly upstream: Upstream
  readonly tasks: AskedTasks
  readonly call: Call
  readonly parts: Parts
  readonly stream: Pick<ChangeStream, 'push' | 'taken'>
}

/** A server that tells without pause is heard no oftener than this, and each task is told as it is then. */
const paceMilliseconds = 100

/**
 * Listens to what a modern server tells of tasks of one caller, in a subscription that is for nobody else. Each is told as it would be told
 * to whoever asks for it at this moment: decided on by policy as that, with what it asks and brings, and under the caller's own id. What may
 * not be told is not; its caller may ask for it, and is refused then.
 */
export function hearTasks(hearing: TaskHearing, listener: Listener): () => void {
  const { upstream, tasks, call, parts } = hearing
  const { account, unsent } = call.caller
  const room = new Hold(unsent)
  let told: ReadonlySet<string> = new Set()
  let isOver = false

  function end(ending: Ending): void {
    if (isOver) return
    isOver = true
    listener.ended(ending)
  }
  const telling = createTelling(hearing, (error) => {
    parts.log.error({ error }, 'task could not be told of')
    end({ kind: 'failed', failure: { failed: 'bad answer', detail: 'task is not told' } })
  })
  const late = setTimeout(
    () => end({ kind: 'failed', failure: unacknowledged }),
    upstream.timeoutMilliseconds,
  )
  const filter = { lists: [], uris: [], taskIds: [...tasks.keys()] }
  const octetsMax = parts.limits.answerBytesMax
  const cancel = hearModern(
    { upstream, account, filter, octetsMax, room },
    {
      acknowledged({ taskIds = [] }) {
        clearTimeout(late)
        told = new Set(taskIds.filter((taskId) => tasks.has(taskId)))
        const shown = [...told].map((taskId) => tasks.get(taskId)?.message.name ?? '')
        if (told.size > 0) listener.acknowledged({ lists: [], uris: [], taskIds: shown })
        else {
          end({ kind: 'complete' })
          cancel()
        }
      },
      changed: () => {},
      task(taskId, octets) {
        if (told.has(taskId) && !isOver) telling.take(taskId, octets)
      },
      isRead: (resume) => telling.isDone(resume),
      ended: end,
    },
  )
  return () => {
    isOver = true
    clearTimeout(late)
    telling.end()
    cancel()
    room.end()
  }
}

interface Telling {
  take(taskId: string, octets: Buffer): void
  /** Whether all that was taken has been told; if not, this is called once it has. */
  isDone(resume: () => void): boolean
  end(): void
}

/** One task after the other, each as it was told last. */
function createTelling(hearing: TaskHearing, broke: (error: unknown) => void): Telling {
  const pending = new Map<string, Buffer>()
  let resume = (): void => {}
  let pause: NodeJS.Timeout | undefined
  let isTelling = false
  let isOver = false

  async function tellAll(): Promise<void> {
    for (const [taskId, octets] of pending) {
      pending.delete(taskId)
      const asking = hearing.tasks.get(taskId)
      if (asking !== undefined) await tell(asking, octets, hearing)
    }
    await hearing.stream.taken()
    if (!isOver) pause = setTimeout(goOn, paceMilliseconds)
  }
  function goOn(): void {
    isTelling = pending.size > 0
    if (isTelling) tellAll().catch(broke)
    else resume()
  }
  return {
    take(taskId, octets) {
      pending.set(taskId, octets)
      if (isTelling) return
      isTelling = true
      tellAll().catch(broke)
    },
    isDone(next) {
      resume = next
      return !isTelling
    },
    end() {
      isOver = true
      clearTimeout(pause)
      pending.clear()
    },
  }
}

const unacknowledged = {
  failed: 'time-out',
  detail: 'subscription is not acknowledged in time',
} as const

async function tell(call: Call, octets: Buffer, { parts, stream }: TaskHearing): Promise<void> {
  const { decisions, now } = parts
  const { taskUntil = 0 } = call
  if (now() >= taskUntil) return
  const policy = decisions.digest()
  const permit = await parts.authorizeTold(call)
  const answer = answerOfNews(octets)
  if (isRefused(permit) || answer === undefined) return
  const asked = { era: 'modern', method: 'tasks/get', id: { value: answer.id } } as const
  const verdict = judgeAnswer(asked, answer.octets)
  if (verdict.kind === 'refuse') refuseAnswer(permit, decisions, verdict.what)
  if (verdict.kind !== 'task') return
  const passed = await passTask(permit, parts, { octets: answer.octets, result: verdict.result })
  if (isRefused(passed) || call.caller.ended !== undefined) return
  stream.push({
    kind: 'task',
    taskId: call.message.name ?? '',
    members: newsOfAnswer(passed),
    policy,
  })
}
