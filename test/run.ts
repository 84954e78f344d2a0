/**
 * `npm test`: all that needs Node alone and does not take long; `npm run test:long`, with `--long`: what needs Node alone and does. A few
 * processes take the files of tests one after another, each the next as it is through with one: to load the gateway takes a process
 * longer than most files of tests take. Exits 1 when a test failed, and names them at the end.
 *
 * `node test/run.ts <pattern>…` runs the files that a glob means, in the same way; `--costs` tells what each file took of the processor.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { globSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Failure, FromWorker, ToWorker } from './support/runner-messages.ts'

/** They need what not every machine has, or minutes, and have commands of their own. */
const elsewhere = ['chart', 'cluster', 'faults', 'node', 'package', 'sdks'].map(
  (room) => `test/${room}/**`,
)

/**
 * `npm run test:long`, which CI runs too: hostile peers, fault tables, generated cases, whole programs, tools, ledgers of many
 * segments, conversations of many rounds. Of each promise, one way from end to end stays with the rest: `test/e2e/story.test.ts` and `test/e2e/process.test.ts`.
 */
const takeLong = [
  'test/**/*.{denied,hostile,properties,property,refused}.test.ts',
  'test/**/{differential,hostile,linear,vectors}.test.ts',
  'test/**/*-faults.test.ts',
  'test/agent/countersign-fetch.streams.test.ts',
  'test/agent/stdio-bridge{,.gateway,.sdk}.test.ts',
  'test/cli/{bundle-process,open-candidate,open-policy.*,open-tenants}.test.ts',
  'test/cli/check/check-gateway.test.ts',
  'test/cli/command/{approve,bridge,ca,check,evaluate,forward,ledger,tools}-command.test.ts',
  'test/cli/command/{explain-list,find-asked}.test.ts',
  'test/cli/command/policy/{bench,build,check,eval,explain,promote,replay,sign}-command.test.ts',
  'test/dev/kubelet/*.test.ts',
  'test/dev/story/own-server.test.ts',
  'test/doctor/gather/**/*.test.ts',
  'test/e2e/{client,requester,starts,tool-servers,trust-domains}.test.ts',
  'test/fuzz/**/*.test.ts',
  'test/gateway/{identity-lifetime,pipeline,rollout,sdk,upstreams,watches}.test.ts',
  'test/gateway/approval/going-on.test.ts',
  'test/gateway/caller/namespace-watch.test.ts',
  'test/gateway/door/{body,unsent}.test.ts',
  'test/gateway/handle/seal.calls.test.ts',
  'test/gateway/permit/{call-limits.calls,hold-out,result,retry}.test.ts',
  'test/gateway/seats.calls.test.ts',
  'test/gateway/serve/*.across.test.ts',
  'test/gateway/serve/{ask-legacy,asks,gather,input-required,keep-approval,legacy-task}.test.ts',
  'test/gateway/serve/{listen,listen-tasks,pages-across,pass-pages,pass-task,renew-subscriptions,session-stream,subscribe,talk,task-told}.test.ts',
  'test/gateway/upstream/held-sessions.test.ts',
  'test/issued/restart.test.ts',
  'test/kubernetes/informer.test.ts',
  'test/ledger/{read-back,recovery,retention,retention.forged,segments}.test.ts',
  'test/mcp/{readings,readings.go}.test.ts',
  'test/pkcs11/token-key.softhsm.test.ts',
  'test/pki/subject-key.test.ts',
  'test/policy/author/{explain,nearest-permits}.test.ts',
  'test/policy/bundle-archive.test.ts',
  'test/policy/checkpoints/{signed-lines.kill,verify-log}.test.ts',
  'test/policy/plan/compile.test.ts',
  'test/policy/plan/regex/pattern.test.ts',
  'test/policy/shadow/shadow.test.ts',
  'test/policy/upload/upload.crash.test.ts',
  'test/signer/anchors/{request-authority,rotate-authority,scheduled-rotation}.test.ts',
  'test/signer/issue/history.segments.test.ts',
  'test/tlog/log-folder.test.ts',
  'test/token/algorithm.test.ts',
  'test/toolserver/read-body.test.ts',
  'test/tools/**/*.test.ts',
]

/** They measure what their process holds, so each begins one: fewer than there are processes. */
const first = ['test/gateway/door/body.test.ts', 'test/toolserver/read-body.test.ts']

const testTimeoutSeconds = 120
/** A test that holds its thread is not given up by its own process. */
const silenceSeconds = testTimeoutSeconds + 30
/** What a process may take to end after its last test, before what holds it is a failure. */
const endSeconds = testTimeoutSeconds

const options = [
  '--test-reporter=./test/support/tell-runner.ts',
  `--test-timeout=${testTimeoutSeconds * 1000}`,
  'test/support/run-files.ts',
]
/** What one process has compiled, and stripped of types, another finds, and so does a process that a test starts. */
const environment = {
  NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache'),
  ...process.env,
}

const { values: wanted, positionals: patterns } = parseArgs({
  allowPositionals: true,
  options: {
    long: { type: 'boolean', default: false },
    costs: { type: 'boolean', default: false },
  },
})

