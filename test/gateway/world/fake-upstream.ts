import { defaultLimits } from '../../../src/gateway/limits.ts'
import { createLane } from '../../../src/lane.ts'
import { createSeats } from '../../../src/gateway/seats.ts'
import type { Upstream, UpstreamRequest } from '../../../src/gateway/upstream/upstream.ts'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'

/** What a fake answers; nothing: it stays silent. */
export interface FakeAnswer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** An upstream without a network: what it is asked, and what it says. */
export function fakeUpstream(
  answer: (request: UpstreamRequest & { readonly text: string }) => FakeAnswer | undefined,
  timeoutMilliseconds = 60_000,
): Upstream & { readonly received: UpstreamRequest[] } {
  const received: UpstreamRequest[] = []
  return {
    received,
    config: {
      server: 'files',
      url: 'https://files.test/mcp',
      spiffeId: parseSpiffeId('spiffe://test.example/ns/tools/sa/files'),
      eras: ['modern', 'legacy'],
    },
    timeoutMilliseconds,
    answerBytesMax: defaultLimits.answerBytesMax,
    seats: createSeats({ ...defaultLimits, seatsMax: 8, waitMilliseconds: 0 }),
    streams: createSeats({ ...defaultLimits, seatsMax: 8, waitMilliseconds: 0 }),
    endings: createLane({ openMax: 2, waitingMax: 1024, waitingOctetsMax: 0 }),
    send(request, answering) {
      received.push(request)
      let over = false
      queueMicrotask(() => {
        const said = answer({ ...request, text: request.body?.toString('utf8') ?? '' })
        if (said === undefined || over) return
        const { status = 200, body = '' } = said
        const headers = { 'content-type': 'application/json', ...said.headers }
        const octets = Buffer.from(body)
        const framing = octets.length
        const idleMilliseconds = Number.POSITIVE_INFINITY
        answering.begun()
        answering.head({ status, headers, framing, keeps: true, closes: false, idleMilliseconds })
        if (!over && octets.length > 0) answering.data(octets)
        if (!over) answering.end()
      })
      const end = (): void => {
        over = true
      }
      return { resume: () => {}, abort: end, leave: end }
    },
    connections: 0,
    judgeAgain: () => {},
    condition: () => ({ name: 'upstream files', ok: true, reason: 'a fake' }),
    close: () => Promise.resolve(),
  }
}
