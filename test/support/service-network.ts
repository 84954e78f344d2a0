/**
 * The Services of a cluster, for a process on this machine: given with `--import`, it resolves names below `.svc` to addresses that a
 * Service could have, and connects to the ports of this machine that the file names (`?file=…`, JSON: `<name>:<port>` to port). What the
 * process asks of a name and an address before it connects it asks here, too.
 */
import dns from 'node:dns'
import { readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'

type Done = (error: Error | null, address?: unknown, family?: number) => void

interface Connecting {
  readonly host?: string
  readonly port?: number | string
  readonly lookup?: (name: string, options: dns.LookupOptions, done: Done) => void
}

const file = new URL(import.meta.url).searchParams.get('file') ?? ''
const isService = (name: string): boolean => name.endsWith('.svc')

const systemLookup = dns.lookup as (name: string, options: object, done: Done) => void

function lookup(name: string, options: { readonly all?: boolean | undefined }, done: Done): void {
  if (!isService(name)) return systemLookup(name, options, done)
  const [address, family] = ['10.96.0.10', 4]
  process.nextTick(() => {
    if (options.all === true) done(null, [{ address, family }])
    else done(null, address, family)
  })
}

/** Whatever address the process has found fit, the Service leads to this machine. */
function toHere(options: Connecting): Connecting {
  const { host = '', port } = options
  const services = JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<string, number>>
  return {
    ...options,
    // Nothing listens there.
    port: services[`${host}:${port}`] ?? 1,
    lookup(name, asked, done) {
      const look = options.lookup ?? lookup
      look(name, asked, (error, address, family) => {
        if (error !== null) done(error)
        else if (asked.all === true) done(null, [{ address: '127.0.0.1', family: 4 }])
        else done(null, address === undefined ? undefined : '127.0.0.1', family)
      })
    },
  }
}

// oxlint-disable-next-line typescript/unbound-method -- called with the socket below
const connect = net.Socket.prototype.connect as (...args: readonly unknown[]) => net.Socket

/** Node hands the arguments on as a list that it has marked as looked at: it stays that list. */
function redirect(args: unknown[]): unknown[] {
  const isServiceOf = (value: unknown): value is Connecting =>
    typeof value === 'object' && value !== null && isService(String((value as Connecting).host))
  for (const list of [args, args[0]]) {
    if (Array.isArray(list) && isServiceOf(list[0])) list[0] = toHere(list[0])
  }
  return args
}

Object.assign(dns, { lookup })
Object.assign(net.Socket.prototype, {
  connect(this: net.Socket, ...args: unknown[]) {
    return Reflect.apply(connect, this, redirect(args))
  },
})
syncBuiltinESMExports()
