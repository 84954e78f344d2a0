import { dirname } from 'node:path'
import type { LedgerDisk, LedgerFile, Standing } from '../../src/ledger/ledger-file.ts'

export type Operation =
  | 'size'
  | 'read'
  | 'write'
  | 'truncate'
  | 'sync'
  | 'standing'
  | 'close'
  | 'open'
  | 'link'
  | 'rename'
  | 'remove'
  | 'beside'
  | 'sync-folder'

/** What one call of an operation does instead of its work; `persisted` does its work and fails all the same. */
export type Fault =
  | { readonly kind: 'fails' | 'persisted'; readonly code: string }
  /** Writes so many octets, and says so. */
  | { readonly kind: 'short'; readonly octets: number }
  /** Writes so many octets, then fails. */
  | { readonly kind: 'torn'; readonly octets: number; readonly code: string }

interface Inode {
  written: Buffer
  synced: Buffer
}

function inode(content: Buffer): Inode {
  return { written: content, synced: content }
}

/** A disk in memory: what was synced, and what was only written, of files and of their names. */
export class MemoryDisk implements LedgerDisk {
  /** The names as the process sees them. */
  #names = new Map<string, Inode>()
  /** The names that a power cut leaves. */
  #durable = new Map<string, Inode>()
  /** The content of the first file that is opened. */
  #first: Inode | undefined
  #main: Inode
  readonly calls: Operation[] = []
  /** Called before every operation with how many of its kind came before. */
  faultAt: (operation: Operation, count: number) => Fault | undefined = () => undefined
  /** Resolves before a sync is done; a test may hold it back. */
  beforeSync: () => Promise<void> = async () => {}

  standing: Standing = 'named'

  constructor(content: Buffer = Buffer.alloc(0)) {
    this.#main = inode(content)
    this.#first = this.#main
  }

  /** What the process sees in the file that is the ledger now, or was when no other took its name. */
  get written(): Buffer {
    return this.#main.written
  }

  /** What a power cut leaves of it. */
  get synced(): Buffer {
    return this.#main.synced
  }

  /** By their names, what the process sees, or what a power cut leaves. */
  files(after: 'kill' | 'power-cut' = 'kill'): ReadonlyMap<string, Buffer> {
    const names = after === 'kill' ? this.#names : this.#durable
    return new Map(
      [...names].map(([name, { written, synced }]) => [name, after === 'kill' ? written : synced]),
    )
  }

  /** A disk with what is left; two names of one file stay so. */
  after(crash: 'kill' | 'power-cut'): MemoryDisk {
    const names = crash === 'kill' ? this.#names : this.#durable
    const copies = new Map<Inode, Inode>()
    const left = new MemoryDisk()
    left.#first = undefined
    for (const [name, file] of names) {
      const copy = copies.get(file) ?? inode(crash === 'kill' ? file.written : file.synced)
      copies.set(file, copy)
      left.#names.set(name, copy)
      left.#durable.set(name, copy)
    }
    return left
  }

  /** Puts a file there, or takes it away, as somebody else would. */
  put(name: string, content: Buffer | undefined): void {
    for (const names of [this.#names, this.#durable]) {
      if (content === undefined) names.delete(name)
      else names.set(name, inode(content))
    }
  }

  readonly open: LedgerDisk['open'] = async (name, access) => {
    this.#run('open', () => {
      if (this.#names.has(name)) return
      if (this.#first !== undefined) {
        this.#names.set(name, this.#first)
        this.#first = undefined
        return
      }
      if (access === 'read') throw failure('ENOENT')
      this.#names.set(name, inode(Buffer.alloc(0)))
    })
    if (access === 'write') this.#syncFolder()
    return this.#file(name, this.#names.get(name) as Inode)
  }

  async beside(file: string): Promise<readonly string[]> {
    return this.#run('beside', () =>
      [...this.#names.keys()].filter(
        (name) => name.startsWith(file) && dirname(name) === dirname(file),
      ),
    )
  }

  async remove(file: string): Promise<void> {
    if (!this.#names.has(file)) return
    this.#run('remove', () => this.#names.delete(file))
    this.#syncFolder()
  }

  #syncFolder(): void {
    this.#run('sync-folder', () => {
      this.#durable = new Map(this.#names)
    })
  }

  #file(path: string, file: Inode): LedgerFile {
    let named = path
    return {
      size: async () => this.#run('size', () => file.written.length),
      read: async (buffer, position) =>
        this.#run('read', () => file.written.copy(buffer, 0, position, position + buffer.length)),
      write: async (octets, position) => this.#write(file, octets, position),
      truncate: async (size) =>
        this.#run('truncate', () => {
          file.written = file.written.subarray(0, size)
        }),
      sync: async () => {
        await this.beforeSync()
        this.#run('sync', () => {
          file.synced = Buffer.from(file.written)
        })
      },
      standing: async (name = named) =>
        this.#run('standing', () => ({
          name: this.#standingOf(name, file),
          octets: file.written.length,
        })),
      link: async (name) => {
        this.#run('link', () => {
          if (this.#names.has(name)) throw failure('EEXIST')
          this.#names.set(name, file)
        })
        this.#syncFolder()
      },
      rename: async (name) => {
        this.#run('rename', () => {
          this.#names.delete(named)
          this.#names.set(name, file)
          this.#main = file
        })
        named = name
        this.#syncFolder()
      },
      close: async () => this.#run('close', () => {}),
    }
  }

  #standingOf(name: string, file: Inode): Standing {
    const found = this.#names.get(name)
    if (found === undefined) return 'removed'
    return found === file ? this.standing : 'replaced'
  }

  #next(operation: Operation): Fault | undefined {
    const count = this.calls.filter((call) => call === operation).length
    this.calls.push(operation)
    return this.faultAt(operation, count)
  }

  #run<T>(operation: Operation, work: () => T): T {
    const fault = this.#next(operation)
    if (fault?.kind === 'fails') throw failure(fault.code)
    const done = work()
    if (fault?.kind === 'persisted') throw failure(fault.code)
    return done
  }

  #write(file: Inode, octets: Buffer, position: number): number {
    const fault = this.#next('write')
    if (fault?.kind === 'fails') throw failure(fault.code)
    const isPart = fault?.kind === 'short' || fault?.kind === 'torn'
    const part = isPart ? octets.subarray(0, fault.octets) : octets
    const content = Buffer.alloc(Math.max(file.written.length, position + part.length))
    file.written.copy(content)
    part.copy(content, position)
    file.written = content
    if (fault?.kind === 'torn' || fault?.kind === 'persisted') throw failure(fault.code)
    return part.length
  }
}

function failure(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code })
}
