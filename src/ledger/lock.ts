import { hash, randomBytes } from 'node:crypto'
import { closeSync, fstatSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { link, lstat, readFile, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { CountersignError, quoted } from '../errors.ts'
import { isCode, unlessAbsent } from '../tlog/durable-file.ts'
import { answers, openLifeline, type Lifeline } from './lifeline.ts'

/** A process, so that no other one is ever taken for it: pids come again, and in a container they are all 1. */
export interface LockOwner {
  readonly pid: number
  /** Clock ticks since the boot; empty where the system does not tell. */
  readonly startTime: string
  /** One at a time runs under a name: a StatefulSet promises that for its pods. */
  readonly host: string
  /** Empty where the system does not tell. */
  readonly bootId: string
  /** The socket beside the lock that the process listens on as long as it lives. */
  readonly socket?: string
  /** The file system (st_dev) of that socket: seen through another mount, nobody answers for a process that lives. */
  readonly device?: string
}

/** The right to write, as long as it is held. */
export interface Lock {
  /** Whether the lock file is still ours; a writer asks before and after it writes. */
  held(): Promise<boolean>
  release(): Promise<void>
}

/**
 * Takes the lock file, or throws 'ledger/locked'. Node has no flock, so the file holds who took it. It appears with
 * its whole text by link(2), which one process wins. The lock of a dead process is removed under a lock of its own.
 */
export async function acquireLock(
  file: string,
  options: {
    readonly now: () => number
    readonly owner?: LockOwner
    /** Also proves to other hosts of this machine that the process lives, or that it died. */
    readonly lifeline?: boolean
  },
): Promise<Lock> {
  const owner = options.owner ?? (await thisProcess())
  const token = randomBytes(16).toString('hex')
  const since = new Date(options.now()).toISOString()
  const lifeline =
    options.lifeline === true ? await openLifeline(`${file}.${token.slice(0, 8)}`) : undefined
  const socket =
    lifeline === undefined
      ? {}
      : { socket: basename(lifeline.path), device: await deviceOf(dirname(file)) }
  const text = `${JSON.stringify({ ...owner, ...socket, since, token })}\n`
  const draft = `${file}.${token}`
  let descriptor: number | undefined
  try {
    descriptor = writeDurably(draft, text)
    while (!(await linked(draft, file))) await removeStale(file, { now: options.now, owner })
  } catch (error) {
    if (descriptor !== undefined) closeSync(descriptor)
    await lifeline?.close()
    throw error
  } finally {
    await rm(draft, { force: true })
  }
  return heldLock(file, descriptor, lifeline)
}

/** The open descriptor keeps the inode from coming again, so that no other lock is ever taken for this one. */
function heldLock(file: string, descriptor: number, lifeline: Lifeline | undefined): Lock {
  const ours = fstatSync(descriptor, { bigint: true })
  let released = false
  const held = async (): Promise<boolean> => {
    const found = await lstat(file, { bigint: true }).catch(unlessAbsent)
    if (found === undefined || released) return false
    const { ino, dev, size, mtimeNs } = found
    return ino === ours.ino && dev === ours.dev && size === ours.size && mtimeNs === ours.mtimeNs
  }
  return {
    held,
    release: async () => {
      if (released) return
      if (await held()) await rm(file, { force: true })
      released = true
      closeSync(descriptor)
      await lifeline?.close()
    },
  }
}

/** Gives the descriptor of the file that was written. */
function writeDurably(file: string, text: string): number {
  const descriptor = openSync(file, 'wx', 0o600)
  try {
    writeSync(descriptor, text)
    fsyncSync(descriptor)
    return descriptor
  } catch (error) {
    closeSync(descriptor)
    throw error
  }
}

async function linked(draft: string, file: string): Promise<boolean> {
  try {
    await link(draft, file)
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw error
  }
}

/** Removes the lock of a dead process; throws for one whose process may live. */
async function removeStale(
  file: string,
  options: { readonly now: () => number; readonly owner: LockOwner },
): Promise<void> {
  const text = await textOf(file)
  if (text === undefined) return
  const holder = parseOwner(text)
  const asking = { ...options.owner, folder: dirname(file) }
  if (holder === undefined || (await mayLive(holder, asking))) throw locked(file, holder)
  // Only who holds the guard of this very text may remove it, so nobody removes the lock of the one who was faster.
  const guard = await acquireLock(`${file}.${hash('sha256', text).slice(0, 16)}`, options)
  try {
    if ((await textOf(file)) !== text) return
    await rm(file)
    if (holder.socket !== undefined) await rm(join(dirname(file), holder.socket), { force: true })
  } finally {
    await guard.release()
  }
}

function locked(file: string, holder: LockOwner | undefined): CountersignError {
  const who = holder === undefined ? 'unknown' : `pid ${holder.pid} on ${quoted(holder.host)}`
  const hint = `if that process is gone for certain, remove ${file}`
  return new CountersignError('ledger/locked', `ledger is written by another process: ${who}`, {
    hint,
  })
}

function textOf(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch(unlessAbsent)
}

function parseOwner(text: string): LockOwner | undefined {
  try {
    const { pid, startTime, host, bootId, socket, device } = JSON.parse(text) as Partial<LockOwner>
    if (!Number.isSafeInteger(pid) || typeof host !== 'string') return undefined
    if (typeof startTime !== 'string' || typeof bootId !== 'string') return undefined
    const named = typeof socket === 'string' && /^[\w-][\w.-]*$/.test(socket) ? { socket } : {}
    const placed = typeof device === 'string' ? { device } : {}
    return { pid: pid as number, startTime, host, bootId, ...named, ...placed }
  } catch {
    return undefined
  }
}

/** False only for a process that is proved to be gone: another machine's cannot be asked after. */
async function mayLive(
  holder: LockOwner,
  asking: LockOwner & { readonly folder: string },
): Promise<boolean> {
  const sameHost = holder.host === asking.host
  if (holder.bootId !== asking.bootId) return !sameHost
  if (holder.socket !== undefined && holder.bootId !== '') {
    const answer = await answers(join(asking.folder, holder.socket))
    if (answer === 'lives') return true
    if (answer === 'dead' && holder.device === (await deviceOf(asking.folder))) return false
  }
  if (!sameHost) return true
  if (holder.startTime !== '') return (await startTimeOf(holder.pid)) === holder.startTime
  try {
    return process.kill(holder.pid, 0)
  } catch (error) {
    return !isCode(error, 'ESRCH')
  }
}

async function deviceOf(folder: string): Promise<string> {
  return String((await stat(folder, { bigint: true })).dev)
}

async function thisProcess(): Promise<LockOwner> {
  const bootId = (await textOf('/proc/sys/kernel/random/boot_id'))?.trim() ?? ''
  const startTime = (await startTimeOf(process.pid)) ?? ''
  return { pid: process.pid, startTime, host: hostname(), bootId }
}

/** proc(5): field 22 of stat; the name of the program comes before it in parentheses, and may hold any character. */
async function startTimeOf(pid: number): Promise<string | undefined> {
  const stat = await textOf(`/proc/${pid}/stat`)
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}
