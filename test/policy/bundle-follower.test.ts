import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import type { BundleContent } from '../../src/policy/bundle-content.ts'
import {
  openBundleFollower,
  type BundleFollower,
  type BundleTaker,
  type Polling,
} from '../../src/policy/bundle-follower.ts'
import { BundleServiceError } from '../../src/policy/bundle-exchange.ts'
import type { BundleAnswer, BundleQuestion } from '../../src/policy/bundle-service.ts'
import { noStore, type BundleStore } from '../../src/policy/bundle-store.ts'
import type { BundleTrust } from '../../src/policy/bundle-trust.ts'
import { requirement } from '../requirements.ts'
import { archiveOf } from './archive.ts'

type Said = BundleAnswer | Error

async function bundle(text: string, more: { etag?: string; isLongPoll?: boolean } = {}) {
  const { etag = `"${text}"`, isLongPoll = false } = more
  return { kind: 'bundle', isLongPoll, archive: await archiveOf({ text }), etag } as const
}

const unchanged = { kind: 'unchanged', isLongPoll: false } as const
const down = new BundleServiceError('bundle server cannot be asked, got=DOWN', {})

/** Takes what does not say `bad`. */
function createTaker(): BundleTaker & { readonly offered: string[] } {
  const offered: string[] = []
  let inForce: BundleContent | undefined
  let problem: Error | undefined
  return {
    offered,
    offer(content) {
      const text = content.files.get('text')?.toString() ?? ''
      if (content !== inForce) offered.push(text)
      problem = text.startsWith('bad') ? new Error(`${text} is refused`) : undefined
      if (problem === undefined) inForce = content
      return Promise.resolve()
    },
    isInForce: (content) => content === inForce,
    problem: () => problem,
  }
}

interface Told {
  readonly follower: BundleFollower
  readonly questions: BundleQuestion[]
  readonly offered: readonly string[]
  readonly pauses: number[]
}

/** Signed at the second that stands at the end of it, if one does. */
const trust: BundleTrust = {
  admit({ files }) {
    const [seconds] = /\d+$/.exec(files.get('text')?.toString() ?? '') ?? []
    return { issuedAt: seconds === undefined ? undefined : Number(seconds), accepted: () => {} }
  },
}

/** Follows a server that says these things, each taking as many seconds, until it has said all. */
async function follow(
  said: readonly (Said | readonly [Said, number])[],
  polling: Polling = { minDelaySeconds: 10, maxDelaySeconds: 20 },
  store: BundleStore = noStore,
): Promise<Told> {
  const questions: BundleQuestion[] = []
  const pauses: number[] = []
  const taker = createTaker()
  const rest = said.map((each): readonly [Said, number] =>
    Array.isArray(each) ? (each as [Said, number]) : [each as Said, 0],
  )
  let clock = 0
  const ended = Promise.withResolvers<void>()
  const follower = await openBundleFollower({
    service: {
      ask(question) {
        questions.push(question)
        const [next, seconds] = rest.shift() ?? [down, 0]
        clock += seconds * 1000
        return next instanceof Error ? Promise.reject(next) : Promise.resolve(next)
      },
    },
    store,
    polling,
    taker,
    trust,
    now: () => 0,
    elapsed: () => clock,
    random: () => 0.5,
    delay(milliseconds) {
      pauses.push(Math.round(milliseconds))
      if (rest.length > 0) return Promise.resolve()
      ended.resolve()
      return Promise.reject(new Error('enough'))
    },
    log: silentLog,
    metrics: silentMetrics,
  })
  follower.start()
  await ended.promise
  return { follower, questions, offered: taker.offered, pauses }
}

function etagsOf(questions: readonly BundleQuestion[]): readonly (string | undefined)[] {
  return questions.map(({ etag }) => etag)
}

test('the ETag is that of the bundle in force, so a bad one is asked for again, and judged once', async () => {
  requirement('policy.bundle-followed')
  const bad = await bundle('bad')
  const { questions, offered, follower } = await follow([
    await bundle('one'),
    bad,
    bad,
    await bundle('two'),
    unchanged,
  ])
  assert.deepEqual(etagsOf(questions), [undefined, '"one"', '"one"', '"one"', '"two"'])
  assert.deepEqual(offered, ['one', 'bad', 'two'])
  assert.equal(follower.problem, undefined)
})

