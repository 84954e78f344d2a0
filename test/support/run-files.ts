/**
 * A process that runs files of tests, one after another, each as it is handed out by `test/run.ts`. To start a process and to load
 * the gateway in it takes longer than most files of tests take. Each file is a suite, so that what it does before and after its tests
 * is done before and after them, and not before and after those of all others.
 */
import { once } from 'node:events'
import { after, describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { FromWorker, ToWorker } from './runner-messages.ts'

function tell(message: FromWorker): void {
  process.send?.(message)
}

/** Where a file gives no test at all, that is one that failed. */
async function runFile(file: string): Promise<void> {
  const ended = Promise.withResolvers<undefined>()
  void describe(file, async () => {
    after(() => ended.resolve(undefined))
    try {
      await import(pathToFileURL(file).href)
    } catch (error) {
      test(`${file} can be loaded`, () => {
        throw error
      })
    }
  })
  await ended.promise
  // The reporter hears of the last test a turn later.
  await turn()
}

let usage = process.cpuUsage()

async function nextFile(): Promise<string | undefined> {
  const { user, system } = process.cpuUsage(usage)
  const answer = once(process, 'message') as Promise<[ToWorker]>
  tell({ kind: 'next', cpuSeconds: (user + system) / 1e6 })
  const [message] = await answer
  usage = process.cpuUsage()
  return message.kind === 'file' ? message.file : undefined
}

// A test may wait for what holds no process: a timer that has been let go, a promise.
const awake = setInterval(() => undefined, 60_000)
for (let file = await nextFile(); file !== undefined; file = await nextFile()) await runFile(file)
clearInterval(awake)
