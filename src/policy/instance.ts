import opa from '@open-policy-agent/opa-wasm'
import type { LoadedPolicy } from '@open-policy-agent/opa-wasm'
import { CountersignError, quoted } from '../errors.ts'
import type { PolicyBundle } from './bundle.ts'
import { hostFunctions } from './host-functions.ts'
import type { InputText } from './input.ts'

/** One module in memory with its data: not to be used again once `evaluate` has thrown `policy/abort`. */
export interface PolicyInstance {
  readonly entrypoints: ReadonlySet<string>
  evaluate(entrypoint: string, input: InputText): unknown
}

const utf8 = new TextEncoder()

const pageOctets = 64 * 1024

/** Inside the module JSON takes about 15 times its octets; growing step by step instead costs 20 times the load. */
function pagesFor(dataOctets: number): number {
  return Math.ceil((dataOctets * 16) / pageOctets) + 32
}

/** A fresh module with memory grown beforehand, its builtins known, its data loaded. Throws `policy/bundle`. */
export function instantiate(bundle: PolicyBundle, memoryPagesMax: number): PolicyInstance {
  const data = octetsOf(bundle.dataText)
  const initial = pagesFor(data.byteLength)
  if (initial > memoryPagesMax) {
    throw refused(`data needs too much memory, want=..${memoryPagesMax} pages got=${initial}`)
  }
  const policy = load(bundle.module, { initial, maximum: memoryPagesMax })
  checkHostFunctions(policy)
  try {
    policy.setData(data)
  } catch (error) {
    throw refused('data cannot be loaded into the module', error)
  }
  return {
    entrypoints: new Set(Object.keys(policy.entrypoints)),
    evaluate: (entrypoint, input) => evaluate(policy, entrypoint, input),
  }
}

function load(
  module: WebAssembly.Module,
  memory: { readonly initial: number; readonly maximum: number },
): LoadedPolicy {
  try {
    return opa.loadPolicySync(module, { ...memory }, hostFunctions)
  } catch (error) {
    throw refused('policy.wasm is not a policy module that can be run', error)
  }
}

/** The package looks functions up at the call, and has some of its own that differ from OPA's: only our table counts. */
function checkHostFunctions(policy: LoadedPolicy): void {
  const needed = neededHostFunctions(policy)
  const unknown = needed.filter((name) => !Object.hasOwn(hostFunctions, name))
  if (unknown.length > 0) {
    throw refused(`policy needs builtins that are not provided, got=${unknown.join(' ')}`)
  }
}

function neededHostFunctions(policy: LoadedPolicy): readonly string[] {
  const { builtins, opa_json_dump: dump } = policy.wasmInstance.exports as Record<
    string,
    (address?: number) => number
  >
  if (builtins === undefined || dump === undefined) throw refused('policy.wasm names no builtins')
  const memory = new Uint8Array(policy.mem.buffer)
  const start = dump(builtins())
  const text = new TextDecoder().decode(memory.subarray(start, memory.indexOf(0, start)))
  return Object.keys(JSON.parse(text) as object).toSorted()
}

/** The package takes nothing else for text: it would read a view of octets as an object. */
function octetsOf(text: string): ArrayBuffer {
  const { buffer, byteOffset, byteLength } = utf8.encode(text)
  return buffer.byteLength === byteLength
    ? buffer
    : buffer.slice(byteOffset, byteOffset + byteLength)
}

function evaluate(policy: LoadedPolicy, entrypoint: string, input: InputText): unknown {
  let results: unknown
  try {
    results = policy.evaluate(octetsOf(input), entrypoint)
  } catch (error) {
    throw new CountersignError('policy/abort', `evaluation ended early, got=${abortText(error)}`, {
      cause: error,
    })
  }
  // OPA's result set: one row for a defined entrypoint, none for an undefined one.
  const row: unknown = Array.isArray(results) && results.length === 1 ? results[0] : undefined
  if (typeof row !== 'object' || row === null || !Object.hasOwn(row, 'result')) {
    throw new CountersignError('policy/undefined', `entrypoint is undefined, got=${entrypoint}`)
  }
  return (row as { readonly result: unknown }).result
}

/** The package throws bare strings and plain objects. The text may quote the input, so it is cut. */
function abortText(thrown: unknown): string {
  if (typeof thrown === 'string') return quoted(thrown)
  if (thrown instanceof Error) return quoted(`${thrown.name}: ${thrown.message}`)
  return typeof thrown
}

function refused(message: string, cause?: unknown): CountersignError {
  return new CountersignError('policy/bundle', message, { cause })
}
