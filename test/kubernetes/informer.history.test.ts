import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { CountersignError } from '../../src/errors.ts'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import type { ApiClient, ApiRequest, ApiStream } from '../../src/kubernetes/api-client.ts'
import { ApiError } from '../../src/kubernetes/api-error.ts'
import { startInformer } from '../../src/kubernetes/informer.ts'
import type { JsonLine } from '../../src/kubernetes/json-lines.ts'
import { namespaces } from '../../src/kubernetes/workloads.ts'
import { eventually } from '../support/eventually.ts'

interface Stored {
  readonly uid: string
  readonly resourceVersion: number
}

interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: object
  readonly resourceVersion: number
}

function objectOf(name: string, { uid, resourceVersion }: Stored): object {
  return { metadata: { name, uid, resourceVersion: String(resourceVersion) } }
}

/** A server with a history, whose lists fail and whose watches break as the faults say, one fault a request. */
class History implements ApiClient {
  readonly server = 'https://history'
  readonly objects = new Map<string, Stored>()
  readonly #changes: Change[] = []
  readonly #faults: number[]
  #resourceVersion = 1
  /** Watches from before this are expired. */
  #compactedAt = 0

  constructor(faults: readonly number[]) {
    this.#faults = [...faults]
  }

  touch(name: string): void {
    const old = this.objects.get(name)
    const resourceVersion = ++this.#resourceVersion
    const stored = { uid: old?.uid ?? `uid-${resourceVersion}`, resourceVersion }
    this.objects.set(name, stored)
    const type = old === undefined ? 'ADDED' : 'MODIFIED'
    this.#changes.push({ type, object: objectOf(name, stored), resourceVersion })
  }

  delete(name: string): void {
    const old = this.objects.get(name)
    if (old === undefined) return
    this.objects.delete(name)
    const resourceVersion = ++this.#resourceVersion
    const object = objectOf(name, { uid: old.uid, resourceVersion })
    this.#changes.push({ type: 'DELETED', object, resourceVersion })
  }

  compact(): void {
    this.#compactedAt = this.#resourceVersion
  }

  async request<T>(request: ApiRequest): Promise<T> {
    await Promise.resolve()
    const fault = this.#faults.shift()
    if (fault === 1) throw new CountersignError('kubernetes/unreachable', request.path)
    if (fault === 2) throw new ApiError({ message: 'busy', status: 503 })
    const items = [...this.objects].map(([name, stored]) => objectOf(name, stored))
    return { metadata: { resourceVersion: String(this.#resourceVersion) }, items } as T
  }

  async *stream({ query, signal, onOpen }: ApiStream): AsyncGenerator<JsonLine> {
    let from = Number(query?.['resourceVersion'])
    const fault = this.#faults.shift()
    if (from < this.#compactedAt) throw new ApiError({ message: 'expired', status: 410 })
    onOpen?.()
    for (let sent = 0; ; sent++) {
      await new Promise((resolve) => setImmediate(resolve))
      signal.throwIfAborted()
      if (fault === 3 && sent === 2) return
      if (fault === 4 && sent === 1) throw new CountersignError('kubernetes/unreachable', 'cut')
      if (fault === 5 && sent === 2) {
        yield { value: { type: 'ERROR', object: { code: 410, reason: 'Expired' } }, bytes: 60 }
        return
      }
      if (fault === 6 && sent === 1) yield { malformed: '{' }
      const next = this.#changes.find(({ resourceVersion }) => resourceVersion > from)
      if (next === undefined) continue
      yield { value: { type: next.type, object: next.object }, bytes: 100 }
      from = next.resourceVersion
    }
  }

  close(): void {}
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('touch'), name: fc.constantFrom('a', 'b', 'c') }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('delete'), name: fc.constantFrom('a', 'b', 'c') }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('compact'), name: fc.constant('') }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('wait'), name: fc.constant('') }) },
)

test('whatever breaks, the events add up to what the server holds, and none is told twice', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 20 }),
      async (steps, faults) => {
        const history = new History(faults)
        await using informer = startInformer({
          client: history,
          resource: namespaces,
          log: silentLog,
          metrics: silentMetrics,
          clock: () => 0,
          delay: async () => {},
          random: () => 0,
        })
        const told = new Map<string, string>()
        const states = new Set<string>()
        informer.onEvent(({ type, object, old }) => {
          const { name, uid, resourceVersion } = object.metadata
          if (type === 'added') assert.ok(!told.has(name), 'added twice')
          else assert.ok(told.has(name), `${type} without being added`)
          if (type === 'modified') assert.equal(old?.metadata.uid, uid, 'another object')
          if (type === 'deleted') {
            told.delete(name)
            return
          }
          const state = `${uid} ${resourceVersion}`
          assert.ok(!states.has(state), 'the same state twice')
          states.add(state)
          told.set(name, state)
        })
        for (const { kind, name } of steps) {
          if (kind === 'touch') history.touch(name)
          if (kind === 'delete') history.delete(name)
          if (kind === 'compact') history.compact()
          if (kind === 'wait') await new Promise((resolve) => setImmediate(resolve))
        }
        const expected = [...history.objects]
          .map(([name, { uid, resourceVersion }]) => `${name} ${uid} ${resourceVersion}`)
          .toSorted()
        const now = (): string[] => [...told].map(([name, state]) => `${name} ${state}`).toSorted()
        await eventually('the end of the history', () => {
          return informer.hasSynced && JSON.stringify(now()) === JSON.stringify(expected)
        })
        const listed = informer.list().map(({ metadata }) => {
          return `${metadata.name} ${metadata.uid} ${metadata.resourceVersion}`
        })
        assert.deepEqual(listed.toSorted(), expected)
      },
    ),
    { numRuns: 80 },
  )
})
