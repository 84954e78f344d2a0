import opa from '@open-policy-agent/opa-wasm'
import type { LoadedPolicy } from '@open-policy-agent/opa-wasm'
import { CountersignError, quoted } from '../errors.ts'
import type { PolicyBundle } from './bundle.ts'
import { timeOf } from './decision-time.ts'
import { createHostFunctions } from './host-functions.ts'
import type { HostFunctions } from './host-functions.ts'
import type { InputText } from './input.ts'
import { formatJson, fromJson } from './plan/json.ts'
import { Meter } from './plan/meter.ts'
import type { Value } from './plan/values.ts'

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
  // Read of the input where a rule asks for it, once an evaluation.
  let time: () => Value | undefined = () => undefined
  const hostFunctions = createHostFunctions(() => time())
  const policy = load(bundle.module, { initial, maximum: memoryPagesMax }, hostFunctions)
  checkHostFunctions(policy, hostFunctions)
  try {
    policy.setData(data)
  } catch (error) {
    throw refused('data cannot be loaded into the module', error)
  }
  const evaluate = evaluatorOf(policy)
  return {
    entrypoints: new Set(Object.keys(policy.entrypoints)),
    evaluate(entrypoint, input) {
      time = once(() => timeOf(fromJson(input)))
      return evaluate(entrypoint, input)
    },
  }
}

function load(
  module: WebAssembly.Module,
  memory: { readonly initial: number; readonly maximum: number },
  hostFunctions: HostFunctions,
): LoadedPolicy {
  try {
    return opa.loadPolicySync(module, { ...memory }, asTexts(hostFunctions))
  } catch (error) {
    throw refused('policy.wasm is not a policy module that can be run', error)
  }
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => (made ??= { value: make() }).value
}

/** The package would write a value as JavaScript does: digits would be lost that nanoseconds have. */
function asTexts(hostFunctions: HostFunctions): HostFunctions {
  const meter = new Meter()
  meter.left = Number.POSITIVE_INFINITY
  return Object.fromEntries(
    Object.entries(hostFunctions).map(([name, work]) => [
      name,
      (...values: readonly unknown[]) => {
        const value = work(...values)
        return value === undefined ? undefined : octetsOf(formatJson(value as Value, meter))
      },
    ]),
  )
}

/** The package looks functions up at the call, and has some of its own that differ from OPA's: only our table counts. */
function checkHostFunctions(policy: LoadedPolicy, hostFunctions: HostFunctions): void {
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

/** What `opa_eval` takes (OPA's Wasm ABI 1.2): the input as text in memory, and where the heap of this evaluation begins. */
type OpaEval = (
  reserved: number,
  entrypoint: number,
  data: number,
  input: number,
  inputOctets: number,
  heap: number,
  format: number,
) => number

/** A permit and a refusal are shorter; what is longer is seldom what it was before. */
const repeatedCharactersMax = 1024

/** Evaluates text to text in the module's own memory: no buffer is between. */
function evaluatorOf(policy: LoadedPolicy): PolicyInstance['evaluate'] {
  const evaluate = policy.wasmInstance.exports['opa_eval'] as OpaEval | undefined
  if (evaluate === undefined) throw refused('policy.wasm is of an old ABI, want=1.2 or later')
  const answers = new Map<string, (text: string) => unknown>()
  let memory = Buffer.from(policy.mem.buffer)
  // Memory that has grown is another buffer.
  const renew = (): void => {
    if (memory.buffer !== policy.mem.buffer) memory = Buffer.from(policy.mem.buffer)
  }

  const run = (entrypoint: string, input: InputText): string => {
    renew()
    const start = policy.dataHeapPtr
    // No character of UTF-16 takes more than three octets.
    if (start + input.length * 3 > memory.length) {
      const missing = start + Buffer.byteLength(input) - memory.length
      if (missing > 0) policy.mem.grow(Math.ceil(missing / pageOctets))
      renew()
    }
    const octets = memory.write(input, start, 'utf8')
    const id = policy.entrypoints[entrypoint] ?? 0
    const at = evaluate(0, id, policy.dataAddr, start, octets, start + octets, 0)
    renew()
    return memory.toString('utf8', at, memory.indexOf(0, at))
  }
  return (entrypoint, input) => {
    let value: unknown
    try {
      const text = run(entrypoint, input)
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

/** The package throws bare strings and plain objects. The text may quote the input, so it is cut. */
function abortText(thrown: unknown): string {
  if (typeof thrown === 'string') return quoted(thrown)
  if (thrown instanceof Error) return quoted(`${thrown.name}: ${thrown.message}`)
  return typeof thrown
}

function refused(message: string, cause?: unknown): CountersignError {
  return new CountersignError('policy/bundle', message, { cause })
}
