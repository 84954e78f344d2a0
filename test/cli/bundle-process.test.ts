import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { enableCompileCache, getCompileCacheDir } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { serialize } from 'node:v8'
import { unpackBundle } from '../../src/policy/bundle-archive.ts'
import { createSelfTest, forkBundleProcess } from '../../src/cli/bundle-process.ts'
import { answerTest, type Tested } from '../../src/policy/self-test.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { archiveOf, shippedFiles, type Files } from '../policy/archive.ts'
import { assembleModule } from '../policy/policy-module.ts'

const program = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')

async function tested(files: Files): Promise<Tested> {
  const content = await unpackBundle(await archiveOf(files))
  return { content, documents: [], engine: undefined }
}

const selfTest = createSelfTest({ program, deadlineMilliseconds: 60_000 })

const endless = assembleModule({ behaviour: { loop: true, early: true } })

const builtinOfNobody = assembleModule({ builtins: ['http.send'] })

const refused: Readonly<Record<string, readonly [Files, string, RegExp]>> = {
  'a module that needs a builtin of nobody': [
    await shippedFiles({ 'policy.wasm': builtinOfNobody, 'plan.json': undefined }),
    'policy/bundle',
    /^policy needs builtins that are not provided, got=http.send$/,
  ],
  'a plan with a statement of nobody': [
    await shippedFiles({
      'plan.json': '{"static":{},"plans":{"plans":[]},"funcs":{"funcs":[]},"more":1}',
    }),
    'policy/bundle',
    /^plan.json cannot be run, got=/,
  ],
  'a module that lacks entrypoints': [
    await shippedFiles({
      'policy.wasm': assembleModule({ entrypoints: ['countersign/mcp/list'] }),
      'plan.json': undefined,
    }),
    'policy/bundle',
    /^bundle does not answer an empty input, got=countersign\/issuance\/decision$/,
  ],
  'a module that traps where the plan answers': [
    await shippedFiles({ 'policy.wasm': assembleModule({ behaviour: { trap: true } }) }),
    'policy/bundle',
    /^plan.json and policy.wasm do not answer alike, got=/,
  ],
}

test('a bundle that is good passes its test, and one that is not is told by its own name', async () => {
  requirement('policy.bundle-tested')
  const trap = assembleModule({ behaviour: { trap: true } })
  const bad = await tested(await shippedFiles({ 'policy.wasm': trap }))
  await selfTest(await tested(await shippedFiles()))
  await assert.rejects(selfTest(bad), { code: 'policy/bundle', message: /do not answer alike/ })
})

for (const [what, [files, code, message]] of Object.entries(refused)) {
  test(`${what} does not pass`, async () => {
    requirement('policy.bundle-tested')
    const { content, ...question } = await tested(files)
    // What the other process says, without its start.
    const answer = await answerTest({ ...question, ...content })
    assert.ok(!answer.ok)
    assert.equal(answer.failure.code, code)
    assert.match(answer.failure.message, message)
  })
}

test('a module that never returns is ended in time, and holds nobody up', async (t) => {
  requirement('policy.bundle-tested')
  const quick = createSelfTest({ program, deadlineMilliseconds: 1000 })
  let turns = 0
  const timer = setInterval(() => (turns += 1), 10)
  t.after(() => clearInterval(timer))
  const question = await tested(await shippedFiles({ 'policy.wasm': endless }))
  await assert.rejects(quick(question), {
    code: 'policy/test',
    message: 'bundle does not pass its test in time, want=..1000 ms',
  })
  assert.ok(turns > 1, `turns=${turns}`)
})

test('a test that nobody waits for any more is ended', async () => {
  requirement('policy.bundle-tested')
  const closed = new AbortController()
  const question = await tested(await shippedFiles({ 'policy.wasm': endless }))
  const pending = selfTest(question, closed.signal)
  closed.abort()
  await assert.rejects(pending, { code: 'policy/test' })
})

/** Asks the question of an endless module, and says whom. */
const parent = `
  import { fork } from 'node:child_process'
  import { readFileSync } from 'node:fs'
  import { deserialize } from 'node:v8'
  const [program, question] = process.argv.slice(1)
  const stdio = ['ignore', 'inherit', 'ignore', 'ipc']
  const child = fork(program, ['test-bundle'], { env: {}, execArgv: [], serialization: 'advanced', stdio })
  child.once('message', () => {
    child.send(deserialize(readFileSync(question)), () => console.log(child.pid))
  })
`

test('a process that tests a module that never returns ends with the one that started it', async () => {
  requirement('policy.bundle-tested')
  const folder = await mkdtemp(join(tmpdir(), 'countersign-self-test-'))
  const { content, ...question } = await tested(await shippedFiles({ 'policy.wasm': endless }))
  const file = join(folder, 'question')
  await writeFile(file, serialize({ ...question, ...content }))
  const started = spawn(
    process.execPath,
    ['--input-type=module', '--eval', parent, program, file],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  // The pipe is held by both.
  const closed = once(started.stdout, 'close')
  const [text] = (await once(started.stdout, 'data')) as [Buffer]
  started.kill('SIGKILL')
  let isEnded = false
  void closed.then(() => (isEnded = true))
  started.stdout.resume()
  try {
    await eventually('the end of the test', () => isEnded, 20)
  } finally {
    if (!isEnded) process.kill(Number(text.toString()), 'SIGKILL')
    await rm(folder, { recursive: true })
  }
})

test('data that takes more memory than a test may have ends the test, and not the process', async () => {
  requirement('policy.bundle-tested')
  const small = createSelfTest({ program, heapMegabytes: 48, deadlineMilliseconds: 60_000 })
  const bomb = `{"bomb":[${'{},'.repeat(2_000_000)}{}]}`
  await assert.rejects(small(await tested(await shippedFiles({ 'data.json': bomb }))), {
    code: 'policy/test',
    message: 'test of the bundle ended early, got=SIGABRT',
  })
})

test('the process of a test is told of nothing but where modules are compiled already', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-self-test-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, 'tells.mjs')
  const tell = 'process.send([getCompileCacheDir(), Object.keys(process.env)])'
  await writeFile(file, `import { getCompileCacheDir } from 'node:module'\n${tell}\n`)
  enableCompileCache()
  process.env['COUNTERSIGN_TEST_SECRET'] = 'x'
  const child = forkBundleProcess([file, 'word'], 96)
  try {
    const [[cache, names]] = (await once(child, 'message')) as [[string, readonly string[]]]
    assert.equal(cache, getCompileCacheDir())
    const others = names.filter((name) => !name.startsWith('NODE_CHANNEL_'))
    assert.deepEqual(others, ['NODE_COMPILE_CACHE'])
  } finally {
    delete process.env['COUNTERSIGN_TEST_SECRET']
    child.kill('SIGKILL')
  }
})
