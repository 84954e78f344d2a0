import type { IncomingMessage } from 'node:http'
import { request, type RequestOptions } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { CountersignError } from '../errors.ts'
import type { SpiffeId } from '../identity/spiffe-id.ts'
import type { Bundle } from '../pki/bundle.ts'
import { intermediatesOf } from '../pki/peer-chain.ts'
import { parseX509Svid, verifyX509Svid } from '../pki/x509-svid.ts'
import { documentOctetsMax } from './parse-bundle.ts'

/** How an endpoint shows that it is itself (SPIFFE Federation §5.2). */
export type EndpointProof =
  | {
      readonly profile: 'https_web'
      /** PEM of the authorities that its certificate is of, as `parseAuthorities` reads it; those of the system where absent. */
      readonly caPem?: string | undefined
    }
  | {
      readonly profile: 'https_spiffe'
      readonly spiffeId: SpiffeId
      /** Of the SPIFFE ID's own trust domain. */
      readonly bundle: Bundle
    }

const timeoutMilliseconds = 10_000
const headerOctetsMax = 16 * 1024

/**
 * Reads the document at an endpoint: one request on a connection of its own, to nobody else (a redirect is refused: what an endpoint
 * says of a trust domain is said there). Throws `federation/endpoint`.
 */
export async function fetchBundleDocument(options: {
  readonly url: URL
  readonly proof: EndpointProof
  readonly now: () => number
  readonly signal: AbortSignal
}): Promise<string> {
  const { url, proof, now, signal } = options
  try {
    const ends = AbortSignal.any([signal, AbortSignal.timeout(timeoutMilliseconds)])
    return await read(url, { proof, now, signal: ends })
  } catch (cause) {
    if (cause instanceof CountersignError && cause.code === 'federation/endpoint') throw cause
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new CountersignError('federation/endpoint', `${url.host}: ${why}`, { cause })
  }
}

function read(
  url: URL,
  options: {
    readonly proof: EndpointProof
    readonly now: () => number
    readonly signal: AbortSignal
  },
): Promise<string> {
  const { proof, now, signal } = options
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const asked = request(url, {
    agent: false,
    signal,
    headers: { accept: 'application/json', 'user-agent': 'countersign' },
    maxHeaderSize: headerOctetsMax,
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
    ...trustOf(proof),
  })
  // What TLS takes is not yet the endpoint that was meant: nothing is read before that is known.
  let isProved = proof.profile === 'https_web'
  asked.on('error', reject)
  asked.on('socket', (socket) => {
    socket.once('secureConnect', () => {
      try {
        if (proof.profile === 'https_spiffe') verifyEndpoint(socket as TLSSocket, proof, now())
        isProved = true
      } catch (error) {
        asked.destroy(error as Error)
      }
    })
  })
  asked.on('response', (response) => {
    if (isProved) readBody(response).then(resolve, reject)
    else asked.destroy(refused('endpoint has not proved who it is'))
  })
  asked.end()
  return promise.finally(() => asked.destroy())
}

function trustOf(proof: EndpointProof): RequestOptions {
  if (proof.profile === 'https_web') {
    return proof.caPem === undefined ? {} : { ca: thereIs(proof.caPem) }
  }
  // An SVID is known by its SPIFFE ID, and not by the host name of the URL.
  return { ca: thereIs(proof.bundle.pem), checkServerIdentity: () => undefined }
}

/** Of an empty text Node makes the authorities of the system: nobody is not anybody. */
function thereIs(pem: string): string {
  if (pem === '') throw refused('endpoint has no authority that it could be known by')
  return pem
}

/** Throws `federation/endpoint`, `pki/…`. */
function verifyEndpoint(
  socket: TLSSocket,
  { spiffeId, bundle }: EndpointProof & { readonly profile: 'https_spiffe' },
  now: number,
): void {
  // Before the leaf, which Node takes off the chain when it is asked for it (nodejs/node#65579).
  const intermediates = intermediatesOf(socket, { intermediates: [] })
  const svid = parseX509Svid(socket.getPeerX509Certificate()?.raw ?? Buffer.alloc(0))
  if (svid.spiffeId.uri !== spiffeId.uri) {
    throw refused(`endpoint is somebody else, want=${spiffeId.uri} got=${svid.spiffeId.uri}`)
  }
  verifyX509Svid(svid, { bundle, intermediates, now })
}

async function readBody(response: IncomingMessage): Promise<string> {
  const { statusCode } = response
  if (statusCode !== 200) throw refused(`endpoint answers ${statusCode}, want=200`)
  const chunks: Buffer[] = []
  let octets = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    octets += chunk.length
    if (octets > documentOctetsMax) throw refused(`answer is too long, want=..${documentOctetsMax}`)
    chunks.push(chunk)
  }
  if (!response.complete) throw refused('answer was cut short')
  return Buffer.concat(chunks).toString('utf8')
}

function refused(message: string): CountersignError {
  return new CountersignError('federation/endpoint', message)
}
