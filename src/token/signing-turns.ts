import type { KeyObject } from 'node:crypto'
import { CountersignError } from '../errors.ts'

/** A thread that signs with one key, as the pool's threads do. */
export interface SigningThread {
  /** Gives the signatures of these texts, in their order. Rejects when the thread has ended. */
  sign(texts: readonly string[]): Promise<readonly Buffer[]>
  /** Ends when it has signed what it was given. */
  close(): void
}

/** Resolves when there is such a thread; never throws, but may reject. */
export type StartSigningThread = (key: KeyObject) => Promise<SigningThread>

/** Signs with one key, elsewhere than on this thread. */
export interface Signing {
  /** A text in Latin-1. */
  readonly sign: (text: string) => Promise<Buffer>
  /** There is another key from now on; what this one was given is signed yet. */
  readonly close: () => void
}

export interface SigningTurnsOptions {
  /** On a thread of the pool. */
  readonly sign: (octets: Buffer) => Promise<Buffer>
  /** So many at a time are with the pool; the others wait in line. */
  readonly most: number
  /** For whoever signs much; undefined: the pool does. */
  readonly startThread?: (() => Promise<SigningThread>) | undefined
}

/** A turn that asks for so many is one of many to come. */
const manyMin = 4

/** So many are signed before the first of them is told. */
const togetherMax = 32

interface Waiting {
  readonly text: string
  readonly resolve: (signature: Buffer | Promise<Buffer>) => void
  readonly reject: (error: unknown) => void
}

/**
 * Signs what one turn of the loop asks for at its end, all together: a thread that is woken for each costs more than it signs, and nobody
 * is told before the turn is over. To give each to the pool, and to be told of each, costs the loop more than to sign it would; a thread
 * that takes all of a turn at once costs it next to nothing, and some memory. So whoever signs many at a time has one, and the pool signs
 * until it is there, and if it ends.
 */
export function createSigningTurns({ sign, most, startThread }: SigningTurnsOptions): Signing {
  let running = 0
  let isDue = false
  let isClosed = false
  let isStarted = startThread === undefined
  let thread: SigningThread | undefined
  const waiting: Waiting[] = []

  function begin(): void {
    isDue = false
    if (thread !== undefined) {
      while (waiting.length > 0) together(thread, waiting.splice(0, togetherMax))
      return
    }
    if (waiting.length >= manyMin) start()
    while (running < most) {
      const next = waiting.shift()
      if (next === undefined) return
      running += 1
      next.resolve(signed(next))
    }
  }
  async function signed({ text }: Waiting): Promise<Buffer> {
    try {
      return await sign(Buffer.from(text, 'latin1'))
    } finally {
      running -= 1
      begin()
    }
  }
  function together(by: SigningThread, these: readonly Waiting[]): void {
    by.sign(these.map(({ text }) => text)).then(
      (signatures) => tell(these, signatures),
      () => lost(by, these),
    )
  }
  /** What a thread has not signed the pool signs, and whatever comes after it. */
  function lost(by: SigningThread, these: readonly Waiting[]): void {
    if (thread === by) thread = undefined
    waiting.unshift(...these)
    begin()
  }
  function start(): void {
    if (isStarted || isClosed) return
    isStarted = true
    startThread?.().then(
      (started) => {
        if (isClosed) started.close()
        else thread = started
      },
      () => {},
    )
  }
  return {
    sign: (text) =>
      new Promise((resolve, reject) => {
        waiting.push({ text, resolve, reject })
        if (isDue) return
        isDue = true
        setImmediate(begin)
      }),
    close() {
      isClosed = true
      if (waiting.length > 0) begin()
      thread?.close()
      thread = undefined
    },
  }
}

function tell(these: readonly Waiting[], signatures: readonly Buffer[]): void {
  for (const [index, { resolve, reject }] of these.entries()) {
    const signature = signatures[index]
    if (signature === undefined) reject(new CountersignError('token/sign', 'no signature was made'))
    else resolve(signature)
  }
}
