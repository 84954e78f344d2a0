/** The reporter of a process that runs tests: what happens is told to the process that started it. */
import { relative } from 'node:path'
import type { EventData } from 'node:test'
import type { TestEvent } from 'node:test/reporters'
import { inspect } from 'node:util'
import type { FromWorker } from './runner-messages.ts'

/** The runner counts at its end what is counted beside it already. */
const countPattern = /^(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /

function place({ file = '', line = 0, column = 0 }: EventData.LocationInfo): string {
  return `${relative('', file)}:${line}:${column}`
}

function inWords(skipped: string | boolean): string {
  return typeof skipped === 'string' ? `: ${skipped}` : ''
}

function passed(data: EventData.TestPass): FromWorker | undefined {
  if (data.details.type === 'suite') return undefined
  if (data.skip === undefined) return { kind: 'passed' }
  return { kind: 'skipped', title: `${place(data)} ${data.name}${inWords(data.skip)}` }
}

/** Nothing of a suite or a test that failed because one in it did: that one is told of. */
function failed(data: EventData.TestFail): FromWorker | undefined {
  const { error, duration_ms: milliseconds } = data.details
  if ('failureType' in error && error.failureType === 'subtestsFailed') return undefined
  const failure = {
    place: place(data),
    title: data.name,
    milliseconds,
    error: inspect(error.cause ?? error, { depth: 8 }),
  }
  return { kind: 'failed', failure }
}

function message(event: TestEvent): FromWorker | undefined {
  if (event.type === 'test:dequeue') {
    return { kind: 'started', title: `${place(event.data)} ${event.data.name}` }
  }
  if (event.type === 'test:fail') return failed(event.data)
  if (event.type === 'test:pass') return passed(event.data)
  if (event.type !== 'test:diagnostic' || countPattern.test(event.data.message)) return undefined
  return { kind: 'said', text: event.data.message }
}

async function* tellRunner(events: AsyncIterable<TestEvent>): AsyncGenerator<never> {
  for await (const event of events) {
    const told = message(event)
    if (told !== undefined) process.send?.(told)
  }
  yield* []
}

// The runner takes a reporter by no other name.
// oxlint-disable-next-line import/no-default-export
export { tellRunner as default }
