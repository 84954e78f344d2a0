import { hash } from 'node:crypto'
import { watch } from 'node:fs'
import type { FSWatcher } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CountersignError, quoted } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import type { Log } from '../log.ts'

/** A value made of files, as they were when they last were good. */
export interface Reloading<T> extends AsyncDisposable {
  /** While nothing was good yet, throws why. */
  current(): T
  /** Why what the files hold now is not what is in force. */
  readonly problem: CountersignError | undefined
  /** Calls the listener after each change; gives what ends that. */
  onChange(listener: () => void): () => void
}

export interface ReloadingFilesOptions<T> {
  readonly files: readonly string[]
  /** Reads what is no text of these files alone; what it gives is compared, and parsed. */
  readonly read?: () => Promise<readonly string[]>
  /** Code for what cannot be read. */
  readonly code: ErrorCode
  readonly parse: (texts: readonly string[]) => T
  readonly log: Log
  /** Somebody else writes the files, perhaps later than we start: what is not good at first is waited for. */
  readonly awaited?: boolean
  /** Of one file, default 2 MiB: far above every file of keys and certificates. What is larger is not read to its end. */
  readonly octetsMax?: number | undefined
  /** Told of each change after the first read: of a content that is not good once, however often it is read. */
  readonly onReload?: (outcome: 'taken' | 'refused') => void
  /** Between two reads without an event, default 10. */
  readonly pollSeconds?: number
}

const octetsMaxDefault = 2 * 1024 * 1024

/** Several writes of one change arrive as several events: they are read once. */
const settleMilliseconds = 20

/**
 * Opens files and follows them: by watching their folders, because kubelet swaps the `..data` symlink and never writes the file itself,
 * and by reading them every few seconds, because watchers miss changes (linkerd2#15109). What cannot be parsed leaves the last good value
 * in force. Throws the parser's failure when the first content is neither good nor awaited.
 */
export async function openReloadingFiles<T>(
  options: ReloadingFilesOptions<T>,
): Promise<Reloading<T>> {
  const files = new ReloadingFiles(options)
  await files.open()
  return files
}

class ReloadingFiles<T> implements Reloading<T> {
  readonly #options: ReloadingFilesOptions<T>
  readonly #listeners = new Set<() => void>()
  /** By the folder's name: a watcher follows what had that name when it began, also when it is not there any more. */
  readonly #watchers = new Map<string, { readonly watcher: FSWatcher; readonly identity: string }>()
  #poll: NodeJS.Timeout | undefined
  #settle: NodeJS.Timeout | undefined
  #value: T | undefined
  /** Digest of the content that `#value` was made of. */
  #digest = ''
  /** Of the last read; a file that stays broken is said once. */
  #failure: Error | undefined
  #reading: Promise<void> = Promise.resolve()
  #closed = false

  constructor(options: ReloadingFilesOptions<T>) {
    this.#options = options
  }

