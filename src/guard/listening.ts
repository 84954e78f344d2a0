import { readFile } from 'node:fs/promises'
import { endianness } from 'node:os'

const tables = ['/proc/net/tcp', '/proc/net/tcp6'] as const

/** State of a socket that listens (Linux, include/net/tcp_states.h). */
const listen = '0A'

/** Whether something listens at a port, and whether something listens there that other machines may reach. */
export interface Listening {
  readonly onLoopback: boolean
  readonly elsewhere: boolean
}

/** Reads the tables of the network namespace, which is the whole pod's. */
export async function readListening(port: number): Promise<Listening> {
  const texts = await Promise.all(tables.map(readTable))
  return parseListening(texts.join('\n'), port)
}

/** A machine without IPv6 has no table of it. */
async function readTable(file: (typeof tables)[number]): Promise<string> {
  try {
    return await readFile(file, 'latin1')
  } catch (error) {
    if (file === '/proc/net/tcp6' && (error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}

/** Lines of `/proc/net/tcp` and `tcp6` (proc(5)): each 32 bits of an address are written as this machine reads a number. */
export function parseListening(text: string, port: number): Listening {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0')
  let [onLoopback, elsewhere] = [false, false]
  for (const line of text.split('\n')) {
    const [, local = '', , state] = line.trim().split(/\s+/)
    const [address = '', at] = local.split(':')
    if (state !== listen || at !== wanted) continue
    const bytes = inNetworkOrder(address)
    if (bytes.startsWith('7F') && bytes.length === 8) onLoopback = true
    else if (!loopback6.test(bytes)) elsewhere = true
  }
  return { onLoopback, elsewhere }
}

/** ::1, and 127.0.0.0/8 written as IPv6. */
const loopback6 = /^(0{31}1|0{20}FFFF7F[0-9A-F]{6})$/

function inNetworkOrder(address: string): string {
  if (endianness() === 'BE') return address
  const words = address.match(/.{8}/g) ?? []
  return words.map((word) => (word.match(/../g) ?? []).toReversed().join('')).join('')
}
