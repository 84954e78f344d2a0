import { open } from 'node:fs/promises'
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
  readonly result?: unknown
}

/** Shows each new line of the decision log until the signal. */
export async function followDecisions(
  file: string,
  show: (decision: SeenDecision) => void,
  signal: AbortSignal,
): Promise<void> {
  await using log = await open(file, 'r')
  let position = (await log.stat()).size
  let rest = ''
  while (!signal.aborted) {
    const { bytesRead, buffer } = await log.read({ position, buffer: Buffer.alloc(65_536) })
    position += bytesRead
    const lines = `${rest}${buffer.toString('utf8', 0, bytesRead)}`.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) show(readDecision(JSON.parse(line) as LoggedEvent))
    await delay(200, undefined, { signal }).catch(() => {})
  }
}

function readDecision({ decision_id, input, result }: LoggedEvent): SeenDecision {
  const { allow, count, allowed } = (result ?? {}) as {
    allow?: unknown
    count?: number
    allowed?: readonly number[]
  }
  const filtered = count === undefined ? undefined : `${allowed?.length ?? 0} of ${count} tools`
  return {
    decisionId: decision_id,
    caller: input?.subject?.id ?? 'unknown caller',
    method: input?.action?.name ?? '',
    target: filtered ?? input?.resource?.id ?? '',
    allowed: allow === true || filtered !== undefined,
  }
}
