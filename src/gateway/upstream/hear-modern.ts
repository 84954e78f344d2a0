import { randomUUID } from 'node:crypto'
import { formatChangeFilter } from '../../mcp/changes.ts'
import { createEventParser } from '../../mcp/events.ts'
import { Gathered } from '../../mcp/gathered.ts'
import { startExchange, type AnswerHead } from './exchange.ts'
import { ownModernHeaders, ownModernMeta, ownModernMetaOfTasks } from './headers.ts'
import { judgeChange } from './judge-change.ts'
import { lifeSecondsMax, type Hearing, type Listener } from './hearing.ts'

/** Subscribes at a modern server, and gives how to end that. */
export function hearModern(
  { upstream, filter, octetsMax, room }: Hearing,
  listener: Listener,
): () => void {
  const subscription = randomUUID()
  const hasTasks = filter.taskIds !== undefined
  const meta = hasTasks ? ownModernMetaOfTasks : ownModernMeta
  const params = `{"notifications":${formatChangeFilter(filter)},"_meta":${JSON.stringify(meta)}}`
  const method = 'subscriptions/listen'
  const body = `{"jsonrpc":"2.0","id":"${subscription}","method":"${method}","params":${params}}`
  const request = { headers: ownModernHeaders(method), body: Buffer.from(body) }
  const bounds = { answerBytesMax: octetsMax, streamSecondsMax: lifeSecondsMax, room }
  let head: AnswerHead | undefined
  const whole = new Gathered()

  function fail(detail: string): void {
    listener.ended({ kind: 'failed', failure: { failed: 'bad answer', detail } })
  }
  function read(octets: Buffer, { status = 200 }: Partial<AnswerHead> = {}): void {
    const verdict = judgeChange(subscription, octets, hasTasks)
    if (verdict.kind === 'acknowledged') listener.acknowledged(verdict.filter)
    else if (verdict.kind === 'changed') listener.changed(verdict.change)
    else if (verdict.kind === 'task') listener.task?.(verdict.taskId, octets)
    else if (verdict.kind === 'bad') fail(verdict.detail)
    else if (verdict.kind === 'error') listener.ended({ ...verdict, status })
    else if (verdict.kind === 'complete') listener.ended(verdict)
  }
  const events = createEventParser((data) => {
    exchange.passed()
    if (data !== undefined) read(data)
  })
  const exchange = startExchange(
    { upstream, request, ...bounds },
    {
      head(received) {
        head = received
      },
      data(chunk) {
        if (head?.form === 'events') events.push(chunk)
        else whole.push(chunk)
        return listener.isRead?.(() => exchange.resume()) ?? true
      },
      end() {
        if (head?.form === 'json') read(whole.whole(), head)
        fail('stream ended without a response')
      },
      failed: (failure) => listener.ended({ kind: 'failed', failure }),
    },
  )
  return () => exchange.cancel()
}
