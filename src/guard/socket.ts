import { once } from 'node:events'
import { constants } from 'node:fs'
import { chmod, lstat, mkdir, open, rm } from 'node:fs/promises'
import { connect, type Server } from 'node:net'
import { dirname, resolve } from 'node:path'
import { CountersignError, quoted } from '../errors.ts'

/** What every system can bind (Linux, unix(7): `sun_path`, with its end). */
const octetsMax = 107

/**
 * Listens on a Unix socket that its owner, and with `group` its group, can connect to and nobody else, at no moment: its folder lets nobody
 * else in, and is made where there is none. What another life has left there is taken away; a socket that somebody answers on is not. Throws `guard/socket`.
 */
export async function listenOnSocket(
  server: Server,
  path: string,
  { group }: { readonly group: boolean },
): Promise<void> {
  if (Buffer.byteLength(resolve(path)) > octetsMax) {
    throw refused(path, `is too long, want=..${octetsMax} octets`)
  }
  try {
    await closeFolder(dirname(resolve(path)), group)
    await clear(path)
    server.listen(path)
    await once(server, 'listening')
    await chmod(path, group ? 0o660 : 0o600)
  } catch (error) {
    server.close()
    if (error instanceof CountersignError) throw error
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    throw refused(path, `cannot be listened on, got=${code}`, error)
  }
}

/** Whoever may enter can connect before the socket has its mode, and whoever may write there can put another one in its place. */
async function closeFolder(folder: string, group: boolean): Promise<void> {
  const mode = group ? 0o750 : 0o700
  await mkdir(folder, { recursive: true, mode })
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants
  await using handle = await open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  const { uid, mode: found } = await handle.stat()
  const own = process.getuid?.()
  if (own !== undefined && uid !== own) {
    throw refused(folder, `is of another owner, want=${own} got=${uid}`)
  }
  if ((found & 0o777 & ~mode) !== 0) {
    const got = (found & 0o777).toString(8)
    throw refused(folder, `lets others in, want=${mode.toString(8)} got=${got}`)
  }
  // Whatever mask there is; what the mode has beyond these is its own, as a group that is inherited.
  if ((found & mode) !== mode) await handle.chmod((found & 0o7777) | mode)
}

async function clear(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined) return
  if (!found.isSocket()) throw refused(path, 'is there already, and no socket')
  if (await isAnswered(path)) throw refused(path, 'is answered by another program')
  await rm(path)
}

/** One that is too busy to take us (EAGAIN), or that we may not ask, is somebody's. */
const nobody: ReadonlySet<string | undefined> = new Set(['ECONNREFUSED', 'ENOENT'])

function isAnswered(path: string): Promise<boolean> {
  return new Promise((settle) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      settle(true)
    })
    socket.once('error', ({ code }: NodeJS.ErrnoException) => settle(!nobody.has(code)))
  })
}

function refused(path: string, why: string, cause?: unknown): CountersignError {
  return new CountersignError('guard/socket', `socket: ${quoted(path, 200)} ${why}`, {
    cause,
    hint: 'name one in a folder that is not there yet, and it is made: --socket /var/run/countersign/forward/gateway.sock',
  })
}
