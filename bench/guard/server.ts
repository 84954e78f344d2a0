/** A tool server in a process of its own: with our library in it, or as the plain one that a guard stands before. Says its port, and ends with its standard input. */
import { once } from 'node:events'
import {
  createServer as createPlainServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import { createServer } from 'node:https'
import type { Server } from 'node:net'
import { requireCountersign } from '../../src/toolserver/require-countersign.ts'

/** With what the library is set up, as JSON; none for the plain server. */
const [text] = process.argv.slice(2)

const answer = '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"done"}]}}'

/** Both read the message and who calls, and do no more. */
function serve(
  response: ServerResponse,
  said: { readonly body: Buffer; readonly caller: object },
): void {
  const { method } = JSON.parse(said.body.toString('utf8')) as { method: string }
  const isFit = method === 'tools/call' && 'spiffeId' in said.caller
  response.writeHead(isFit ? 200 : 500, { 'content-type': 'application/json' }).end(answer)
}

async function openServer(): Promise<Server> {
  if (text === undefined) {
    return createPlainServer((request: IncomingMessage, response: ServerResponse) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const caller = JSON.parse(String(request.headers['countersign-caller'])) as object
        serve(response, { body: Buffer.concat(chunks), caller })
      })
    })
  }
  const countersign = await requireCountersign(
    JSON.parse(text) as Parameters<typeof requireCountersign>[0],
  )
  const server = createServer(
    countersign.tlsOptions,
    countersign.guard((_request, response, verified) => serve(response, verified)),
  )
  countersign.attach(server)
  return server
}

const server = await openServer()
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const address = server.address()
process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`)
process.stdin.resume().once('end', () => process.kill(process.pid))
