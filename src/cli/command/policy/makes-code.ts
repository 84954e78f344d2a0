import { CountersignError } from '../../../errors.ts'

/** Runs what compiles a plan. An `EvalError` says nothing of the plan: this process was started as one that makes no code of strings. */
export function makesCode<T>(compile: () => T): T {
  try {
    return compile()
  } catch (error) {
    throw error instanceof EvalError ? madeNoCode(error) : error
  }
}

export function madeNoCode(cause?: unknown): CountersignError {
  const flag = '--disallow-code-generation-from-strings'
  return new CountersignError('cli/usage', `plan is not compiled, want=node without ${flag}`, {
    cause,
    hint: 'NODE_OPTIONS may have it, too',
  })
}
