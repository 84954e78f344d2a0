import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { RunnablePod } from '../../../dev/kubelet/container-runner.ts'
import { createProcessRunner } from '../../../dev/kubelet/process.ts'
import { eventually } from '../../support/eventually.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-process-'))
})
after(() => rm(folder, { recursive: true, force: true }))

function pod(
  name: string,
  script: string,
  env: readonly { name: string; value: string }[] = [],
): RunnablePod {
  const command = [process.execPath, '--eval', script]
  return { metadata: { name, namespace: 'n', uid: name }, spec: { containers: [{ command, env }] } }
}

const logOf = (name: string): Promise<string> =>
  readFile(join(folder, `n_${name}.log`), 'utf8').catch(() => '')

test('a process has the environment of its container and its volumes, and nothing of ours', async () => {
  const run = createProcessRunner({ folder })
  const script =
    'console.log(JSON.stringify(process.env)); console.error("to stderr"); setInterval(() => {}, 1000)'
  const running = await run(
    pod('env', script, [{ name: 'GREETING', value: '$HOME; exit' }]),
    { 'my-identity': '/volumes/x' },
    new AbortController().signal,
  )
  await eventually('output', async () => (await logOf('env')).includes('to stderr'))
  const env = JSON.parse(
    (await logOf('env')).split('\n').find((line) => line.startsWith('{')) ?? '{}',
  )
  assert.deepEqual(
    Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('__'))),
    { GREETING: '$HOME; exit', COUNTERSIGN_VOLUME_MY_IDENTITY: '/volumes/x' },
  )
  assert.equal((await stat(join(folder, 'n_env.log'))).mode & 0o777, 0o600)
  await running?.stop()
})

test('a process that ends badly starts again, later each time; one that ends well does not', async () => {
  const delays: number[] = []
  const run = createProcessRunner({
    folder,
    random: () => 0.5,
    delay: (milliseconds) => {
      delays.push(milliseconds)
      return Promise.resolve()
    },
  })
  const script =
    'const fs = require("fs"); const n = fs.existsSync(process.env.F) ? Number(fs.readFileSync(process.env.F)) : 0;' +
    'fs.writeFileSync(process.env.F, String(n + 1)); console.log("run", n); process.exit(n < 3 ? 1 : 0)'
  const env = [{ name: 'F', value: join(folder, 'count') }]
  const running = await run(pod('again', script, env), {}, new AbortController().signal)
  await eventually('the fourth run', async () => (await logOf('again')).includes('run 3'))
  await running?.stop()
  assert.deepEqual(delays, [7500, 15_000, 30_000])
  assert.equal((await logOf('again')).includes('run 4'), false)
})

test('a stopped process is gone, even one that does not listen', async () => {
  const run = createProcessRunner({ folder })
  const script =
    'process.on("SIGTERM", () => {}); console.log(process.pid); setInterval(() => {}, 1000)'
  const running = await run(pod('deaf', script), {}, new AbortController().signal)
  await eventually('its pid', async () => (await logOf('deaf')).includes('\n'))
  const pid = Number((await logOf('deaf')).trim())
  process.kill(pid, 0)
  await running?.stop()
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
})

test('the end of a pod ends its process', async () => {
  const run = createProcessRunner({ folder })
  const ending = new AbortController()
  const running = await run(
    pod('ended', 'console.log(process.pid); setInterval(() => {}, 1000)'),
    {},
    ending.signal,
  )
  await eventually('its pid', async () => (await logOf('ended')).includes('\n'))
  const pid = Number((await logOf('ended')).trim())
  ending.abort()
  await running?.stop()
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
})

test('a program that is not there is tried again, and its failure is in the log', async () => {
  const delays: number[] = []
  const run = createProcessRunner({
    folder,
    delay: (milliseconds, signal) => {
      delays.push(milliseconds)
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
    },
  })
  const missing = {
    ...pod('missing', ''),
    spec: { containers: [{ command: ['/nowhere/program'] }] },
  }
  const running = await run(missing, {}, new AbortController().signal)
  await eventually('the failure', () => delays.length === 1)
  await eventually('its line', async () => /ENOENT/.test(await logOf('missing')))
  await running?.stop()
})

test('a pod without a command only exists', async () => {
  const run = createProcessRunner({ folder })
  const bare = { ...pod('bare', ''), spec: { containers: [{}] } }
  assert.equal(await run(bare, {}, new AbortController().signal), undefined)
  const aborted = await run(pod('late', ''), {}, AbortSignal.abort())
  assert.equal(aborted, undefined)
})
