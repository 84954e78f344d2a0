import type { ServerResponse } from 'node:http'
import { createEventParser } from '../../../src/mcp/events.ts'
import { eventually } from '../../support/eventually.ts'
import { modern, type TestClient } from './client.ts'
import { answerBoth, type Answer } from './upstream.ts'

/** A subscription as an upstream has it. */
export interface Heard {
  readonly id: string | number
  readonly filter: Readonly<Record<string, unknown>>
  readonly response: ServerResponse
  /** Sends one message, as it is. */
  say(message: object): void
  /** Sends a notification of this subscription, or of the one of that id. */
  tell(method: string, params?: object, id?: string | number): void
}

export const subscriptionId = 'io.modelcontextprotocol/subscriptionId'

/** An upstream that listens as a test tells it; what it takes of a filter is all of it unless told. */
export function listening(
  take: (filter: Heard['filter']) => object | undefined = (filter) => filter,
): { readonly answer: Answer; readonly heard: Heard[] } {
  const heard: Heard[] = []
  return {
    heard,
    answer(message, response, request) {
      if (message.method !== 'subscriptions/listen') {
        answerBoth()(message, response, request)
        return
      }
      const { id = 0, params } = message
      const filter = params?.['notifications'] as Heard['filter']
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.flushHeaders()
      const say = (said: object): void => {
        response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', ...said })}\n\n`)
      }
      const one: Heard = {
        id,
        filter,
        response,
        say,
        tell(method, given = {}, of = id) {
          say({ method, params: { ...given, _meta: { [subscriptionId]: of } } })
        },
      }
      heard.push(one)
      const notifications = take(filter)
      if (notifications !== undefined) {
        one.tell('notifications/subscriptions/acknowledged', { notifications })
      }
    },
  }
}

/** A client's stream, read as it comes. */
export interface Stream {
  readonly status: number
  readonly messages: readonly Message[]
  readonly isOver: boolean
  /** The body where it is no stream. */
  readonly text: string
  /** Waits for so many messages. */
  until(count: number): Promise<readonly Message[]>
  over(): Promise<readonly Message[]>
  close(): void
}

export interface Message {
  readonly id?: unknown
  readonly method?: string
  readonly params?: Readonly<Record<string, unknown>>
  readonly result?: Readonly<Record<string, unknown>>
  readonly error?: { readonly code: number; readonly message: string }
}

/** Opens a stream of changes on the one connection of a client. */
export async function listenAs(
  { client }: TestClient,
  path: string,
  notifications: unknown,
  id: string | number = 1,
  more: Readonly<Record<string, unknown>> = {},
): Promise<Stream> {
  const { body, headers } = modern('subscriptions/listen', { notifications, ...more }, id)
  const answer = await client.request({
    method: 'POST',
    path,
    body,
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    },
  })
  const messages: Message[] = []
  let isOver = false
  let text = ''
  const events = createEventParser((data) => {
    if (data !== undefined) messages.push(JSON.parse(data.toString('utf8')) as Message)
  })
  answer.body.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8')
    events.push(chunk)
  })
  const end = (): void => {
    isOver = true
  }
  answer.body.on('end', end).on('error', end).on('close', end)
  return {
    status: answer.statusCode,
    messages,
    get isOver() {
      return isOver
    },
    get text() {
      return text
    },
    async until(count) {
      await eventually(`${count} messages`, () => messages.length >= count || isOver)
      return messages
    },
    async over() {
      await eventually('the end of the stream', () => isOver)
      return messages
    },
    close: () => answer.body.destroy(),
  }
}
