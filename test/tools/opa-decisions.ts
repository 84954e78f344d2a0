/** `opa run` and a gateway's decision log, as two senders to one receiver. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import { unpackBundle } from '../../src/policy/bundle-archive.ts'
import { createAuthorizer } from '../../src/policy/authorizer.ts'
import { openDecisionLog } from '../../src/policy/decision-log.ts'
import { dropEntrypoint, entrypoints, openPolicyBase } from '../../src/policy/engine.ts'
import type { PolicyEngine } from '../../src/policy/engine.ts'
import { openUpload } from '../../src/policy/upload/upload.ts'
import { runPolicy } from '../cli/command/policy/run-policy.ts'
import { callInput, textsOf } from '../policy/call-input.ts'
import { openCollector, type Collector, type Received } from '../policy/upload/collector.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'

const token = 'secret-of-both'

/** What either sends is dropped of this caller, and of nobody else. */
const dropped = 'dropped'

const dropRule = `package system.log

# METADATA
# title: One caller
# entrypoint: true
drop if input.input.subject.id == "${dropped}"
`

/** Chunks of both have one form, and their events one form: what takes the one takes the other. Throws where not. */
export async function sendAsOpa(opa: string, policies: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-opa-decisions-'))
  try {
    await mkdir(join(folder, 'rules', 'system'), { recursive: true })
    await writeFile(join(folder, 'rules', 'system', 'drop.rego'), dropRule)
    const places = [join(policies, 'countersign'), join(policies, 'data'), join(folder, 'rules')]
    const archive = join(folder, 'bundle.tar.gz')
    const { code, err } = await runPolicy('build', ...places, '-o', archive, '--opa', opa)
    assert.equal(code, 0, err)
    const content = await unpackBundle(await readFile(archive))
    const engine = (await openPolicyBase({ content })).engineWith([])
    const tokenPath = join(folder, 'token')
    await writeFile(tokenPath, token)
    await using collector = await openCollector()
    const theirs = await sentByOpa(opa, { folder, places, collector })
    const ours = await sentByUs(engine, { folder, tokenPath, collector })
    compareChunks(ours, theirs)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function sentByOpa(
  opa: string,
  parts: {
    readonly folder: string
    readonly places: readonly string[]
    readonly collector: Collector
  },
): Promise<Received> {
  const { folder, places, collector } = parts
  const config = join(folder, 'opa.json')
  const reporting = { min_delay_seconds: 1, max_delay_seconds: 1 }
  const receiver = { url: collector.url, credentials: { bearer: { token } } }
  const settings = {
    services: { receiver },
    labels: { id: 'opa' },
    decision_logs: { service: 'receiver', partition_name: 'acme', reporting },
  }
  await writeFile(config, JSON.stringify(settings))
  const address = `127.0.0.1:${await freePort()}`
  const words = ['run', '--server', '--addr', address, '-c', config, '--ignore', '*_test.rego']
  const child = spawn(opa, [...words, ...places], { stdio: 'ignore' })
  try {
    const ask = (input: object): Promise<Response> =>
      fetch(`http://${address}/v1/data/${entrypoints.decision}`, {
        method: 'POST',
        body: JSON.stringify({ input }),
      })
    await eventually('opa listens', () =>
      fetch(`http://${address}/health`).then(
        ({ ok }) => ok,
        () => false,
      ),
    )
    const input = callInput()
    await ask({ ...input, subject: { ...input.subject, id: dropped } })
    await ask(input)
    await eventually('opa sends', () => collector.taken.length > 0)
  } finally {
    child.kill('SIGTERM')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  return collector.taken[0] ?? assert.fail()
}

async function sentByUs(
  engine: PolicyEngine,
  parts: { readonly folder: string; readonly tokenPath: string; readonly collector: Collector },
): Promise<Received> {
  const { folder, tokenPath, collector } = parts
  const before = collector.taken.length
  const opened = { file: join(folder, 'decisions.jsonl'), log: silentLog, metrics: silentMetrics }
  const target = {
    url: collector.url,
    resource: 'logs/acme',
    credentials: { bearer: { tokenPath } },
    responseHeaderTimeoutSeconds: 10,
    reporting: { minDelaySeconds: 1, maxDelaySeconds: 1, uploadSizeLimitBytes: 32_768 },
  }
  {
    await using upload = await openUpload(target, opened)
    await using log = await openDecisionLog({
      ...opened,
      moveAside: upload.moveAside,
      drops: 'by-policy',
      engine,
      labels: () => ({ id: 'gateway' }),
      now: Date.now,
    })
    upload.start()
    const input = callInput()
    for (const subject of [{ ...input.subject, id: dropped }, input.subject]) {
      const evaluated = createAuthorizer(engine).decide(textsOf({ ...input, subject }))
      const requestedBy = subject.id
      log.record({ decisionId: subject.id, path: entrypoints.decision, evaluated, requestedBy })
    }
    await log.flush()
  }
  return collector.taken[before] ?? assert.fail('we have sent nothing')
}

/** What a receiver goes by. */
const headers = ['content-type', 'content-encoding', 'authorization', 'host'] as const

function compareChunks(ours: Received, theirs: Received): void {
  assert.deepEqual([ours.method, ours.path], [theirs.method, theirs.path])
  for (const name of headers) assert.equal(ours.headers[name], theirs.headers[name], name)
  const [their, ...more] = theirs.events.filter(({ path }) => path === entrypoints.decision)
  const [our, ...others] = ours.events.filter(({ path }) => path === entrypoints.decision)
  assert.ok(our !== undefined && their !== undefined)
  assert.deepEqual([more, others], [[], []], `${dropEntrypoint} drops one of two`)
  for (const [name, value] of Object.entries(their)) {
    // OPA was not given a bundle, and has timers of its own.
    if (name !== 'metrics' && name !== 'bundles') assert.equal(typeof our[name], typeof value, name)
  }
  assert.deepEqual(our['result'], their['result'])
  assert.equal(Number.isNaN(Date.parse(String(our['timestamp']))), false)
}
