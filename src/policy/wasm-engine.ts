import { CountersignError, quoted } from '../errors.ts'
import type { PolicyBundle } from './bundle.ts'
import { given } from './document.ts'
import type { Evaluate } from './document.ts'
import { instantiate } from './instance.ts'
import type { PolicyInstance } from './instance.ts'

/** Evaluates by the module of a bundle. Throws `policy/bundle` when it cannot be run or its data does not fit. */
export function createWasmEngine(bundle: PolicyBundle, memoryPagesMax: number): Evaluate {
  const fresh = (): PolicyInstance => instantiate(bundle, memoryPagesMax)
  // Undefined after an evaluation that did not return: see below.
  let instance: PolicyInstance | undefined = fresh()
  return (entrypoint, text) => {
    const current = (instance ??= fresh())
    if (!current.entrypoints.has(entrypoint)) {
      throw new CountersignError(
        'policy/undefined',
        `policy has no such entrypoint, got=${quoted(entrypoint)}`,
      )
    }
    const input = given(text)
    // An exception that crosses the module leaves the module's own stack pointer where it was: of the default policy, the
    // 1,025th abort would be the first of nothing but traps. So no memory is used again that an evaluation did not return from.
    instance = undefined
    const value = current.evaluate(entrypoint, input)
    instance = current
    return value
  }
}
