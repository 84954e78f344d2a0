import { fork, type ChildProcess } from 'node:child_process'
import { getCompileCacheDir } from 'node:module'
import { dirname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { CountersignError } from '../errors.ts'
import type { Answer, Question, SelfTest, Tested } from '../policy/self-test.ts'

/** The first argument of a process that is to answer one question. */
const testWord = 'test-bundle'

/** Far more than a platform's rules and 16 MiB of data take. */
export const deadlineMillisecondsDefault = 20_000

/** A process on a busy node takes its time before it can be asked. */
export const startMilliseconds = 120_000

/**
 * Beside the module's own memory, which has a limit of its own: what is in force has to fit beside it into one pod. What rules and data take
 * grows with their octets, and small files that take much more are no policy.
 */
const heapMegabytesMin = 96
const heapOfOctets = 12

export function heapMegabytesOf({
  content,
  documents,
}: Pick<Tested, 'content' | 'documents'>): number {
  const files = [...content.files.values()].reduce((sum, { length }) => sum + length, 0)
  const data = JSON.stringify(documents.map(({ value }) => value)).length
  return heapMegabytesMin + Math.ceil((heapOfOctets * (files + data)) / 2 ** 20)
}

/**
 * Tests bundles in a process of its own: it is compiled, its builtins and entrypoints are looked up, its samples asked of plan and module.
 * Nothing else ends a module that never returns, and a thread that runs out of memory takes its process with it.
 */
export function createSelfTest(options: {
  /** The command line, which answers with `answerTest` to `testWord`. */
  readonly program: string
  readonly deadlineMilliseconds?: number
  readonly heapMegabytes?: number
}): SelfTest {
  const { program, deadlineMilliseconds = deadlineMillisecondsDefault } = options
  return async (tested, signal) => {
    const { content, documents, engine, tenant } = tested
    const { heapMegabytes = heapMegabytesOf(tested) } = options
    const { files, digest } = content
    const question: Question = { files, digest, documents, engine, tenant }
    const child = forkBundleProcess([program, testWord], heapMegabytes, signal)
    const ended = Promise.withResolvers<Answer>()
    const endIn = (milliseconds: number): NodeJS.Timeout =>
      setTimeout(() => {
        const message = `bundle does not pass its test in time, want=..${milliseconds} ms`
        ended.reject(new CountersignError('policy/test', message))
      }, milliseconds)
    let timer = endIn(startMilliseconds)
    child.once('message', () => {
      clearTimeout(timer)
      timer = endIn(deadlineMilliseconds)
      child.once('message', (answer) => ended.resolve(answer as Answer))
      child.send(question, (error) => {
        if (error !== null) ended.reject(endedEarly(error.message, error))
      })
    })
    child.once('error', (cause) => ended.reject(endedEarly(cause.message, cause)))
    child.once('exit', (code, signal) =>
      ended.reject(endedEarly(signal ?? `exit code ${code ?? 'unknown'}`)),
    )
    try {
      const answer = await ended.promise
      if (answer.ok) return
      const { code, message, hint } = answer.failure
      throw new CountersignError(code, message, hint === undefined ? {} : { hint })
    } finally {
      clearTimeout(timer)
      child.kill('SIGKILL')
    }
  }
}

/** Starts the command line with a word, for a bundle that may do anything. Nobody ends it but by `SIGKILL`. */
export function forkBundleProcess(
  [program, word]: readonly [program: string, word: string],
  heapMegabytes: number,
  signal?: AbortSignal,
): ChildProcess {
  return fork(program, [word], {
    // Nothing of what this process was told: a worker of the gateway would make the other one a worker, too.
    env: compileCache(),
    execArgv: [`--max-old-space-size=${heapMegabytes}`],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    killSignal: 'SIGKILL',
    ...(signal === undefined ? {} : { signal }),
  })
}

/** Where somebody has asked for one, as those do who run sources: most of what a test takes is to compile itself. */
function compileCache(): NodeJS.ProcessEnv {
  const folder = getCompileCacheDir()
  // Below what was asked for there is a folder for each kind of Node.
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: dirname(folder) }
}

function endedEarly(why: string, cause?: unknown): CountersignError {
  const message = `test of the bundle ended early, got=${why}`
  return new CountersignError('policy/test', message, { cause })
}

/**
 * Ends this process when the one that started it is gone: a module that never returns keeps its thread from hearing of it. A thread of its
 * own looks, for as long as the process has anything else to do.
 */
export function endWithParent(): void {
  const parent = process.ppid
  new Worker(parentWatch, { eval: true, workerData: parent }).unref()
}

const parentWatch = `
const { workerData: parent } = require('node:worker_threads')
setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL')
}, 500)
`
