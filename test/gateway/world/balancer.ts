import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** Spreads connections over ports as a Service does: octets both ways, and no idea of what they say. */
export interface Balancer extends AsyncDisposable {
  readonly port: number
  /** The ports that new connections go to, in turn. */
  endpoints: readonly number[]
  /** How many connections have gone to a port. */
  connectionsTo(port: number): number
  /** From now on nothing that clients send reaches this port: it is still on its way. */
  hold(port: number): void
  /** Ends every connection that is open. */
  cut(): void
  /** Octets on their way. */
  readonly heldOctets: number
}

export async function openBalancer(...endpoints: readonly number[]): Promise<Balancer> {
  const counts = new Map<number, number>()
  const held = new Set<number>()
  const sockets = new Set<Socket>()
  let heldOctets = 0
  let turn = 0
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const port = balancer.endpoints[(turn += 1) % balancer.endpoints.length] ?? 0
    counts.set(port, (counts.get(port) ?? 0) + 1)
    const target = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    for (const [one, other] of [
      [client, target],
      [target, client],
    ] as const) {
      sockets.add(one)
      one.on('data', (chunk: Buffer) => {
        if (one === client && held.has(port)) heldOctets += chunk.length
        else other.write(chunk)
      })
      one.on('end', () => other.end())
      one.on('error', () => other.destroy())
      one.on('close', () => sockets.delete(one))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const balancer: Balancer = {
    port: (server.address() as AddressInfo).port,
    endpoints,
    connectionsTo: (port) => counts.get(port) ?? 0,
    hold: (port) => void held.add(port),
    cut() {
      for (const socket of sockets) socket.destroy()
    },
    get heldOctets() {
      return heldOctets
    },
    async [Symbol.asyncDispose]() {
      balancer.cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return balancer
}