/** All that need Node alone: those that are run here, and those that the other command runs. */
function splitFiles(): { readonly here: string[]; readonly there: readonly string[] } {
  if (patterns.length > 0) return { here: globSync(patterns).toSorted(), there: [] }
  const files = globSync('test/**/*.test.ts', { exclude: elsewhere }).toSorted()
  const long = new Set(globSync(takeLong))
  const { here = [], there = [] } = Object.groupBy(files, (file) =>
    long.has(file) === wanted.long ? 'here' : 'there',
  )
  const [begin = [], later = []] = [true, false].map((isFirst) =>
    here.filter((file) => first.includes(file) === isFirst),
  )
  return { here: [...begin, ...later], there }
}

const { here: queue, there } = splitFiles()
/** How many files of a room are not through yet. */
const leftOfRooms = new Map<string, number>()
for (const file of queue) leftOfRooms.set(dirname(file), (leftOfRooms.get(dirname(file)) ?? 0) + 1)
const failures: Failure[] = []
const skipped: string[] = []
/** What each file cost its process, without what it started. */
const costs: { readonly file: string; readonly cpuSeconds: number }[] = []
let passed = 0

function secondsSince(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`
}
const start = performance.now()

/** A room is told of when all of its files are through. */
function fileThrough(file: string): void {
  const room = dirname(file)
  const left = (leftOfRooms.get(room) ?? 0) - 1
  leftOfRooms.set(room, left)
  if (left > 0) return
  const inRoom = failures.filter(({ place }) => dirname(place) === room).length
  const result = inRoom > 0 ? `✖ ${room}: ${inRoom} failed` : `✔ ${room}`
  console.log(`${result} (at ${secondsSince(start)})`)
}

/** One process, from its start to its end; what it did not come to is for another. */
class Worker {
  readonly #child: ChildProcess
  #file: string | undefined
  #running = 'no test'
  #heardAt = performance.now()
  #told = false
  #failed = false
  #gaveUp = ''

  constructor() {
    this.#child = spawn(process.execPath, options, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: environment,
    })
    this.#child.on('message', (message) => this.#hear(message as FromWorker))
  }

  #tell(message: ToWorker): void {
    this.#child.send(message, () => undefined)
  }

  #hear(message: FromWorker): void {
    this.#heardAt = performance.now()
    switch (message.kind) {
      case 'next':
        return this.#handOut(message.cpuSeconds)
      case 'started':
        this.#running = message.title
        return
      case 'passed':
        passed += 1
        return
      case 'skipped':
        skipped.push(message.title)
        return
      case 'failed':
        this.#failed = true
        failures.push(message.failure)
        return
      case 'said':
        console.log(message.text)
    }
  }

  #handOut(cpuSeconds: number): void {
    if (this.#file !== undefined) {
      fileThrough(this.#file)
      costs.push({ file: this.#file, cpuSeconds })
    }
    this.#file = queue.shift()
    this.#running = this.#file ?? 'the end of its tests'
    if (this.#file === undefined) this.#told = true
    this.#tell(this.#file === undefined ? { kind: 'none' } : { kind: 'file', file: this.#file })
  }

  /** Ends a process that has been silent for too long: nothing in it would end by itself. */
  #watch(): void {
    const limitSeconds = this.#told ? endSeconds : silenceSeconds
    if (performance.now() - this.#heardAt < limitSeconds * 1000) return
    this.#gaveUp = `nothing was heard for ${limitSeconds} s`
    this.#child.kill('SIGKILL')
  }

  /** Until the process is gone; how, is a failure unless its tests went well. */
  async ended(): Promise<void> {
    const watch = setInterval(() => this.#watch(), 1000)
    const [code, signal] = (await once(this.#child, 'close')) as [number | null, string | null]
    clearInterval(watch)
    if (code === 0 || (this.#told && code === 1 && this.#failed)) return
    const error = `${this.#gaveUp} process ended: ${signal ?? `exit code ${code}`}`.trim()
    failures.push({
      place: `${this.#file ?? 'test/run.ts'}:1:1`,
      title: this.#running,
      milliseconds: performance.now() - this.#heardAt,
      error,
    })
    if (this.#file !== undefined) fileThrough(this.#file)
  }
}

async function work(): Promise<void> {
  while (queue.length > 0) await new Worker().ended()
}

// Tests wait as often as they compute.
await Promise.all(Array.from({ length: availableParallelism() + 2 }, work))

for (const title of skipped) console.log(`left out: ${title}`)
if (failures.length > 0) console.log('\nfailing tests:\n')
for (const { place, title, milliseconds, error } of failures) {
  console.log(`test at ${place}\n✖ ${title} (${milliseconds.toFixed(1)}ms)`)
  console.log(`${error.replaceAll(/^/gm, '  ')}\n`)
}
if (wanted.costs) {
  for (const { file, cpuSeconds } of costs.toSorted((a, b) => b.cpuSeconds - a.cpuSeconds)) {
    console.log(`${cpuSeconds.toFixed(2).padStart(6)} s ${file}`)
  }
}
const counts = `${passed} passed, ${failures.length} failed, ${skipped.length} left out`
console.log(`${counts}, in ${secondsSince(start)}`)
if (there.length > 0) {
  const other = wanted.long ? 'npm test' : 'npm run test:long'
  console.log(`NOT RUN HERE: ${there.length} files, which ${other} runs`)
}
if (failures.length > 0) process.exitCode = 1
