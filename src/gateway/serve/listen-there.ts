import { changingLists, isEmptyFilter, type Change, type ChangeFilter } from '../../mcp/changes.ts'
import { joinUri } from '../federated-name.ts'
import type { Permit } from '../permit/authorize.ts'
import { isRefused, noRoom, refused, type Refused } from '../refusal.ts'
import type { Guest } from '../seats.ts'
import type { Ending, Listener } from '../upstream/hearing.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { noteAbsence } from './ask.ts'
import { inNameOf } from './call-token.ts'
import type { ChangeStream } from './change-stream.ts'
import { fault } from './fault.ts'
import { hearTasks, type AskedTasks } from './listen-tasks.ts'
import type { Parts } from './serve.ts'

/** What one upstream is asked for, by its own names. */
export interface Portion {
  readonly upstream: Upstream
  readonly filter: ChangeFilter
  readonly tasks?: AskedTasks | undefined
}

export interface Opening {
  readonly permit: Permit
  readonly parts: Parts
  readonly stream: ChangeStream
  /** Those to leave at the end, whether they have said something or not. */
  readonly opened: Set<() => void>
  readonly signal: AbortSignal
  /** Is told that the upstream answers, however long it takes for all that is asked. */
  readonly answers?: (() => void) | undefined
}

/** Listens at one upstream to what many listen to, and to what is of this caller alone; as much of it as that tells. */
export async function openWhole(portion: Portion, opening: Opening): Promise<Portion | Refused> {
  const { upstream, filter, tasks } = portion
  const { permit, parts, stream } = opening
  const { call } = permit
  const { account } = call.caller
  const hears: Hear[] = []
  if (!isEmptyFilter(filter)) {
    const at = { upstream, account, inNameOf: inNameOf(permit, upstream, parts) }
    hears.push((listener) => parts.listenings.listen(at, filter, listener))
  }
  if (tasks !== undefined) {
    hears.push((listener) => hearTasks({ upstream, tasks, call, parts, stream }, listener))
  }
  const all = await Promise.all(hears.map((hear) => openAt(upstream, hear, opening)))
  const told = all.filter((each): each is Portion => !isRefused(each))
  return told.length === 0 ? (all[0] ?? portion) : { upstream, filter: togetherOf(told) }
}

/** Gives how to leave. */
type Hear = (listener: Listener) => () => void

/** Listens at one upstream, on its caller's share of the streams there; done when it has said what it tells of. */
function openAt(
  upstream: Upstream,
  hear: Hear,
  { permit, parts, stream, opened, signal, answers }: Opening,
): Promise<Portion | Refused> {
  const { caller, arrived } = permit.call
  const isAll = arrived.door.kind === 'all'
  return new Promise((resolve) => {
    let isTelling = false
    let isThere = false
    let leaveListening = (): void => {}
    const guest: Guest = {
      account: caller.account,
      seated: begin,
      turnedAway: (full) => resolve(refused('forward', noRoom('streams', full))),
    }
    const leave = (): void => {
      upstream.streams.leave(guest)
      leaveListening()
    }
    function begin(): void {
      leaveListening = hear({
        opened() {
          isThere = true
          noteAbsence(parts.absences, upstream, undefined)
          answers?.()
        },
        acknowledged(taken) {
          isTelling = true
          noteAbsence(parts.absences, upstream, undefined)
          resolve({ upstream, filter: taken })
        },
        changed: (change) => stream.push(isAll ? asFederated(upstream, change) : change),
        ended(ending) {
          const why = refusalOf(ending)
          // How long all of it takes is as much of what this caller asks for.
          const isOfThis = isThere && !isTelling
          if (ending.kind === 'failed' && !isOfThis)
            noteAbsence(parts.absences, upstream, ending.failure)
          if (!isTelling) resolve(why ?? { upstream, filter: nothing })
          // There are gaps from here on, so its caller listens anew.
          else if (why === undefined || isAll) stream.complete()
          else stream.refuse(why.refusal)
        },
      })
    }
    opened.add(leave)
    if (upstream.streams.take(guest)) begin()
    const giveUp = (): void => {
      leave()
      resolve(fault({ failed: 'cancelled', detail: 'nobody waits any more' }))
    }
    if (signal.aborted) giveUp()
    else signal.addEventListener('abort', () => isTelling || giveUp(), { once: true })
  })
}

function asFederated({ config }: Upstream, change: Change): Change {
  return change.kind === 'list'
    ? change
    : { kind: 'resource', uri: joinUri(config.server, change.uri) }
}

function refusalOf(ending: Ending): Refused | undefined {
  if (ending.kind === 'complete') return undefined
  if (ending.kind === 'failed') return fault(ending.failure)
  const { status, code, message } = ending
  return refused('response', { status, code, message })
}

export function togetherOf(told: readonly Pick<Portion, 'filter'>[]): ChangeFilter {
  const lists = new Set(told.flatMap(({ filter }) => filter.lists))
  return {
    lists: changingLists.filter((list) => lists.has(list)),
    uris: told.flatMap(({ filter: { uris } }) => uris),
    taskIds: told.flatMap(({ filter: { taskIds = [] } }) => taskIds),
  }
}

export const nothing: ChangeFilter = { lists: [], uris: [] }
