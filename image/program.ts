import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { formatProgramModule } from '../src/policy/built-program.ts'
import { kept } from '../src/policy/plan-engine.ts'
import { parsePlan } from '../src/policy/plan/plan.ts'
import { writeProgram } from '../src/policy/plan/write-program.ts'

/** The program of the default policy, as a module: package and image bring it, so that none is made where they run. */
export function makeProgram(root: string): string {
  const plan = readFileSync(join(root, 'policies', 'bundle', 'plan.json'), 'utf8')
  return formatProgramModule(writeProgram(parsePlan(JSON.parse(plan)), kept).source)
}
