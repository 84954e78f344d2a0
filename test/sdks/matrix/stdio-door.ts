import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'

/** A legacy server that speaks over its standard input and output, offered on a port: one process for each session. */
export interface StdioDoor extends AsyncDisposable {
  readonly port: number
}

interface Message {
  readonly id?: string | number
  readonly method?: string
}

interface Session {
  readonly child: ChildProcess
  /** Requests whose answers are awaited, by their ids as JSON. */
  readonly open: Map<string, ServerResponse>
}

export async function openStdioDoor(program: string, words: readonly string[]): Promise<StdioDoor> {
  const sessions = new Map<string, Session>()

  function begin(): Session {
    const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'ignore'] })
    const session = { child, open: new Map<string, ServerResponse>() }
    createInterface({ input: child.stdout }).on('line', (line) => tell(session, line))
    return session
  }
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const id = request.headers['mcp-session-id']
    if (request.method === 'DELETE') {
      sessions.get(String(id))?.child.kill()
      sessions.delete(String(id))
    }
    if (request.method !== 'POST') return void response.writeHead(405).end()
    const body = await readBody(request)
    const message = JSON.parse(body) as Message
    const isOpening = id === undefined && message.method === 'initialize'
    const sessionId = isOpening ? randomUUID() : String(id)
    const session = isOpening ? begin() : sessions.get(sessionId)
    if (session === undefined) return void response.writeHead(404).end()
    sessions.set(sessionId, session)
    if (message.method === undefined || message.id === undefined) response.writeHead(202).end()
    else {
      session.open.set(JSON.stringify(message.id), response)
      response.writeHead(200, {
        'content-type': 'text/event-stream',
        ...(isOpening ? { 'mcp-session-id': sessionId } : {}),
      })
      response.flushHeaders()
    }
    // A message of theirs is one line.
    session.child.stdin?.write(`${JSON.stringify(JSON.parse(body))}\n`)
  }
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const { child } of sessions.values()) child.kill()
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

/** An answer goes to whom it answers, and ends it; whatever else the server says goes to whoever waits longest. */
function tell({ open }: Session, line: string): void {
  const message = JSON.parse(line) as Message
  const key = message.method === undefined ? JSON.stringify(message.id) : [...open.keys()][0]
  const response = open.get(key ?? '')
  response?.write(`event: message\ndata: ${line}\n\n`)
  if (message.method !== undefined) return
  response?.end()
  open.delete(key ?? '')
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
