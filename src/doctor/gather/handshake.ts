import { isIP } from 'node:net'
import { connect, type DetailedPeerCertificate } from 'node:tls'
import type { Fact, HandshakeFact } from '../facts.ts'

const milliseconds = 5000
const chainMax = 10

/**
 * The certificates that a server shows under a name. Nothing is sent and nothing is believed: the checks verify what was shown. A server
 * that wants our certificate says so only after it has shown its own (TLS 1.3, RFC 8446 §4.4).
 */
export function learnHandshake(options: {
  readonly host: string
  readonly port: number
  readonly serverName: string
  readonly signal: AbortSignal
}): Promise<Fact<HandshakeFact>> {
  const { host, port, serverName, signal } = options
  const address = `${host}:${port}`
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      // An address is no name (RFC 6066 §3).
      ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
      minVersion: 'TLSv1.3',
      rejectUnauthorized: false,
      timeout: milliseconds,
    })
    const end = (fact: Fact<HandshakeFact>): void => {
      signal.removeEventListener('abort', stop)
      socket.destroy()
      resolve(fact)
    }
    const stop = (): void => {
      socket.destroy()
      reject(signal.reason as Error)
    }
    signal.addEventListener('abort', stop, { once: true })
    const miss = (why: string): void => end({ known: false, why: `${address}: ${why}` })
    socket.on('error', (error) => miss((error as NodeJS.ErrnoException).code ?? 'no TLS'))
    socket.once('timeout', () => miss(`no answer within ${milliseconds / 1000} s`))
    socket.once('end', () => miss('closed without a handshake'))
    socket.once('secureConnect', () => {
      const chain = chainOf(socket.getPeerCertificate(true))
      end({ known: true, value: { address, chain } })
    })
  })
}

/** Leaf first; the last one of a whole chain names itself as its issuer. */
function chainOf(leaf: DetailedPeerCertificate): readonly Buffer[] {
  const chain: Buffer[] = []
  let certificate: DetailedPeerCertificate | undefined = leaf
  while (certificate?.raw !== undefined && chain.length < chainMax) {
    chain.push(certificate.raw)
    const issuer: DetailedPeerCertificate | undefined = certificate.issuerCertificate
    certificate = issuer === certificate ? undefined : issuer
  }
  return chain
}