test('an ETag of another content is no news of it', async () => {
  requirement('policy.bundle-followed')
  const same = { etag: '"same"' }
  const { offered, follower } = await follow([await bundle('one', same), await bundle('bad', same)])
  assert.deepEqual(offered, ['one', 'bad'])
  assert.equal(follower.problem?.message, 'bad is refused')
})

test('a server that goes back to the bundle in force has nothing wrong', async () => {
  for (const back of [unchanged, await bundle('one', { etag: '"other"' })]) {
    const { offered, follower } = await follow([await bundle('one'), await bundle('bad'), back])
    assert.deepEqual(offered, ['one', 'bad'])
    assert.equal(follower.problem, undefined)
  }
})

test('failures are spread out, and what is good ends them', async () => {
  const { pauses, follower } = await follow([down, down, down, await bundle('one'), down])
  assert.deepEqual(pauses, [100, 160, 256, 15_000, 100])
  assert.equal(follower.problem, down)
  const { pauses: many } = await follow(Array.from({ length: 20 }, () => down))
  assert.equal(many.at(-1), 20_000)
})

test('a bundle that is refused is not asked for more often than any other', async () => {
  const { pauses } = await follow([await bundle('one'), await bundle('bad'), await bundle('bad')])
  assert.deepEqual(pauses, [15_000, 15_000, 15_000])
})

test('a server that holds requests is asked again at once, and one that does not hold them is not', async () => {
  const polling = { minDelaySeconds: 10, maxDelaySeconds: 20, longPollingTimeoutSeconds: 60 }
  const isLongPoll = true
  const { pauses, questions } = await follow(
    [
      await bundle('one', { isLongPoll }),
      [{ ...unchanged, isLongPoll }, 60],
      // Node and Go leave the type out of a 304.
      [unchanged, 60],
      { ...unchanged, isLongPoll },
      await bundle('one', { isLongPoll, etag: '"new"' }),
      [await bundle('two'), 30],
      [await bundle('three', { isLongPoll }), 4],
    ],
    polling,
  )
  assert.deepEqual(pauses, [5000, 0, 0, 15_000, 15_000, 15_000, 1000])
  assert.ok(questions.every(({ waitSeconds }) => waitSeconds === 60))
})

test('what is in force is kept, once, and what is refused is not', async () => {
  requirement('policy.bundle-followed')
  const kept: Buffer[] = []
  let isFull = true
  const store: BundleStore = {
    read: () => Promise.resolve(undefined),
    write(archive) {
      if (isFull) {
        isFull = false
        return Promise.reject(new Error('disk is full'))
      }
      kept.push(archive)
      return Promise.resolve()
    },
  }
  const one = await bundle('one')
  const said = [one, await bundle('bad'), unchanged, unchanged]
  const { follower } = await follow(said, undefined, store)
  assert.deepEqual(kept, [one.archive])
  assert.equal(follower.problem, undefined)
})

test('what is on disk is offered first, and not judged again when the server has the same', async () => {
  const one = await bundle('one')
  const store: BundleStore = {
    read: () => Promise.resolve(one.archive),
    write: () => Promise.reject(new Error('it is there already')),
  }
  const { offered, questions, follower } = await follow([one, unchanged], undefined, store)
  assert.deepEqual(offered, ['one'])
  assert.deepEqual(etagsOf(questions), [undefined, '"one"'])
  assert.equal(follower.problem, undefined)
})

test('a newer bundle that another worker has kept stays where it is', async () => {
  requirement('policy.bundle-followed')
  const [old, mid, young] = await Promise.all(['at 10', 'at 20', 'at 30'].map((at) => bundle(at)))
  assert.ok(old && mid && young)
  let onDisk: Buffer | undefined
  let reads = 0
  const store: BundleStore = {
    read() {
      reads += 1
      // The first is the start's.
      if (reads === 2) onDisk = mid.archive
      return Promise.resolve(onDisk)
    },
    write(archive) {
      onDisk = archive
      return Promise.resolve()
    },
  }
  const { follower } = await follow([old], undefined, store)
  assert.deepEqual(onDisk, mid.archive)
  assert.equal(follower.problem, undefined)
  await follow([young], undefined, store)
  assert.deepEqual(onDisk, young.archive)
  onDisk = Buffer.from('what is no bundle')
  await follow([young], undefined, store)
  assert.deepEqual(onDisk, young.archive)
})
