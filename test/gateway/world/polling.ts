import type { ServerResponse } from 'node:http'
import type { Stream, Answer } from './upstream.ts'
import { echoTool, legacyOnly } from './eras.ts'

/** A legacy server that ends the streams of its calls before their answers, and has its client ask for the rest. */
export interface PollingServer {
  readonly answer: Answer
  readonly stream: Stream
  /** The ids from which on the rest was asked for. */
  readonly askedFrom: string[]
  /** How often a tool was called. */
  readonly calls: () => number
}

interface PollingOptions {
  readonly version?: string
  /** The status with which the rest is answered. */
  readonly rest?: number
  /** How a stream ends, with its last text. */
  readonly end?: (response: ServerResponse, text: string) => void
}

/** What stands on each stream of one call, one after the other; `{id}` is that of the request. */
export function polling(
  parts: readonly string[],
  {
    version = '2025-11-25',
    rest,
    end = (response, text) => response.end(text),
  }: PollingOptions = {},
): PollingServer {
  const askedFrom: string[] = []
  let calls = 0
  let id = ''
  const say = (response: ServerResponse, number: number): void => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    end(response, (parts[number] ?? '').replaceAll('{id}', id))
  }
  const { answer } = legacyOnly(
    (message, { response }) => {
      calls += 1
      id = JSON.stringify(message.id)
      say(response, 0)
    },
    [echoTool],
    version,
  )
  return {
    answer,
    askedFrom,
    calls: () => calls,
    stream(response, { headers }) {
      const { 'last-event-id': at } = headers
      if (typeof at !== 'string') {
        response.writeHead(405).end()
        return
      }
      askedFrom.push(at)
      if (rest === undefined) say(response, askedFrom.length)
      else response.writeHead(rest).end()
    },
  }
}

/** An event that says nothing but where to go on from, and after which wait. */
export function priming(id: string, retry = 100): string {
  return `id: ${id}\nretry: ${retry}\ndata:\n\n`
}

export function event(message: string, id?: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}data: ${message}\n\n`
}

export const answerEvent: string = event(
  '{"jsonrpc":"2.0","id":{id},"result":{"content":[{"type":"text","text":"late"}]}}',
)
