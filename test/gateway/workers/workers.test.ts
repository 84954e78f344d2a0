import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FromWorker, ToWorker, WorkerProcess } from '../../../src/gateway/workers/messages.ts'
import { createWorkers, type Workers } from '../../../src/gateway/workers/workers.ts'
import { silentLog } from '../../../src/log.ts'
import { createMetrics, formatMetrics, type MetricsSnapshot } from '../../../src/metrics.ts'
import type { Condition } from '../../../src/readiness.ts'

interface FakeProcess extends WorkerProcess<number> {
  readonly told: ToWorker<number>[]
  readonly killed: boolean
  say(message: FromWorker): void
  exit(how: string): void
}

function fakeProcess(): FakeProcess {
  const told: ToWorker<number>[] = []
  let killed = false
  let hear = (_message: FromWorker): void => {}
  let exit = (_how: string): void => {}
  return {
    told,
    get killed() {
      return killed
    },
    send: (message) => void told.push(message),
    onMessage: (listener) => void (hear = listener),
    onExit: (listener) => void (exit = listener),
    kill() {
      killed = true
    },
    say: (message) => hear(message),
    exit: (how) => exit(how),
  }
}

interface Rig {
  readonly workers: Workers
  /** In the order in which they were started. */
  readonly processes: FakeProcess[]
  /** Whose process has ended. */
  readonly gone: readonly number[]
  readonly page: () => Promise<string>
  /** Lets that much time go by. */
  readonly pass: (milliseconds: number) => void
}

function openRig(count = 2): Rig {
  const processes: FakeProcess[] = []
  const gone: number[] = []
  const due = new Set<{ readonly at: number; readonly work: () => void }>()
  let time = 0
  const metrics = createMetrics()
  const workers = createWorkers<number>({
    count,
    fork() {
      const process = fakeProcess()
      processes.push(process)
      return process
    },
    settingsOf: (number) => number * 10,
    carried: (number, message, answer) => answer([number, message]),
    gone: (number) => void gone.push(number),
    endMilliseconds: 1000,
    after(milliseconds, work) {
      const entry = { at: time + milliseconds, work }
      due.add(entry)
      return () => due.delete(entry)
    },
    now: () => time,
    log: silentLog,
    metrics,
  })
  return {
    workers,
    processes,
    gone,
    page: async () => {
      const counted = workers.snapshots()
      return formatMetrics([await metrics.snapshot(), ...(await counted)])
    },
    pass(milliseconds) {
      time += milliseconds
      for (const entry of [...due].filter(({ at }) => at <= time)) {
        due.delete(entry)
        entry.work()
      }
    },
  }
}

const fine: Condition = { name: 'policy', ok: true, reason: 'revision 1' }
const pages = { '/jwks.json': { contentType: 'application/jwk-set+json', body: '{}' } }
const state = (...conditions: readonly Condition[]): FromWorker => ({
  kind: 'state',
  conditions,
  pages,
})

function begin(process: FakeProcess | undefined): void {
  process?.say({ kind: 'here' })
  process?.say(state(fine))
}

async function snapshotOf(served: number): Promise<MetricsSnapshot> {
  const metrics = createMetrics()
  metrics.count('countersign_gateway_requests_total', { door: 'all', outcome: 'served' }, served)
  metrics.set('countersign_gateway_connections', served)
  return metrics.snapshot()
}

test('each worker is told its own settings, and all have begun when each has said so', async () => {
  const { workers, processes } = openRig()
  begin(processes[0])
  assert.equal(workers.conditions()[0]?.reason, 'worker 2 begins')
  begin(processes[1])
  await workers.begun
  assert.deepEqual(
    processes.map(({ told }) => told[0]),
    [
      { kind: 'begin', settings: 10 },
      { kind: 'begin', settings: 20 },
    ],
  )
  assert.deepEqual(workers.conditions(), [{ name: 'workers', ok: true, reason: '2 serve' }, fine])
})

test('what one lacks is lacking, and who lacks it is named', () => {
  const { workers, processes } = openRig()
  for (const process of processes) begin(process)
  processes[0]?.say(state({ ...fine, ok: false, optional: true, reason: 'old' }))
  processes[1]?.say(state({ ...fine, ok: false, reason: 'none' }))
  assert.deepEqual(workers.conditions()[1], { ...fine, ok: false, reason: 'worker 2: none' })
})

test('what they have to show is shown as the first has it that there is', () => {
  const { workers, processes } = openRig()
  assert.equal(workers.page('/jwks.json'), undefined)
  begin(processes[1])
  assert.deepEqual(workers.page('/jwks.json'), pages['/jwks.json'])
  assert.equal(workers.page('/none'), undefined)
})

