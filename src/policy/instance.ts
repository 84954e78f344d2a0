import { CountersignError, quoted } from '../errors.ts'
import type { PolicyBundle } from './bundle.ts'
import { timeOf } from './decision-time.ts'
import { createHostFunctions } from './host-functions.ts'
import type { HostFunctions } from './host-functions.ts'
import type { InputText } from './input.ts'
import { hostModule, ModuleAbort, WrongAbi } from './module-host.ts'
import type { HostedModule } from './module-host.ts'
import { fromJson } from './plan/json.ts'
import type { Value } from './plan/values.ts'

/** One module in memory with its data: not to be used again once `evaluate` has thrown `policy/abort`. */
export interface PolicyInstance {
  readonly entrypoints: ReadonlySet<string>
  evaluate(entrypoint: string, input: InputText): unknown
}

const pageOctets = 64 * 1024

/** Inside the module JSON takes about 15 times its octets; growing step by step instead costs 20 times the load. */
function pagesFor(dataOctets: number): number {
  return Math.ceil((dataOctets * 16) / pageOctets) + 32
}

/** A fresh module with memory grown beforehand, its builtins known, its data loaded. Throws `policy/bundle`. */
export function instantiate(bundle: PolicyBundle, memoryPagesMax: number): PolicyInstance {
  const initial = pagesFor(Buffer.byteLength(bundle.dataText))
  if (initial > memoryPagesMax) {
    throw refused(`data needs too much memory, want=..${memoryPagesMax} pages got=${initial}`)
  }
  // Read of the input where a rule asks for it, once an evaluation.
  let time: () => Value | undefined = () => undefined
  const hostFunctions = createHostFunctions(() => time())
  const hosted = load(bundle.module, { initial, maximum: memoryPagesMax }, hostFunctions)
  checkHostFunctions(hosted, hostFunctions)
  try {
    hosted.loadData(bundle.dataText)
  } catch (error) {
    throw refused('data cannot be loaded into the module', error)
  }
  const evaluate = evaluatorOf(hosted)
  return {
    entrypoints: new Set(Object.keys(hosted.entrypoints)),
    evaluate(entrypoint, input) {
      time = once(() => timeOf(fromJson(input)))
      return evaluate(entrypoint, input)
    },
  }
}

const cannotRun = 'policy.wasm is not a policy module that can be run'

function load(...[module, memory, hostFunctions]: Parameters<typeof hostModule>): HostedModule {
  try {
    return hostModule(module, memory, hostFunctions)
  } catch (error) {
    const isOther = error instanceof WrongAbi
    const message = isOther ? `policy.wasm is of another ABI, ${error.message}` : cannotRun
    throw refused(message, error)
  }
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => (made ??= { value: make() }).value
}

function checkHostFunctions({ builtins }: HostedModule, hostFunctions: HostFunctions): void {
  const unknown = builtins.filter((name) => !Object.hasOwn(hostFunctions, name)).toSorted()
  if (unknown.length > 0) {
    throw refused(`policy needs builtins that are not provided, got=${unknown.join(' ')}`)
  }
}

/** A permit and a refusal are shorter; what is longer is seldom what it was before. */
const repeatedCharactersMax = 1024

function evaluatorOf(hosted: HostedModule): PolicyInstance['evaluate'] {
  const answers = new Map<string, (text: string) => unknown>()
  return (entrypoint, input) => {
    let value: unknown
    try {
      const text = hosted.evaluate(hosted.entrypoints[entrypoint] ?? 0, input)
      const answer = answers.get(entrypoint) ?? createRepeating()
      answers.set(entrypoint, answer)
      value = answer(text)
    } catch (error) {
      const message = `evaluation ended early, got=${abortText(error)}`
      throw new CountersignError('policy/abort', message, { cause: error })
    }
    // OPA's result set: one row for a defined entrypoint, none for an undefined one.
    const row: unknown = Array.isArray(value) && value.length === 1 ? value[0] : undefined
    if (typeof row !== 'object' || row === null || !Object.hasOwn(row, 'result')) {
      throw new CountersignError('policy/undefined', `entrypoint is undefined, got=${entrypoint}`)
    }
    return (row as { readonly result: unknown }).result
  }
}

/**
 * Reads answers of which most are the one before. The value of one that comes again is the same one, and frozen, so that nobody can
 * change it for the next.
 */
function createRepeating(): (text: string) => unknown {
  let last: string | undefined
  let value: unknown
  return (text) => {
    if (text === last) return (value ??= frozen(JSON.parse(text)))
    last = text.length <= repeatedCharactersMax ? text : undefined
    value = undefined
    return JSON.parse(text)
  }
}

function frozen(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  for (const member of Object.values(value)) frozen(member)
  return Object.freeze(value)
}

/** The text may quote the input, so it is cut. */
function abortText(thrown: unknown): string {
  if (thrown instanceof ModuleAbort) return quoted(thrown.message)
  if (thrown instanceof Error) return quoted(`${thrown.name}: ${thrown.message}`)
  return typeof thrown
}

function refused(message: string, cause?: unknown): CountersignError {
  return new CountersignError('policy/bundle', message, { cause })
}
