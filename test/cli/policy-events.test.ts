import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ownPodOf, startPolicyEvents, type PolicyEvents } from '../../src/cli/policy-events.ts'
import type { ApiClient } from '../../src/kubernetes/api-client.ts'
import { silentLog } from '../../src/log.ts'
import { BundleServiceError } from '../../src/policy/bundle-exchange.ts'
import { formatBundleStatus } from '../../src/policy/bundle-status.ts'
import { requirement } from '../requirements.ts'

const pod = { namespace: 'countersign-system', name: 'countersign-gateway-1', uid: 'u-1' }

/** A policy of which it can be said what is in force and what is wrong, and the events of its pod. */
class Rig {
  revision: string | undefined = 'one'
  problem: Error | undefined
  readonly said: string[] = []
  readonly lines: string[] = []
  refuses = false
  readonly asked: { readonly path: string; readonly body: object }[] = []

  open(): PolicyEvents {
    const request = ({ path, body }: { path: string; body?: unknown }): Promise<unknown> => {
      if (this.refuses) return Promise.reject(new Error('forbidden'))
      const event = body as { type: string; reason: string; message: string; metadata: object }
      this.asked.push({ path, body: event })
      this.said.push(`${event.type} ${event.reason}: ${event.message}`)
      const metadata = { name: 'e', uid: 'e', resourceVersion: '1', ...event.metadata }
      return Promise.resolve({ ...event, metadata })
    }
    async function* stream(): AsyncGenerator<never> {}
    const events = startPolicyEvents({
      policy: {
        status: () =>
          formatBundleStatus(
            {},
            { name: 'countersign', revision: this.revision, problem: this.problem },
          ),
        bundleProblem: () => this.problem,
      },
      client: { server: '', request, stream, close: () => {} } as ApiClient,
      pod,
      component: 'countersign-gateway',
      now: () => Date.parse('2026-11-30T12:00:00.500Z'),
      log: { ...silentLog, warn: (_, line) => void this.lines.push(line) },
    })
    assert.ok(events !== undefined)
    return events
  }

  /** Looks once more, and gives what was said since. */
  async look(events: PolicyEvents): Promise<readonly string[]> {
    await events.look()
    return this.said.splice(0)
  }
}

test('the pod is told of a bundle that replaces another, and of one that is refused, once each', async () => {
  requirement('policy.last-good-stays')
  const rig = new Rig()
  await using events = rig.open()
  assert.deepEqual(await rig.look(events), [])
  rig.revision = 'two'
  const replaced = 'Normal PolicyReplaced: policy bundle "two" is in force, in the place of "one"'
  assert.deepEqual(await rig.look(events), [replaced])
  rig.problem = new Error('bundle lacks a file, want=policy.wasm')
  const refused =
    'Warning PolicyRefused: a policy bundle is not taken, "two" stays in force: bundle lacks a file, want=policy.wasm'
  assert.deepEqual(await rig.look(events), [refused])
  assert.deepEqual(await rig.look(events), [])
  rig.problem = undefined
  assert.deepEqual(await rig.look(events), [])
  rig.problem = new Error('bundle lacks a file, want=policy.wasm')
  assert.deepEqual(await rig.look(events), [refused])
  const [first] = rig.asked
  assert.equal(first?.path, '/api/v1/namespaces/countersign-system/events')
  const { involvedObject, source, firstTimestamp } = first.body as Record<string, unknown>
  assert.deepEqual(involvedObject, { apiVersion: 'v1', kind: 'Pod', ...pod })
  assert.deepEqual(source, { component: 'countersign-gateway' })
  assert.equal(firstTimestamp, '2026-11-30T12:00:00Z')
})

test('a start without a good bundle says so, and a server that cannot be asked has refused none', async () => {
  const rig = new Rig()
  rig.revision = undefined
  rig.problem = new Error('signature is of no known key')
  await using events = rig.open()
  assert.deepEqual(await rig.look(events), [
    'Warning PolicyRefused: a policy bundle is not taken, all is denied: signature is of no known key',
  ])
  rig.problem = new BundleServiceError('bundle server answers 503, want=200', { httpCode: 503 })
  assert.deepEqual(await rig.look(events), [])
  rig.revision = 'one'
  rig.problem = undefined
  assert.deepEqual(await rig.look(events), [
    'Normal PolicyReplaced: policy bundle "one" is in force',
  ])
})

test('an event that cannot be written is said once in the log, and stops nothing', async () => {
  const rig = new Rig()
  rig.refuses = true
  await using events = rig.open()
  for (const revision of ['two', 'three']) {
    rig.revision = revision
    assert.deepEqual(await rig.look(events), [])
  }
  assert.deepEqual(rig.lines, ['no event tells of the policy'])
  rig.refuses = false
  rig.revision = 'four'
  assert.equal((await rig.look(events)).length, 1)
})

test('a program knows its pod where all of it is said', () => {
  const all = { POD_NAMESPACE: pod.namespace, POD_NAME: pod.name, POD_UID: pod.uid }
  assert.deepEqual(ownPodOf(all), pod)
  for (const missing of Object.keys(all)) {
    assert.equal(ownPodOf({ ...all, [missing]: undefined }), undefined)
    assert.equal(ownPodOf({ ...all, [missing]: '../x' }), undefined)
  }
})