test('the first failure of a start is the start’s, and nobody is started again', async () => {
  const { workers, processes, pass } = openRig()
  const failure = { code: 'policy/data' as const, message: 'is not JSON', hint: 'mend it' }
  processes[0]?.say({ kind: 'failed', failure })
  processes[1]?.say({ kind: 'failed', failure: { ...failure, message: 'too' } })
  await assert.rejects(workers.begun, { code: 'policy/data', message: 'is not JSON' })
  for (const process of processes) process.exit('exit code 0')
  pass(60_000)
  assert.equal(processes.length, 2)
})

test('whoever ends is started again, later each time, and soon again after it has been steady', async () => {
  const { workers, processes, pass } = openRig()
  for (const process of processes) begin(process)
  await workers.begun
  for (const milliseconds of [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
    const before = processes.length
    processes.at(-1)?.exit('signal SIGKILL')
    assert.match(workers.conditions()[0]?.reason ?? '', /worker 2 has ended: signal SIGKILL/)
    pass(milliseconds - 1)
    assert.equal(processes.length, before, `not before ${milliseconds} ms`)
    pass(1)
    assert.equal(processes.length, before + 1)
    begin(processes.at(-1))
  }
  for (let half = 0; half < 121; half += 1) {
    pass(500)
    for (const process of processes) process.say(state(fine))
  }
  const before = processes.length
  processes.at(-1)?.exit('signal SIGKILL')
  pass(500)
  assert.equal(processes.length, before + 1)
})

test('a worker that falls silent is ended', () => {
  const { processes, pass } = openRig()
  for (const process of processes) begin(process)
  pass(20_000)
  processes[0]?.say(state(fine))
  pass(10_000)
  assert.deepEqual(
    processes.map(({ killed }) => killed),
    [false, true],
  )
})

test('what workers count is summed, and stays counted when they end', async () => {
  const { processes, page } = openRig()
  for (const process of processes) begin(process)
  const answer = async (served: readonly number[]): Promise<string> => {
    const text = page()
    for (const [index, number] of served.entries()) {
      const last = processes[index]?.told.at(-1)
      assert.ok(last?.kind === 'count')
      const snapshot = await snapshotOf(number)
      processes[index]?.say({ kind: 'counted', ask: last.ask, snapshot })
    }
    return text
  }
  const first = await answer([3, 4])
  assert.match(first, /requests_total\{door="all",outcome="served"\} 7\n/)
  assert.match(first, /gateway_connections 7\n/)
  processes[1]?.exit('signal SIGSEGV')
  const second = await answer([5])
  assert.match(second, /requests_total\{door="all",outcome="served"\} 9\n/)
  assert.match(second, /gateway_connections 5\n/)
  assert.match(second, /countersign_gateway_worker_exits_total 1\n/)
})

test('a page waits two seconds for a worker that does not answer, and has what it said before', async () => {
  const { processes, page, pass } = openRig(1)
  begin(processes[0])
  const first = page()
  const asked = processes[0]?.told.at(-1)
  assert.ok(asked?.kind === 'count')
  processes[0]?.say({ kind: 'counted', ask: asked.ask, snapshot: await snapshotOf(2) })
  await first
  const second = page()
  pass(2000)
  assert.match(await second, /requests_total\{door="all",outcome="served"\} 2\n/)
})

test('told to end, all are told, waited for, and ended at last', async () => {
  const { workers, processes, pass } = openRig()
  for (const process of processes) begin(process)
  let over = false
  const ended = workers.end().then(() => (over = true))
  assert.ok(processes.every(({ told }) => told.at(-1)?.kind === 'end'))
  processes[0]?.exit('exit code 0')
  await Promise.resolve()
  assert.equal(over, false)
  pass(1000)
  assert.deepEqual(
    processes.map(({ killed }) => killed),
    [false, true],
  )
  processes[1]?.exit('signal SIGKILL')
  await ended
  pass(60_000)
  assert.equal(processes.length, 2)
})

test('what a worker says of what it does is passed on with its number, and answered to it alone', () => {
  const { processes, gone } = openRig()
  processes[1]?.say({ kind: 'carried', message: 'who' })
  assert.deepEqual(processes[1]?.told, [{ kind: 'carried', message: [2, 'who'] }])
  assert.deepEqual(processes[0]?.told, [])
  processes[1]?.exit('signal SIGKILL')
  assert.deepEqual(gone, [2])
})
