import type { LedgerFile, OpenLedgerFile, Standing } from '../../src/ledger/ledger-file.ts'

export type Operation = 'size' | 'read' | 'write' | 'truncate' | 'sync' | 'standing' | 'close'

/** What one call of an operation does instead of its work; `persisted` does its work and fails all the same. */
export type Fault =
  | { readonly kind: 'fails' | 'persisted'; readonly code: string }
  /** Writes so many octets, and says so. */
  | { readonly kind: 'short'; readonly octets: number }
  /** Writes so many octets, then fails. */
  | { readonly kind: 'torn'; readonly octets: number; readonly code: string }

/** A disk with one file in memory: what was synced, and what was only written. */
export class MemoryDisk {
  /** What the process sees. */
  written: Buffer
  /** What a power cut leaves. */
  synced: Buffer
  readonly calls: Operation[] = []
  /** Called before every operation with how many of its kind came before. */
  faultAt: (operation: Operation, count: number) => Fault | undefined = () => undefined
  /** Resolves before a sync is done; a test may hold it back. */
  beforeSync: () => Promise<void> = async () => {}

  standing: Standing = 'named'

  constructor(content: Buffer = Buffer.alloc(0)) {
    this.written = content
    this.synced = content
  }

  readonly open: OpenLedgerFile = async () => this.#file()

  #file(): LedgerFile {
    return {
      size: async () => this.#run('size', () => this.written.length),
      read: async (buffer, position) =>
        this.#run('read', () => this.written.copy(buffer, 0, position, position + buffer.length)),
      write: async (octets, position) => this.#write(octets, position),
      truncate: async (size) =>
        this.#run('truncate', () => {
          this.written = this.written.subarray(0, size)
        }),
      sync: async () => {
        await this.beforeSync()
        this.#run('sync', () => {
          this.synced = Buffer.from(this.written)
        })
      },
      standing: async () =>
        this.#run('standing', () => ({ name: this.standing, octets: this.written.length })),
      close: async () => this.#run('close', () => {}),
    }
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

  #write(octets: Buffer, position: number): number {
    const fault = this.#next('write')
    if (fault?.kind === 'fails') throw failure(fault.code)
    const isPart = fault?.kind === 'short' || fault?.kind === 'torn'
    const part = isPart ? octets.subarray(0, fault.octets) : octets
    const content = Buffer.alloc(Math.max(this.written.length, position + part.length))
    this.written.copy(content)
    part.copy(content, position)
    this.written = content
    if (fault?.kind === 'torn' || fault?.kind === 'persisted') throw failure(fault.code)
    return part.length
  }
}

function failure(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code })
}
