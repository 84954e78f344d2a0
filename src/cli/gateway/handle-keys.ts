import { randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { open, readdir, realpath, stat, type FileHandle } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { CountersignError, quoted } from '../../errors.ts'
import {
  createHandleKey,
  handleKeyBytes,
  oneHandleKey,
  orderHandleKeys,
  type HandleKeySource,
  type PlacedKey,
} from '../../gateway/handle/keys.ts'
import type { Log } from '../../log.ts'
import { openReloadingFiles } from '../../pki/reloading-files.ts'
import type { Condition } from '../../readiness.ts'
import type { GatewayConfig } from './gateway-configuration.ts'

/** One that seals, one that comes, and those of which handles are still out. */
const keysMax = 16

const hint = 'make one with: openssl rand -out <file> 32; docs/OPERATING.md, Keys of handles'

export interface OpenHandleKeys extends HandleKeySource, AsyncDisposable {
  condition(): Omit<Condition, 'name'>
}

type Configured = Pick<GatewayConfig, 'handleKeys' | 'production'>

/**
 * Opens the keys that handles are sealed with, and follows them: a key that comes opens at once, one that goes opens nothing any more.
 * Without any configured, that of this start is taken. Throws `cli/configuration`.
 */
export async function openHandleKeys(
  { handleKeys: path }: Configured,
  { ofThisStart, now, log }: { ofThisStart: Buffer; now: () => number; log: Log },
): Promise<OpenHandleKeys> {
  if (path === undefined) {
    const reason = 'made at this start: no handle outlives it, or works on another replica'
    return {
      ...oneHandleKey(ofThisStart),
      condition: () => ({ ok: true, reason }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }
  }
  const placed = createPlaces(now)
  const files = await openReloadingFiles({
    // Changes are seen in the folder that holds what is watched: kubelet swaps a link in it.
    files: [join(path, '..data'), path],
    read: async () => (await readKeys(path)).map(formatKeyFile),
    code: 'cli/configuration',
    parse: (texts) => placed(texts.map(parseKeyFile)),
    log,
  })
  return {
    current: () => files.current().source.current(),
    condition() {
      const { ids, source } = files.current()
      const said = formatKeys(ids, source.current().sealing.id)
      const { problem } = files
      if (problem === undefined) return { ok: true, reason: said }
      return { ok: false, optional: true, reason: `${said}; what is there now: ${problem.message}` }
    },
    [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
  }
}

/**
 * The key of a start that is given none, for all its processes. Throws `cli/configuration` where production demands keys, or where those
 * that are configured cannot be read.
 */
export async function keyOfThisStart(config: Configured, log: Log): Promise<Buffer> {
  const { handleKeys: path, production } = config
  if (path === undefined && production) {
    throw new CountersignError('cli/configuration', 'handleKeys: required in production', {
      hint: `without it no session outlives a restart or is known to another replica; ${hint}`,
    })
  }
  if (path === undefined) {
    const not = 'handles do not outlive this process, and do not work on other replicas'
    log.warn({ field: 'handleKeys' }, `no keys are configured: ${not}`)
  } else createPlaces(Date.now)(await readKeys(path))
  return randomBytes(handleKeyBytes)
}

interface KeyFile {
  readonly name: string
  readonly octets: Buffer
  /** Milliseconds since the epoch. */
  readonly writtenAt: number
}

/** What of it a change is known by: kubelet writes every file of a Secret anew when one of them changes. */
function formatKeyFile({ name, octets, writtenAt }: KeyFile): string {
  return JSON.stringify([name, octets.toString('hex'), writtenAt])
}

function parseKeyFile(text: string): KeyFile {
  const [name, hex, writtenAt] = JSON.parse(text) as [string, string, number]
  return { name, octets: Buffer.from(hex, 'hex'), writtenAt }
}

interface PlacedKeys {
  readonly source: HandleKeySource
  readonly ids: readonly string[]
}

/** By their ids, which stand in every handle and tell nothing of a key: so it is seen whether replicas have the same. */
function formatKeys(ids: readonly string[], sealing: string): string {
  const others = ids.filter((id) => id !== sealing)
  const count = others.length === 0 ? 'one key' : `${ids.length} keys`
  const opens = others.length === 0 ? '' : `, ${others.join(' ')} opens`
  return `${count}, ${sealing} seals${opens}`
}

/** Puts keys in the order of their names, and remembers since when each is here: at the start since it was written. */
function createPlaces(now: () => number): (files: readonly KeyFile[]) => PlacedKeys {
  let known: ReadonlyMap<string, number> | undefined
  return (files) => {
    const nameOf = new Map<string, string>()
    const placed = files.map(({ name, octets, writtenAt }): PlacedKey => {
      const key = createHandleKey(octets)
      const other = nameOf.get(key.id)
      if (other !== undefined) throw wrong(`${quoted(other)} and ${quoted(name)} are one key`)
      nameOf.set(key.id, name)
      const first = known === undefined ? Math.min(writtenAt, now()) : now()
      return { key, since: known?.get(key.id) ?? first }
    })
    const [oldest, ...rest] = placed
    if (oldest === undefined) throw wrong(`want=1..${keysMax} keys got=0`)
    known = new Map(placed.map(({ key, since }) => [key.id, since]))
    return { source: orderHandleKeys([oldest, ...rest], now), ids: [...known.keys()] }
  }
}

/** The keys of a file or a folder, in the order of their names. What begins with a dot is kubelet's own. */
async function readKeys(path: string): Promise<readonly KeyFile[]> {
  const there = await told(path, stat(path))
  if (!there.isDirectory()) return [await readKey(path)]
  // kubelet swaps the link: what it leads to is of one moment.
  const folder = await told(
    path,
    realpath(join(path, '..data')).catch(() => realpath(path)),
  )
  const names = (await told(path, readdir(folder))).filter((name) => !name.startsWith('.'))
  if (names.length > keysMax) throw wrong(`want=1..${keysMax} keys got=${names.length}`)
  return Promise.all(names.toSorted().map((name) => readKey(join(folder, name))))
}

async function readKey(file: string): Promise<KeyFile> {
  await using handle = await told(file, open(file, 'r'))
  const there = await told(file, handle.stat())
  checkFile(basename(file), there)
  const octets = await told(file, readWhole(handle))
  return { name: basename(file), octets, writtenAt: there.mtimeMs }
}

async function readWhole(handle: FileHandle): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(handleKeyBytes), 0)
  return buffer.subarray(0, bytesRead)
}

/** Whoever can write a key can make handles: it is the administrator's, or ours, and nobody else may change it. */
function checkFile(name: string, there: Stats): void {
  const { mode, uid, size } = there
  const own = process.geteuid?.()
  if (!there.isFile()) throw wrong(`key ${quoted(name)}: want=a file`)
  if (size !== handleKeyBytes) {
    throw wrong(`key ${quoted(name)}: want=${handleKeyBytes} octets got=${size}`)
  }
  if (uid !== 0 && uid !== own) {
    throw wrong(`key ${quoted(name)} belongs to somebody else, want=uid 0 or ${own} got=${uid}`)
  }
  if ((mode & 0o002) !== 0) {
    const got = (mode & 0o777).toString(8)
    throw wrong(`key ${quoted(name)} can be written by everybody, want=mode 0640 got=0${got}`)
  }
}

async function told<T>(path: string, promise: Promise<T>): Promise<T> {
  try {
    return await promise
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown'
    const message = `handleKeys: cannot read ${quoted(path, 300)}, got=${reason}`
    throw new CountersignError('cli/configuration', message, { cause, hint })
  }
}

function wrong(message: string): CountersignError {
  return new CountersignError('cli/configuration', `handleKeys: ${message}`, { hint })
}
