import { open, type FileHandle } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

/** What is shown of one event of the decision log. */
export interface SeenDecision {
  readonly decisionId: string
  readonly caller: string
  readonly method: string
  readonly target: string
  readonly allowed: boolean
}

interface LoggedEvent {
  readonly decision_id: string
  readonly input?: {
    readonly subject?: { readonly id?: string }
    readonly action?: { readonly name?: string }
    readonly resource?: { readonly id?: string }
  }
  readonly result?: { readonly allow?: unknown; readonly count?: number } | null
  /** Of a list. */
  readonly list?: { readonly asked: number; readonly shown: number }
}

/** Shows each line of the decision log that begins after this resolves, until the signal; `ended` settles with it. */
export async function followDecisions(
  file: string,
  show: (decision: SeenDecision) => void,
  signal: AbortSignal,
): Promise<{ readonly ended: Promise<void> }> {
  const log = await open(file, 'r')
  const { size } = await log.stat()
  // From the octet before: what stands up to the next line feed is an older line, or the rest of one.
  return { ended: showLines(log, { position: Math.max(0, size - 1), show, signal }) }
}

async function showLines(
  opened: FileHandle,
  options: {
    readonly position: number
    readonly show: (decision: SeenDecision) => void
    readonly signal: AbortSignal
  },
): Promise<void> {
  await using log = opened
  const { show, signal } = options
  let { position } = options
  let rest = Buffer.alloc(0)
  let skipping = position > 0
  while (!signal.aborted) {
    const { bytesRead, buffer } = await log.read({ position, buffer: Buffer.alloc(65_536) })
    position += bytesRead
    rest = Buffer.concat([rest, buffer.subarray(0, bytesRead)])
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      const line = rest.toString('utf8', 0, end)
      rest = rest.subarray(end + 1)
      if (!skipping) show(readDecision(JSON.parse(line) as LoggedEvent))
      skipping = false
    }
    await delay(200, undefined, { signal }).catch(() => {})
  }
}

function readDecision({ decision_id, input, result, list }: LoggedEvent): SeenDecision {
  const filtered = list === undefined ? undefined : `${list.shown} of ${list.asked} tools`
  return {
    decisionId: decision_id,
    caller: input?.subject?.id ?? 'unknown caller',
    method: input?.action?.name ?? '',
    target: filtered ?? input?.resource?.id ?? '',
    allowed: result?.allow === true || result?.count !== undefined,
  }
}
