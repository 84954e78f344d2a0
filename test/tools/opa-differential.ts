import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { silentMetrics } from '../../src/metrics.ts'
import { mergeBundle, readBundleFiles } from '../../src/policy/bundle.ts'
import type { Evaluate } from '../../src/policy/document.ts'
import { entrypoints, fuelOf } from '../../src/policy/engine.ts'
import { formatInput, type InputText } from '../../src/policy/input.ts'
import { createBuiltins } from '../../src/policy/plan/builtins/builtins.ts'
import { Meter } from '../../src/policy/plan/meter.ts'
import type { Value } from '../../src/policy/plan/values.ts'
import { createPlanEngine } from '../../src/policy/plan-engine.ts'
import { unordered } from '../../src/policy/second-opinion.ts'
import { createWasmEngine } from '../../src/policy/wasm-engine.ts'
import { createQuestions } from '../policy/questions.ts'
import { globCalls, globShapes } from '../policy/plan/builtins/glob-calls.ts'
import { tokenCalls, tokenShapes } from '../policy/plan/builtins/token-calls.ts'
import { exactText } from '../policy/plan/random.ts'
import type { Call } from '../policy/plan/random.ts'
import { formatCalls, formatShapes } from '../policy/plan/format/format-calls.ts'
import { regexCalls, regexShapes } from '../policy/plan/regex/regex-calls.ts'
import { timeCalls, timeShapes } from '../policy/plan/time/time-calls.ts'
import { wordCalls, wordShapes } from '../policy/plan/word-calls.ts'
import { answersTo } from './builtin-vectors.ts'

const root = join(import.meta.dirname, '..', '..')
const rules = join(root, 'policies', 'countersign')

/** A question, as text, with the place of its answer. */
interface Asked {
  readonly entrypoint: string
  readonly text: InputText
}

/**
 * The answers of `opa eval`, which evaluates the rules themselves, to many questions at once; null where it has none. It is no
 * opinion of the planner's, which plan and module have in common.
 */
function answersOfOpa(opa: string, dataText: string, asked: readonly Asked[]): readonly unknown[] {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-differential-'))
  try {
    const questions = asked.map(
      ({ entrypoint, text }, at) => `{"e":"${entrypoint}","at":${at},"asked":${text}}`,
    )
    writeFileSync(join(folder, 'data.json'), dataText)
    writeFileSync(join(folder, 'input.json'), `[${questions.join()}]`)
    const answers = Object.values(entrypoints).map((entrypoint) => {
      const rule = `data.${entrypoint.replaceAll('/', '.')}`
      return `[[q.at, r] | some q in input; q.e == "${entrypoint}"; asked := q.asked; r := ${rule} with input as asked]`
    })
    const files = [
      '--data',
      rules,
      '--data',
      join(folder, 'data.json'),
      '--input',
      join(folder, 'input.json'),
    ]
    const words = ['eval', '--format', 'raw', ...files, `[${answers.join()}]`]
    const done = spawnSync(opa, words, { encoding: 'utf8', maxBuffer: 2 ** 28 })
    if (done.status !== 0) throw new Error(`opa eval: ${done.stderr}${done.stdout}`)
    const given = new Map((JSON.parse(done.stdout) as [number, unknown][][]).flat())
    return asked.map((_, at) => (given.has(at) ? unordered(given.get(at)) : null))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Calls of one kind of builtins, with the names and the numbers of arguments of these. */
interface Generated {
  readonly shapes: Readonly<Record<string, number>>
  readonly calls: (seed: number, count: number) => readonly Call[]
}

export const generated: Readonly<Record<string, Generated>> = {
  'regular expressions': { shapes: regexShapes, calls: regexCalls },
  times: { shapes: timeShapes, calls: timeCalls },
  'versions, amounts and numbers': { shapes: wordShapes, calls: wordCalls },
  globs: { shapes: globShapes, calls: globCalls },
  tokens: { shapes: tokenShapes, calls: tokenCalls },
  'formatted texts': { shapes: formatShapes, calls: formatCalls },
}

/** Holds calls of builtins against `opa eval`. How many there were; throws at the first that has two answers. */
export function compareBuiltins(opa: string, { shapes, calls }: Generated, count: number): number {
  const meter = new Meter()
  const builtins = createBuiltins(meter)
  const asked = calls(2, count)
  const answers = answersTo(opa, shapes, asked)
  for (const [at, [name, ...args]] of asked.entries()) {
    meter.left = 1_000_000
    const given = exactText(builtins[name]?.(...(args as Value[])))
    const wanted = exactText(answers[at])
    if (given === wanted) continue
    throw new Error(`${exactText([name, ...args])}\nopa ${wanted}\nours ${given}`)
  }
  return asked.length
}

/** An answer, null where there is none; whatever ends an evaluation early else is a difference. */
function answerOf(evaluate: Evaluate, { entrypoint, text }: Asked): unknown {
  try {
    return unordered(evaluate(entrypoint, text))
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'policy/undefined') throw error
    return null
  }
}

/**
 * Holds plan and module of the shipped bundle against `opa eval`, with other data each 400 questions. How many were asked; throws at the
 * first that has two answers.
 */
export async function compareWithOpa(opa: string, seed: number, rounds: number): Promise<number> {
  const files = await readBundleFiles(join(root, 'policies', 'bundle'))
  const plan = createPlanEngine(files.plan, { fuelOf, metrics: silentMetrics })
  const questions = createQuestions(seed)
  let count = 0
  for (let round = 0; round < rounds; round += 1) {
    const data = questions.data()
    const bundle = mergeBundle({ ...files, data: {} }, [data])
    const { dataText } = bundle
    const engines = { plan: plan.withData(dataText), module: createWasmEngine(bundle, 2048) }
    const asked = Array.from({ length: 400 }, () => questions.question(data)).map(
      ({ entrypoint, input }) => ({ entrypoint, text: formatInput(input) }),
    )
    const answers = answersOfOpa(opa, dataText, asked)
    for (const [at, question] of asked.entries()) {
      count += 1
      for (const [engine, evaluate] of Object.entries(engines)) {
        const ours = answerOf(evaluate, question)
        if (isDeepStrictEqual(ours, answers[at])) continue
        const { entrypoint, text } = question
        const said = `${engine}=${JSON.stringify(ours)} opa=${JSON.stringify(answers[at])}`
        throw new Error(`${entrypoint} ${text} on ${dataText}: ${said}`)
      }
    }
  }
  return count
}
