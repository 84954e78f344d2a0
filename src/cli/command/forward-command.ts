import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { openCountersignFetch } from '../../agent/countersign-fetch.ts'
import { CountersignError, quoted } from '../../errors.ts'
import { insideHost } from '../../guard/inside.ts'
import { createOutward } from '../../guard/outward.ts'
import { createLog } from '../create-log.ts'
import { listening } from '../listening.ts'
import type { Terminal } from '../terminal.ts'
import { targetOf, type BridgeOptions } from './bridge-command.ts'

export interface ForwardOptions extends BridgeOptions {
  readonly port: string
}

/** What is under way when it is told to end has so long. */
const endMilliseconds = 5000
const connectionsMax = 256

/** Serves until it is told to end. */
export async function runForward(options: ForwardOptions, terminal: Terminal): Promise<void> {
  const port = Number(options.port)
  if (!/^\d{1,5}$/.test(options.port) || port > 65_535) {
    throw new CountersignError(
      'cli/usage',
      `forward: port: want=0..65535 got=${quoted(options.port)}`,
      { hint: 'countersign forward --help' },
    )
  }
  const { url, ...target } = await targetOf(options, 'forward')
  const { signal } = terminal
  if (signal.aborted) return
  const log = createLog({ name: 'forward' })
  await using gateway = await openCountersignFetch({ ...target, log })
  const server = createServer(createOutward({ url, fetch: gateway.fetch, log }))
  server.maxConnections = connectionsMax
  await listening('listen', { host: insideHost, port }, async () => {
    server.listen(port, insideHost)
    await once(server, 'listening')
  })
  log.info({ port: (server.address() as AddressInfo).port }, 'forwarding')
  if (!signal.aborted) await once(signal, 'abort')
  const closed = once(server, 'close')
  server.close()
  setTimeout(() => server.closeAllConnections(), endMilliseconds).unref()
  await closed
}
