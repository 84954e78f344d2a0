import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { silentMetrics } from '../../src/metrics.ts'
import { makeProgram } from '../../image/program.ts'
import { formatProgramModule, openBuiltPrograms } from '../../src/policy/built-program.ts'
import { openPolicyBase } from '../../src/policy/engine.ts'
import { createPlanEngine } from '../../src/policy/plan-engine.ts'
import { requirement } from '../requirements.ts'

const root = join(import.meta.dirname, '..', '..')

function planOf(path: string): unknown {
  return JSON.parse(readFileSync(join(root, path), 'utf8'))
}

const shipped = planOf('policies/bundle/plan.json')
const bomb = planOf('test/vectors/rego/bomb.plan.json')
let folder: string
let program: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-program-'))
  program = join(folder, 'program.mjs')
  await writeFile(program, makeProgram(root))
})

after(() => rm(folder, { recursive: true, force: true }))

test('where nobody makes code of strings, the built program runs for its plan, others are made, and each has its steps', () => {
  requirement('policy.plan-is-no-text')
  requirement('policy.steps-bounded')
  const text = `
    import { entrypoints, openPolicyBase } from './src/policy/engine.ts'
    import { createPlanEngine } from './src/policy/plan-engine.ts'
    import { silentMetrics } from './src/metrics.ts'
    import bomb from './test/vectors/rego/bomb.plan.json' with { type: 'json' }
    const steps = []
    const metrics = { ...silentMetrics, observe: (_, count) => steps.push(count) }
    const base = await openPolicyBase({ program: ${JSON.stringify(program)}, metrics })
    const { allow } = base.engineWith([]).evaluate(entrypoints.decision, {})
    const made = await openPolicyBase({ metrics })
    let ended
    try {
      createPlanEngine(bomb, { fuelOf: () => 1000, metrics }).withData('{}')('bomb/loops', '{}')
    } catch ({ code }) {
      ended = code
    }
    let why
    try {
      ;(() => {}).constructor('return 1')
    } catch ({ name }) {
      why = name
    }
    const opened = [base, made].map(({ engine, isBuilt }) => [engine, isBuilt])
    console.log(JSON.stringify([opened, allow, steps.some((count) => count > 10), ended, why]))`
  const words = ['--disallow-code-generation-from-strings', '--input-type=module', '--eval', text]
  const { stdout, stderr } = spawnSync(process.execPath, words, { cwd: root, encoding: 'utf8' })
  assert.deepEqual(
    JSON.parse(stdout || '0'),
    [
      [
        ['plan', true],
        ['plan', false],
      ],
      false,
      true,
      'policy/fuel',
      'EvalError',
    ],
    stderr,
  )
})

test('a built program runs for no plan but its own, and not at all where a letter of it is another', async () => {
  requirement('policy.plan-is-no-text')
  const options = { fuelOf: (): number => 1000, metrics: silentMetrics }
  const built = await openBuiltPrograms(program)
  assert.equal(createPlanEngine(shipped, { ...options, built }).isBuilt, true)
  const another = createPlanEngine(bomb, { ...options, built })
  assert.equal(another.isBuilt, false)
  assert.equal(another.withData('{}')('bomb/harmless', '{"text":"hello"}' as never), 'hello')
  const text = makeProgram(root)
  for (const [name, other] of Object.entries({
    longer: `${text}\n`,
    changed: text.replace('const s0=S[0]', 'const s0=S[1]'),
    another: formatProgramModule("'use strict'\nreturn undefined"),
  })) {
    const file = join(folder, `${name}.mjs`)
    await writeFile(file, other)
    const base = await openPolicyBase({ program: file })
    assert.deepEqual([base.engine, base.isBuilt], ['plan', false], name)
  }
  const none = await openPolicyBase({ program: join(folder, 'none.mjs') })
  assert.deepEqual([none.engine, none.isBuilt], ['plan', false])
})
