import type { ServerResponse } from 'node:http'
import type { Answer, JsonMessage } from '../gateway/world/upstream.ts'
import type { Random } from '../fuzz/random.ts'

/** A tool server that is well for a while and then is not, in another way each time. */
export interface Flapping {
  readonly answer: Answer
  /** Calls that it has not answered, and does not mean to. */
  flap(): void
}

type Ill = (response: ServerResponse) => void

const ills: readonly Ill[] = [
  (response) => void response.writeHead(503, { 'retry-after': '1' }).end(),
  (response) => void response.writeHead(500).end('{}'),
  (response) => void response.destroy(),
  (response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
    response.write('{"jsonrpc"', () => response.destroy())
  },
  (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\n\n')
    setTimeout(() => response.destroy(), 20)
  },
  // Says nothing: the gateway has to end it.
  () => {},
  (response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
]

export function createFlapping(well: Answer, random: Random): Flapping {
  let ill: Ill | undefined
  return {
    answer(message, response, request) {
      const isOfCaller = request.headers['txn-token'] !== undefined
      if (isOfCaller && ill !== undefined && !random.oneIn(4)) ill(response)
      else if (message.params?.['name'] === 'other' && random.oneIn(5)) stream(message, response)
      else well(message, response, request)
    },
    flap() {
      ill = ill === undefined ? random.pick(ills) : undefined
    },
  }
}

/** Says how it goes, and then answers. */
function stream({ id, method: asked }: JsonMessage, response: ServerResponse): void {
  const method = '"method":"notifications/message"'
  const params = '"params":{"level":"info","data":1}'
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(`data: {"jsonrpc":"2.0",${method},${params}}\n\n`)
  const content = asked === 'prompts/get' ? 'messages' : 'content'
  const result = `{"resultType":"complete","${content}":[]}`
  const text = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`
  setTimeout(() => response.end(`data: ${text}\n\n`), 5)
}
