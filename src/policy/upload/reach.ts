import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { readBearer, readTls } from '../service-credentials.ts'
import { messageOf, UploadError, type UploadTarget } from './post.ts'

/**
 * Connects to a receiver as the gateway does, with its authorities and a certificate of ours, and reads the token: nothing is sent, since
 * the protocol has nothing to ask with. Throws `UploadError`.
 */
export async function reachReceiver(
  target: UploadTarget,
  options: { readonly signal: AbortSignal; readonly milliseconds: number },
): Promise<void> {
  const url = new URL(target.url)
  try {
    await readBearer(target)
    const tls = await readTls(target)
    const host = url.hostname.replace(/^\[|\]$/g, '')
    const isTls = url.protocol === 'https:'
    const at = { host, port: Number(url.port === '' ? (isTls ? 443 : 80) : url.port) }
    const named = isIP(host) === 0 ? { servername: host } : {}
    const socket = isTls
      ? connectTls({ ...at, ...named, ...tls, minVersion: 'TLSv1.2' })
      : connectPlain(at)
    await connected(socket, { ...options, event: isTls ? 'secureConnect' : 'connect' })
  } catch (error) {
    if (error instanceof UploadError) throw error
    throw new UploadError(`receiver cannot be reached, got=${messageOf(error)}`)
  }
}

function connected(
  socket: Socket,
  how: {
    readonly event: 'connect' | 'secureConnect'
    readonly signal: AbortSignal
    readonly milliseconds: number
  },
): Promise<void> {
  const { event, signal, milliseconds } = how
  const reached = Promise.withResolvers<void>()
  const late = (): void =>
    reached.reject(new UploadError(`receiver does not answer in time, want=..${milliseconds} ms`))
  const stop = (): void => reached.reject(new UploadError('receiver is not asked any more'))
  const timer = setTimeout(late, milliseconds)
  socket.once(event, () => reached.resolve())
  socket.on('error', (error) => reached.reject(error))
  signal.addEventListener('abort', stop, { once: true })
  return reached.promise.finally(() => {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
    socket.destroy()
  })
}
