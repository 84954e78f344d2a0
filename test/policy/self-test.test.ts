import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { unpackBundle } from '../../src/policy/bundle-archive.ts'
import { createSelfTest, type Tested } from '../../src/policy/self-test.ts'
import { requirement } from '../requirements.ts'
import { archiveOf, shippedFiles, type Files } from './archive.ts'
import { assembleModule } from './policy-module.ts'

const program = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')

async function tested(files: Files): Promise<Tested> {
  const content = await unpackBundle(await archiveOf(files))
  return { content, documents: [], engine: undefined }
}

const selfTest = createSelfTest({ program, deadlineMilliseconds: 60_000 })

test('a bundle that is good passes its test', async () => {
  await selfTest(await tested(await shippedFiles()))
})

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

for (const [what, [files, code, message]] of Object.entries(refused)) {
  test(`${what} does not pass`, async () => {
    requirement('policy.bundle-tested')
    await assert.rejects(selfTest(await tested(files)), { code, message })
  })
}

test('a module that never returns is ended in time, and holds nobody up', async () => {
  requirement('policy.bundle-tested')
  const module = assembleModule({ behaviour: { loop: true } })
  const quick = createSelfTest({ program, deadlineMilliseconds: 3000 })
  let turns = 0
  const timer = setInterval(() => (turns += 1), 10)
  const question = await tested(await shippedFiles({ 'policy.wasm': module }))
  await assert.rejects(quick(question), {
    code: 'policy/test',
    message: 'bundle does not pass its test in time, want=..3000 ms',
  })
  clearInterval(timer)
  assert.ok(turns > 20, `turns=${turns}`)
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
