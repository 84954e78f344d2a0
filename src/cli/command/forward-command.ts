import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { openCountersignFetch } from '../../agent/countersign-fetch.ts'
import { CountersignError, quoted } from '../../errors.ts'
import { insideHost } from '../../guard/inside.ts'
import { createOutward } from '../../guard/outward.ts'
import { listenOnSocket } from '../../guard/socket.ts'
import { createLog } from '../create-log.ts'
import { listening } from '../listening.ts'
import type { Terminal } from '../terminal.ts'
import { targetOf, type BridgeOptions } from './bridge-command.ts'

export interface ForwardOptions extends BridgeOptions {
  readonly port?: string
  readonly socket?: string
  readonly group?: boolean
}

/** What is under way when it is told to end has so long. */
const endMilliseconds = 5000
const connectionsMax = 256

/** Serves until it is told to end. */
export async function runForward(options: ForwardOptions, terminal: Terminal): Promise<void> {
  const place = placeOf(options)
  const { url, ...target } = await targetOf(options, 'forward')
  const { signal } = terminal
  if (signal.aborted) return
  const log = createLog({ name: 'forward' })
  await using gateway = await openCountersignFetch({ ...target, log })
  const onSocket = 'socket' in place
  const server = createServer(createOutward({ url, fetch: gateway.fetch, onSocket, log }))
  server.maxConnections = connectionsMax
  const told = onSocket ? await openSocket(server, place) : await openPort(server, place)
  log.info(told, 'forwarding')
  if (!signal.aborted) await once(signal, 'abort')
  const closed = once(server, 'close')
  server.close()
  setTimeout(() => server.closeAllConnections(), endMilliseconds).unref()
  await closed
}

/** Where it answers. */
type Place = { readonly port: number } | { readonly socket: string; readonly group: boolean }

const defaultPort = '8089'

function placeOf({ port: text, socket, group = false }: ForwardOptions): Place {
  const refused = (why: string): CountersignError =>
    new CountersignError('cli/usage', `forward: ${why}`, { hint: 'countersign forward --help' })
  if (socket !== undefined) {
    if (text === undefined) return { socket, group }
    throw refused('want=--port or --socket, not both')
  }
  if (group) throw refused('want=--group beside --socket')
  const port = Number(text ?? defaultPort)
  if (/^\d{1,5}$/.test(text ?? defaultPort) && port <= 65_535) return { port }
  throw refused(`port: want=0..65535 got=${quoted(text ?? '')}`)
}

async function openSocket(
  server: Server,
  { socket, group }: Extract<Place, { readonly socket: string }>,
): Promise<object> {
  await listenOnSocket(server, socket, { group })
  return { socket }
}

async function openPort(
  server: Server,
  { port }: Extract<Place, { readonly port: number }>,
): Promise<object> {
  await listening('listen', { host: insideHost, port }, async () => {
    server.listen(port, insideHost)
    await once(server, 'listening')
  })
  return { port: (server.address() as AddressInfo).port }
}
