/** A token of RSA keys behind p11-kit's protocol, written from its other side, with switches for what can go wrong. */
import { privateEncrypt, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface FakeToken extends AsyncDisposable {
  readonly socket: string
  readonly folder: string
  /** The PINs that were tried. */
  readonly pins: string[]
  /** Connections that were opened. */
  connections: number
  /** Behind the label `ca-key`, their handles from 1. */
  keys: readonly KeyObject[]
  pin: string
  /** Whether four octets stand behind a mechanism without parameters, as before p11-kit 0.25.6. */
  hasOctetsBehindMechanism: boolean
  /** What is sent instead of the answer to a call: octets, or nothing at all. */
  instead: ((call: string, tag: number) => Buffer | 'nothing' | undefined) | undefined
  /** Closes every connection. */
  drop(): void
}

const kinds: Readonly<Record<number, readonly [call: string, response: string]>> = {
  1: ['C_Initialize', ''],
  4: ['C_GetSlotList', 'au'],
  6: ['C_GetTokenInfo', 'ssssuuuuuuuuuuuvvs'],
  10: ['C_OpenSession', 'u'],
  18: ['C_Login', ''],
  26: ['C_FindObjectsInit', ''],
  27: ['C_FindObjects', 'au'],
  28: ['C_FindObjectsFinal', ''],
  42: ['C_SignInit', ''],
  43: ['C_Sign', 'ay'],
}

const keyHandleInvalid = 0x60n
const pinIncorrect = 0xa0n
const notLoggedIn = 0x101n
const operationNotInitialized = 0x91n

class Token implements FakeToken {
  readonly folder: string
  readonly socket: string
  readonly pins: string[] = []
  connections = 0
  keys: readonly KeyObject[]
  pin = '1234'
  hasOctetsBehindMechanism = true
  instead: FakeToken['instead']
  readonly #server: Server
  readonly #open = new Set<Socket>()

  constructor(folder: string, keys: readonly KeyObject[]) {
    this.folder = folder
    this.socket = join(folder, 'p11')
    this.keys = keys
    this.#server = createServer((socket) => this.#serve(socket))
  }

  async open(): Promise<this> {
    this.#server.listen(this.socket)
    await once(this.#server, 'listening')
    return this
  }

  drop(): void {
    for (const socket of this.#open) socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.drop()
    this.#server.close()
    await rm(this.folder, { recursive: true })
  }

  #serve(socket: Socket): void {
    this.connections += 1
    this.#open.add(socket)
    let received: Buffer = Buffer.alloc(0)
    let hasVersion = false
    const session = { isLoggedIn: false, key: undefined as KeyObject | undefined }
    socket.on('error', () => {})
    socket.on('close', () => this.#open.delete(socket))
    socket.on('data', (octets: Buffer) => {
      received = Buffer.concat([received, octets])
      if (!hasVersion) {
        socket.write(Buffer.of(received[0] ?? 9))
        received = received.subarray(1)
        hasVersion = true
      }
      while (received.length >= 12 && received.length >= 12 + received.readUInt32BE(8)) {
        const end = 12 + received.readUInt32BE(8)
        const tag = received.readUInt32BE(0)
        const body = received.subarray(12, end)
        const [call = '', response = ''] = kinds[body.readUInt32BE(0)] ?? []
        const values = body.subarray(8 + body.readUInt32BE(4))
        const instead = this.instead?.(call, tag)
        const said = this.#answer(call, values, session)
        if (instead === undefined) socket.write(message(tag, said, body.readUInt32BE(0), response))
        else if (instead !== 'nothing') socket.write(instead)
        received = received.subarray(end)
      }
    })
  }

  /** The values of the answer, or what is returned instead. */
  #answer(
    call: string,
    values: Buffer,
    session: { isLoggedIn: boolean; key: KeyObject | undefined },
  ): Buffer | bigint {
    if (call === 'C_GetSlotList') return numbers([7n])
    if (call === 'C_GetTokenInfo') return text('ca'.padEnd(32))
    if (call === 'C_OpenSession') return number(1n)
    if (call === 'C_Login') {
      const pin = values.subarray(21).toString('utf8')
      this.pins.push(pin)
      if (pin !== this.pin) return pinIncorrect
      session.isLoggedIn = true
    }
    if (call === 'C_FindObjects') {
      return numbers(session.isLoggedIn ? this.keys.map((_, at) => BigInt(at + 1)) : [])
    }
    if (call === 'C_SignInit') {
      if (!session.isLoggedIn) return notLoggedIn
      const handle = values.readBigUInt64BE(this.hasOctetsBehindMechanism ? 16 : 12)
      session.key = this.keys[Number(handle) - 1]
      return session.key === undefined ? keyHandleInvalid : Buffer.alloc(0)
    }
    if (call === 'C_Sign') {
      if (session.key === undefined) return operationNotInitialized
      const signed = values.subarray(13, 13 + values.readUInt32BE(9))
      const signature = privateEncrypt(session.key, signed)
      return Buffer.concat([Buffer.of(1), text(signature)])
    }
    return Buffer.alloc(0)
  }
}

export async function startFakeToken(keys: readonly KeyObject[]): Promise<FakeToken> {
  return new Token(await mkdtemp(join(tmpdir(), 'countersign-token-')), keys).open()
}

export function message(
  tag: number,
  said: Buffer | bigint,
  call: number,
  response: string,
): Buffer {
  const failed = typeof said === 'bigint'
  const body = Buffer.concat([
    uint32(failed ? 0 : call),
    text(failed ? 'u' : response),
    failed ? number(said) : said,
  ])
  return Buffer.concat([uint32(tag), uint32(0), uint32(body.length), body])
}

function uint32(value: number): Buffer {
  const octets = Buffer.alloc(4)
  octets.writeUInt32BE(value)
  return octets
}

function number(value: bigint): Buffer {
  const octets = Buffer.alloc(8)
  octets.writeBigUInt64BE(value)
  return octets
}

function text(value: string | Buffer): Buffer {
  const octets = Buffer.from(value)
  return Buffer.concat([uint32(octets.length), octets])
}

function numbers(values: readonly bigint[]): Buffer {
  return Buffer.concat([Buffer.of(1), uint32(values.length), ...values.map(number)])
}
