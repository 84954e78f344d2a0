import assert from 'node:assert/strict'
import { appendFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import type { Metrics } from '../../../src/metrics.ts'
import { createPoster } from '../../../src/policy/upload/post.ts'
import { openSpool } from '../../../src/policy/upload/spool.ts'
import { createUploader, type Uploader } from '../../../src/policy/upload/uploader.ts'
import { eventually } from '../../support/eventually.ts'
import { requirement } from '../../requirements.ts'
import { openCollector, refuse, take, type Collector } from './collector.ts'
import { openFolder } from './folder.ts'

interface Opened extends AsyncDisposable {
  readonly uploader: Uploader
  /** How long it has wanted to wait, each time. */
  readonly waits: number[]
  readonly counted: Map<string, number>
  readonly told: string[]
  /** Ends the wait of this moment. */
  goOn(): void
}

async function open(
  file: string,
  { url }: Collector,
  more: { uploadSizeLimitBytes?: number; endMilliseconds?: number } = {},
): Promise<Opened> {
  const { uploadSizeLimitBytes = 32_768, ...options } = more
  const waits: number[] = []
  const told: string[] = []
  const counted = new Map<string, number>()
  let goOn = (): void => {}
  const metrics: Metrics = {
    count(name, labels = {}, amount = 1) {
      const key = [name.replace('countersign_decision_log_', ''), ...Object.values(labels)].join()
      counted.set(key, (counted.get(key) ?? 0) + amount)
    },
    set: (name, value) => void counted.set(name.replace('countersign_decision_log_', ''), value),
    observe: () => {},
    remove: () => {},
  }
  const tell = (_: object, text: string): void => void told.push(text)
  const log = { ...silentLog, warn: tell, info: tell, error: tell }
  const uploader = createUploader({
    spool: await openSpool({ file, log }),
    poster: createPoster({ url, resource: 'logs', responseHeaderTimeoutSeconds: 10 }),
    reporting: { minDelaySeconds: 10, maxDelaySeconds: 20, uploadSizeLimitBytes },
    random: () => 0.5,
    delay: (milliseconds, signal) =>
      new Promise((resolve) => {
        waits.push(milliseconds)
        goOn = () => resolve(undefined)
        signal.addEventListener('abort', goOn, { once: true })
      }),
    log,
    metrics,
    ...options,
  })
  uploader.start()
  return {
    uploader,
    waits,
    counted,
    told,
    goOn: () => goOn(),
    [Symbol.asyncDispose]: () => uploader[Symbol.asyncDispose](),
  }
}

function event(id: string, more: object = {}): string {
  return `${JSON.stringify({ decision_id: id, ...more })}\n`
}

/** The next wait begins: all that can be sent has been. */
async function waited({ waits }: Opened, times: number): Promise<void> {
  await eventually(`${times} waits`, () => waits.length >= times)
}

test('all there is goes out at once, then what has come since, between min and max delay', async () => {
  await using place = await openFolder()
  await using collector = await openCollector()
  await writeFile(place.file, event('a') + event('b'))
  await using opened = await open(place.file, collector)
  await waited(opened, 1)
  await appendFile(place.file, event('c'))
  opened.goOn()
  await waited(opened, 2)
  assert.deepEqual(collector.ids(), ['a', 'b', 'c'])
  assert.deepEqual(opened.waits, [15_000, 15_000])
  assert.equal(opened.counted.get('uploads_total,taken'), 2)
  assert.equal(opened.counted.get('uploaded_events_total'), 3)
  assert.equal(opened.counted.get('unsent_octets'), 0)
})

test('a receiver that is down is asked again, later each time, and then has everything in its order', async () => {
  requirement('policy.upload-loses-nothing')
  await using place = await openFolder()
  await using collector = await openCollector()
  await writeFile(place.file, event('a'))
  collector.answer(refuse(503))
  await using opened = await open(place.file, collector)
  for (let time = 1; time <= 14; time += 1) {
    await waited(opened, time)
    await appendFile(place.file, event(`b-${time}`))
    if (time === 13) collector.answer(take)
    opened.goOn()
  }
  await waited(opened, 15)
  const grown = [100, 160, 256]
  assert.deepEqual(opened.waits.slice(0, 3).map(Math.round), grown)
  assert.equal(opened.waits[12], 20_000)
  assert.equal(opened.waits[13], 15_000)
  assert.deepEqual(collector.ids()[0], 'a')
  assert.equal(new Set(collector.ids()).size, 15)
  // Said when it began and when it ended, and counted each time.
  assert.deepEqual(opened.told, [
    'decisions are not sent, and kept until they are',
    'decisions are sent again',
  ])
  assert.equal(opened.counted.get('uploads_total,failed'), 13)
  assert.equal(opened.uploader.problem, undefined)
})

test('who says when to come again is asked then, and a full log does not hurry it', async () => {
  await using place = await openFolder()
  await using collector = await openCollector()
  await writeFile(place.file, event('a'))
  collector.answer(refuse(429, { 'retry-after': '120' }))
  await using opened = await open(place.file, collector)
  await waited(opened, 1)
  assert.deepEqual(opened.waits, [120_000])
  assert.equal(opened.uploader.problem?.httpCode, 429)
  opened.uploader.wake()
  await new Promise(setImmediate)
  assert.equal(collector.all.length, 1)
})

test('where a file of the log is put aside, nothing is waited for', async () => {
  await using place = await openFolder()
  await using collector = await openCollector()
  await using opened = await open(place.file, collector)
  await waited(opened, 1)
  await writeFile(place.file, event('a'))
  opened.uploader.wake()
  await waited(opened, 2)
  assert.deepEqual(collector.ids(), ['a'])
})

test('a line that a crash has cut is not sent, and does not keep others from it', async () => {
  requirement('policy.upload-loses-nothing')
  await using place = await openFolder()
  await using collector = await openCollector()
  const cut = event('cut', { input: { text: 'x' } }).slice(0, -9)
  const zeros = '\0'.repeat(40)
  await writeFile(
    place.file,
    `${event('a')}${cut}\n${event('b')}${zeros}\n\n[]\n${event('c')}${cut}`,
  )
  await using opened = await open(place.file, collector)
  await waited(opened, 1)
  assert.deepEqual(collector.ids(), ['a', 'b', 'c'])
  assert.equal(opened.counted.get('torn_lines_total'), 4)
})

test('a chunk that is too large for its receiver is sent in parts, and an event without what makes it large', async () => {
  requirement('policy.upload-loses-nothing')
  await using place = await openFolder()
  await using collector = await openCollector()
  const random = (): string => Array.from({ length: 100 }, () => Math.random()).join()
  const input = { subject: { id: 'x' }, context: { arguments: random() } }
  await writeFile(
    place.file,
    event('a', { text: random().slice(0, 200) }) +
      event('b', { text: random().slice(0, 200) }) +
      event('large', { input, result: { allow: true } }) +
      event('c'),
  )
  collector.answer((received, response) => {
    if (received.octets > 300) refuse(413)(received, response)
    else take(received, response)
  })
  await using opened = await open(place.file, collector)
  await waited(opened, 1)
  assert.deepEqual(collector.ids(), ['a', 'b', 'large', 'c'])
  const events = collector.taken.flatMap((chunk) => chunk.events)
  const large = events.find(({ decision_id: id }) => id === 'large')
  assert.deepEqual(large, {
    decision_id: 'large',
    input: { subject: { id: 'x' }, action: {} },
    result: { allow: true },
    erased: ['/input', '/result'],
  })
  assert.equal(opened.counted.get('reduced_events_total'), 1)
  assert.equal(opened.uploader.problem, undefined)
})

test('what a receiver takes again after it took nothing is sent whole', async () => {
  requirement('policy.upload-loses-nothing')
  await using place = await openFolder()
  await using collector = await openCollector()
  const input = { text: Array.from({ length: 100 }, () => Math.random()).join() }
  const lines = ['a', 'b', 'c', 'd'].map((id) => event(id, { input }))
  await writeFile(place.file, lines.slice(0, 2).join(''))
  collector.answer(refuse(413))
  await using opened = await open(place.file, collector)
  await waited(opened, 1)
  collector.answer(take)
  await appendFile(place.file, lines.slice(2).join(''))
  opened.goOn()
  await waited(opened, 2)
  const sent = collector.taken.flatMap(({ events }) => events)
  assert.deepEqual(
    sent.map((each) => each['input']),
    ['a', 'b', 'c', 'd'].map(() => input),
  )
})

test('what is larger than a chunk may be is never sent so', async () => {
  await using place = await openFolder()
  await using collector = await openCollector()
  const text = Array.from({ length: 1000 }, () => Math.random()).join()
  const lines = ['a', 'b', 'c'].map((id) => event(id, { input: { text } }))
  await writeFile(place.file, lines.join(''))
  await using opened = await open(place.file, collector, { uploadSizeLimitBytes: 2000 })
  await waited(opened, 1)
  assert.deepEqual(collector.ids(), ['a', 'b', 'c'])
  assert.ok(collector.all.every(({ octets }) => octets <= 2000))
})

test('at the end what is left is sent, and a receiver that does not answer is not waited for', async () => {
  requirement('policy.upload-loses-nothing')
  await using place = await openFolder()
  await using collector = await openCollector()
  const opened = await open(place.file, collector)
  await waited(opened, 1)
  await writeFile(place.file, event('a'))
  await opened[Symbol.asyncDispose]()
  assert.deepEqual(collector.ids(), ['a'])
  collector.answer(() => {})
  await appendFile(place.file, event('b'))
  const next = await open(place.file, collector, { endMilliseconds: 20 })
  await next[Symbol.asyncDispose]()
  assert.ok(next.told.includes('decision log ends with events that are not sent'))
  collector.answer(take)
  await using last = await open(place.file, collector)
  await waited(last, 1)
  assert.deepEqual(collector.ids(), ['a', 'b'])
})
