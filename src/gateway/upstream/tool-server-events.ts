import { hash } from 'node:crypto'
import { isPlainWord, quotedName } from '../../errors.ts'
import type { ApiClient } from '../../kubernetes/api-client.ts'
import { ApiError, isConflict } from '../../kubernetes/api-error.ts'
import { recordEvent } from '../../kubernetes/event.ts'
import type { Log } from '../../log.ts'
import type { ToolChange } from './tool-change.ts'
import { toolServerResource, type ToolServerWatch } from './tool-server-watch.ts'

/** Says in Events of a ToolServer what becomes of its tools, and what to run. */
export interface EventWriter {
  /** `object` is `namespace/name`; undefined: no ToolServer has this tool. */
  tell(object: string | undefined, change: ToolChange): void
}

export interface EventWriterOptions {
  readonly client: ApiClient
  readonly source: Pick<ToolServerWatch, 'find'>
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly log: Log
}

/** A server that is defined anew with every list must not fill the cluster's store. */
const ofServerMax = 16
const windowMilliseconds = 600_000
/** Of all servers, on their way at one moment. */
const openMax = 32

/**
 * Writes each Event under a name that is made of what it says, so replicas and workers that see the same change write it once, and the API
 * server refuses the others. What cannot be written is in the log, as it is anyway, and is never tried again.
 */
export function startEventWriter(options: EventWriterOptions): EventWriter {
  const { client, source, now, log } = options
  const windows = new Map<string, { readonly startedAt: number; count: number }>()
  let open = 0
  let isMissed = false

  /** How many there have been of this object, with this one; each is forgotten with its window. */
  function countOf(object: string): number {
    const at = now()
    for (const [key, { startedAt }] of windows) {
      if (at >= startedAt + windowMilliseconds || at < startedAt) windows.delete(key)
    }
    const window = windows.get(object) ?? { startedAt: at, count: 0 }
    windows.set(object, window)
    window.count += 1
    return window.count
  }
  function missed(error: unknown): void {
    // Another replica has said it.
    if (isConflict(error)) return
    const isForbidden = error instanceof ApiError && error.status === 403
    if (isForbidden && isMissed) return
    isMissed ||= isForbidden
    log.warn({ error }, 'no event tells of a quarantined tool')
  }

  return {
    tell(object, change) {
      const found = object === undefined ? undefined : source.find(object)
      if (object === undefined || found === undefined || open >= openMax) return
      const count = countOf(object)
      if (count > ofServerMax) return
      const { name, namespace = '', uid } = found.metadata
      const { group, version, kind } = toolServerResource
      const regarding = { apiVersion: `${group}/${version}`, kind, namespace, name, uid }
      const said = count === ofServerMax ? sayMore(change) : say(change)
      open += 1
      recordEvent(client, {
        regarding,
        ...said,
        name: `${name.slice(0, 200)}.${nameOf(uid, said.message)}`,
        component: 'countersign-gateway',
        now,
      })
        .catch(missed)
        .finally(() => {
          open -= 1
        })
    },
  }
}

type Said = Pick<Parameters<typeof recordEvent>[1], 'type' | 'reason' | 'message'>

const reasons: Readonly<Record<string, string>> = {
  'definition-changed': 'its definition has changed since its approval',
  'definition-not-approved': 'nobody has approved its definition',
  'definition-invalid': 'its definition breaks the protocol',
}

/** A server names its tools: of a name that is no plain word nobody is handed a command to paste. */
function say({ kind, server, tool, digest, approved, why = '' }: ToolChange): Said {
  if (kind === 'served') {
    const message = `tool ${quotedName(tool)} is served: its definition ${digest} is the approved one`
    return { type: 'Normal', reason: 'ToolApproved', message }
  }
  const before = approved === undefined ? '' : `, approved is ${approved}`
  const what = `tool ${quotedName(tool)} is neither listed nor called: ${reasons[why] ?? why} (now ${digest}${before})`
  const how =
    why === 'definition-invalid' || !isPlainWord(tool)
      ? `look at it: countersign tools list ${server}`
      : `look at it: countersign tools list ${server}; then countersign tools approve ${server} ${tool} --digest ${digest}`
  return { type: 'Warning', reason: 'ToolQuarantined', message: `${what}; ${how}` }
}

/** In place of the last one that it may have for a while. */
function sayMore({ server }: ToolChange): Said {
  const message = `more of its tools have changed than Events tell of: countersign tools list ${server}`
  return { type: 'Warning', reason: 'ToolsChanged', message }
}

function nameOf(uid: string, message: string): string {
  return hash('sha256', `${uid} ${message}`, 'hex').slice(0, 16)
}
