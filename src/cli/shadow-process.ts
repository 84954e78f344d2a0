import { setPriority } from 'node:os'
import { CountersignError } from '../errors.ts'
import type { BundleContent } from '../policy/bundle-content.ts'
import type { DataDocument } from '../policy/data-document.ts'
import { createShadowAnswers } from '../policy/shadow/answer-shadow.ts'
import type { ShadowProcess } from '../policy/shadow/shadow.ts'
import type { FromShadow, ToShadow } from '../policy/shadow/shadow-question.ts'
import {
  deadlineMillisecondsDefault,
  endWithParent,
  forkBundleProcess,
  heapMegabytesOf,
  startMilliseconds,
} from './bundle-process.ts'
import { program } from './policy-files.ts'

/** The first argument of a process that has a candidate. */
const shadowWord = 'shadow-bundle'

/** Whoever decides goes first. */
const niceness = 10

/** Starts the process of a candidate, with memory for it and for questions. */
export function startShadow(
  content: BundleContent,
  documents: readonly DataDocument[],
  {
    deadlineMilliseconds = deadlineMillisecondsDefault,
  }: { readonly deadlineMilliseconds?: number } = {},
): ShadowProcess {
  const child = forkBundleProcess([program, shadowWord], heapMegabytesOf({ content, documents }))
  const ended = Promise.withResolvers<never>()
  ended.promise.catch(() => {})
  const begun = Promise.withResolvers<void>()
  let isBegun = false
  let answered = (_said: FromShadow): void => {}
  child.once('message', () => {
    isBegun = true
    begun.resolve()
    child.on('message', (said) => answered(said as FromShadow))
  })
  const endBecause = (why: string, cause?: unknown): void => {
    const message = `process of the candidate ended early, got=${why}`
    ended.reject(new CountersignError('policy/test', message, { cause }))
  }
  child.once('error', (cause) => endBecause(cause.message, cause))
  child.once('exit', (code, signal) => endBecause(signal ?? `exit code ${code ?? 'unknown'}`))

  async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      const message = `candidate does not answer in time, want=..${milliseconds} ms`
      late.reject(new CountersignError('policy/test', message))
      child.kill('SIGKILL')
    }, milliseconds)
    try {
      return await Promise.race([promise, ended.promise, late.promise])
    } finally {
      clearTimeout(timer)
    }
  }
  return {
    async ask(message) {
      // Once it is there a question is handed over at once, so that it is seen how long that takes.
      if (!isBegun) await within(startMilliseconds, begun.promise)
      const answer = Promise.withResolvers<FromShadow>()
      answered = answer.resolve
      child.send(message, (error) => {
        if (error !== null) endBecause(error.message, error)
      })
      return within(deadlineMilliseconds, answer.promise)
    },
    end: () => void child.kill('SIGKILL'),
  }
}

/** Answers the process that has started this one, as long as that is there. */
export function runShadow(): void {
  endWithParent()
  yieldToOthers()
  const answer = createShadowAnswers()
  let work: Promise<void> = Promise.resolve()
  process.on('message', (message) => {
    work = work.then(async () => {
      process.send?.(await answer(message as ToShadow))
    })
  })
  // What is sent before anybody listens may be lost, so it is asked for.
  process.send?.('ready')
}

function yieldToOthers(): void {
  try {
    setPriority(niceness)
  } catch {
    // Where it may not, it is asked as fast as others.
  }
}
