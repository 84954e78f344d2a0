import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { CountersignError } from '../../../src/errors.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import { mergeBundle, readBundleFiles } from '../../../src/policy/bundle.ts'
import { given } from '../../../src/policy/document.ts'
import type { DocumentOf, Evaluate } from '../../../src/policy/document.ts'
import { fuelOf } from '../../../src/policy/engine.ts'
import { formatInput } from '../../../src/policy/input.ts'
import type { InputText } from '../../../src/policy/input.ts'
import { createPlanEngine } from '../../../src/policy/plan-engine.ts'
import { fromJson } from '../../../src/policy/plan/json.ts'
import type { Value } from '../../../src/policy/plan/values.ts'
import { unordered } from '../../../src/policy/second-opinion.ts'
import { createWasmEngine } from '../../../src/policy/wasm-engine.ts'
import { requirement } from '../../requirements.ts'
import { createQuestions } from '../questions.ts'

const shipped = join(import.meta.dirname, '..', '..', '..', 'policies', 'bundle')

/** An answer, or the code of what ended it early. */
function answerOf(evaluate: () => unknown): unknown {
  try {
    return unordered(evaluate())
  } catch (error) {
    if (error instanceof CountersignError) return error.code
    throw error
  }
}

/** The document with the caller and what it asks for as the gateway has them: one frozen value for all questions. */
function withKnownCall(text: InputText): DocumentOf {
  return (read) => {
    const { ...input } = fromJson(text) as Record<string, Value>
    for (const name of ['subject', 'resource', 'action']) {
      if (input[name] !== undefined) input[name] = read(JSON.stringify(input[name]))
    }
    return input
  }
}

for (const seed of [1, 2, 3]) {
  test(`plan and module answer alike whatever they are asked, seed ${seed}`, async () => {
    requirement('policy.plan-agrees')
    const files = await readBundleFiles(shipped)
    const plan = createPlanEngine(files.plan, { fuelOf, metrics: silentMetrics })
    const questions = createQuestions(seed)
    const seen = new Set<string>()
    for (let round = 0; round < 12; round += 1) {
      const data = questions.data()
      const bundle = mergeBundle({ ...files, data: {} }, [data])
      const module = createWasmEngine(bundle, 2048)
      const fresh = plan.withData(bundle.dataText)
      const kept = plan.withData(bundle.dataText)
      const engines: readonly Evaluate[] = [
        module,
        fresh,
        (entrypoint, text) => kept(entrypoint, text, withKnownCall(given(text))),
      ]
      for (let count = 0; count < 120; count += 1) {
        const { entrypoint, input } = questions.question(data)
        const text = formatInput(input)
        const [first, ...others] = engines.map((evaluate) =>
          answerOf(() => evaluate(entrypoint, text)),
        )
        for (const other of others)
          assert.deepEqual(other, first, `${entrypoint} ${text} ${bundle.dataText}`)
        seen.add(
          `${entrypoint} ${/"code":"[a-z-]+"|"allow":true/.exec(JSON.stringify(first))?.[0]}`,
        )
      }
    }
    for (const outcome of ['"allow":true', '"code":"not-granted"', '"code":"outside-ceiling"']) {
      assert.ok(seen.has(`countersign/mcp/decision ${outcome}`), outcome)
    }
  })
}