  async open(): Promise<void> {
    const { awaited, pollSeconds = 10 } = this.#options
    await this.#reload()
    if (this.#failure !== undefined && awaited !== true) throw this.#failure
    this.#poll = setInterval(() => this.#read(), pollSeconds * 1000)
    this.#poll.unref()
    await this.#watch()
    // The files may have changed between the first read and the watch.
    this.#read()
  }

  current(): T {
    if (this.#value === undefined) throw this.#failure ?? new TypeError('files are not read yet')
    return this.#value
  }

  get problem(): CountersignError | undefined {
    if (this.#failure === undefined || this.#failure instanceof CountersignError)
      return this.#failure
    const { code } = this.#options
    return new CountersignError(code, this.#failure.message, { cause: this.#failure })
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    clearInterval(this.#poll)
    clearTimeout(this.#settle)
    for (const { watcher } of this.#watchers.values()) watcher.close()
    this.#listeners.clear()
    await this.#reading
  }

  /**
   * Kubelet swaps a link above a file that is projected into a folder of the volume, and so gives its folder's name to another one: that is
   * watched from then on.
   */
  async #watch(): Promise<void> {
    const { files, log } = this.#options
    for (const folder of new Set(files.map((file) => dirname(file)))) {
      const identity = await identityOf(folder)
      const before = this.#watchers.get(folder)
      if (this.#closed || (before !== undefined && before.identity === identity)) continue
      before?.watcher.close()
      this.#watchers.delete(folder)
      try {
        const watcher = watch(folder, { persistent: false }, () => this.#soon())
        watcher.on('error', () => {
          watcher.close()
          if (this.#watchers.get(folder)?.watcher === watcher) this.#watchers.delete(folder)
        })
        this.#watchers.set(folder, { watcher, identity })
      } catch {
        // The poll serves alone, and tries to watch again.
        log.debug({ folder }, 'folder cannot be watched, its files are polled')
      }
    }
  }

  #soon(): void {
    if (this.#closed) return
    clearTimeout(this.#settle)
    this.#settle = setTimeout(() => this.#read(), settleMilliseconds)
    this.#settle.unref()
  }

  /** Reads one after the other: an older content never replaces a newer one. */
  #read(): void {
    this.#reading = this.#reading.then(async () => {
      if (this.#closed) return
      await this.#watch()
      await this.#reload()
    })
  }

  async #reload(): Promise<void> {
    const { files, parse, log, awaited, read = () => readFiles(this.#options) } = this.#options
    const isFirst = this.#value === undefined
    const wasBroken = this.#failure !== undefined
    try {
      const texts = await read()
      const digest = digestOf(texts)
      const isSame = digest === this.#digest
      if (!isSame) this.#value = parse(texts)
      this.#digest = digest
      this.#failure = undefined
      if (isSame) return
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error))
      const isNew = failure.message !== this.#failure?.message
      this.#failure = failure
      if (!isNew || (isFirst && awaited !== true)) return
      const stay = 'files are not good, the last good ones stay in use'
      log.warn({ files, error }, isFirst ? 'files are awaited' : stay)
      this.#options.onReload?.('refused')
      return
    }
    if (isFirst && !wasBroken) return
    log.info({ files }, 'files changed')
    this.#options.onReload?.('taken')
    for (const listener of this.#listeners) this.#tell(listener)
  }

  #tell(listener: () => void): void {
    try {
      listener()
    } catch (error) {
      this.#options.log.error({ error }, 'listener of changed files threw')
    }
  }
}

/** With its birth: a number is given again once what had it is gone. Empty where there is none. */
async function identityOf(folder: string): Promise<string> {
  const found = await stat(folder).catch(() => undefined)
  return found === undefined ? '' : `${found.dev}:${found.ino}:${found.birthtimeMs}`
}

function digestOf(texts: readonly string[]): string {
  return hash('sha256', JSON.stringify(texts), 'hex')
}

type Bounds = Pick<ReloadingFilesOptions<unknown>, 'code' | 'octetsMax'>

function readFiles(options: Bounds & { readonly files: readonly string[] }): Promise<string[]> {
  return Promise.all(options.files.map((file) => readBounded(file, options)))
}

/** One open, one handle, one close (SPIFFE Filesystem Delivery): the content is of one moment. */
async function readBounded(
  file: string,
  { code, octetsMax = octetsMaxDefault }: Bounds,
): Promise<string> {
  try {
    await using handle = await open(file, 'r')
    const { size } = await handle.stat()
    if (size > octetsMax) {
      throw new CountersignError(
        code,
        `file ${quoted(file, 200)} is too large, want=..${octetsMax} got=${size}`,
      )
    }
    return await handle.readFile('utf8')
  } catch (error) {
    if (error instanceof CountersignError) throw error
    const reason = (error as NodeJS.ErrnoException).code ?? 'unknown'
    throw new CountersignError(code, `file ${quoted(file, 200)} cannot be read, got=${reason}`, {
      cause: error,
    })
  }
}
