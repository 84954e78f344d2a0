import { createInterface } from 'node:readline'

/*
 * A server on standard input and output that does what a test tells it in the arguments of a call, and says in its result what it was sent.
 */

interface Sent {
  readonly id?: string | number
  readonly method?: string
  readonly result?: object
  readonly params?: {
    readonly arguments?: { readonly act?: string; readonly text?: string }
    readonly ['_meta']?: { readonly progressToken?: string | number }
  }
}

function say(message: object | string): void {
  process.stdout.write(typeof message === 'string' ? message : `${JSON.stringify(message)}\n`)
}

const seen: string[] = []
let asking: string | number | undefined

function call({ id, params }: Sent, line: string): void {
  const { act, text = '' } = params?.arguments ?? {}
  const progressToken = params?.['_meta']?.progressToken
  const done = (): void => say({ jsonrpc: '2.0', id, result: { pid: process.pid, line, seen } })
  if (act === 'progress') {
    const told = { progressToken, progress: 1 }
    say({ jsonrpc: '2.0', method: 'notifications/progress', params: told })
    say({
      jsonrpc: '2.0',
      method: 'notifications/progress',
      params: { ...told, progressToken: 77 },
    })
    return done()
  }
  if (act === 'ask') {
    asking = id
    return say({
      jsonrpc: '2.0',
      id: 'q',
      method: 'elicitation/create',
      params: { message: 'sure?' },
    })
  }
  if (act === 'environment') return say({ jsonrpc: '2.0', id, result: { env: process.env } })
  if (act === 'exit') process.exit(3)
  if (act === 'hang') return undefined
  if (act === 'raw') say(text)
  if (act === 'complain')
    for (let at = 0; at < 200; at += 1) process.stderr.write(`${text} ${at}\n`)
  return done()
}

for await (const line of createInterface({ input: process.stdin })) {
  const sent = JSON.parse(line) as Sent
  seen.push(line)
  if (sent.method === 'initialize') {
    const result = {
      protocolVersion: '2025-11-25',
      capabilities: {},
      serverInfo: { name: 'stdio' },
    }
    say({ jsonrpc: '2.0', id: sent.id, result })
  } else if (sent.method === 'tools/call') call(sent, line)
  else if (sent.result !== undefined) {
    say({ jsonrpc: '2.0', id: asking, result: { line } })
  } else if (sent.id !== undefined) say({ jsonrpc: '2.0', id: sent.id, result: { line, seen } })
}
