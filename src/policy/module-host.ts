import type { HostFunctions } from './host-functions.ts'
import { formatJson } from './plan/json.ts'
import { Meter } from './plan/meter.ts'
import { parseLiteral } from './plan/parse-literal.ts'

/** Addresses in the module's memory are numbers of 32 bits. */
type Exported = (...values: number[]) => number

const pageOctets = 64 * 1024
const utf8 = new TextEncoder()

/** A policy module that runs in memory of its own (OPA's Wasm ABI 1.2 and later). */
export interface HostedModule {
  readonly entrypoints: Readonly<Record<string, number>>
  /** What it calls out for, whether we have it or not. */
  readonly builtins: readonly string[]
  /** Once, before the first evaluation. */
  loadData(text: string): void
  /** From JSON to the JSON of OPA's result set. What it throws may have left the memory in any state. */
  evaluate(entrypoint: number, input: string): string
}

/** Throws what `WebAssembly` throws, and `WrongAbi`. */
export function hostModule(
  module: WebAssembly.Module,
  size: { readonly initial: number; readonly maximum: number },
  hostFunctions: HostFunctions,
): HostedModule {
  const memory = new WebAssembly.Memory(size)
  const texts = new MemoryTexts(memory)
  const builtins = new Map<number, string>()
  const call = (id: number, _context: number, ...args: number[]): number => {
    const name = builtins.get(id) ?? ''
    const work = Object.hasOwn(hostFunctions, name) ? hostFunctions[name] : undefined
    if (work === undefined) throw new Error(`no such builtin, got=${name}`)
    const value = work(
      ...args.map((at) => parseLiteral(texts.read(of('opa_value_dump')(at)), unbounded())),
    )
    return value === undefined ? 0 : parsed(formatJson(value, unbounded()))
  }
  const { exports } = new WebAssembly.Instance(module, {
    env: {
      memory,
      opa_abort: (at = 0) => {
        throw new ModuleAbort(texts.read(at))
      },
      // `opa build` leaves no print in a module.
      opa_println: () => {},
      ...Object.fromEntries([0, 1, 2, 3, 4].map((count) => [`opa_builtin${count}`, call])),
    },
  })
  const of = (name: string): Exported => {
    const exported = exports[name]
    if (typeof exported !== 'function') throw new Error(`module has no ${name}`)
    return exported as Exported
  }
  /** Where the value of a JSON text is. */
  const parsed = (text: string): number => {
    const octets = utf8.encode(text)
    const at = of('opa_malloc')(octets.length)
    texts.write(octets, at)
    const value = of('opa_json_parse')(at, octets.length)
    if (value === 0) throw new Error('the module does not read its JSON')
    return value
  }
  const named = (list: string): Record<string, number> =>
    JSON.parse(texts.read(of('opa_json_dump')(of(list)()))) as Record<string, number>

  checkVersion(exports)
  const needed = named('builtins')
  for (const [name, id] of Object.entries(needed)) builtins.set(id, name)
  const entrypoints = named('entrypoints')
  const evaluate = of('opa_eval')
  let [data, heap] = [0, 0]
  return {
    entrypoints,
    builtins: Object.keys(needed),
    loadData(text) {
      data = parsed(text)
      heap = of('opa_heap_ptr_get')()
    },
    evaluate(entrypoint, input) {
      const length = texts.writeText(input, heap)
      return texts.read(evaluate(0, entrypoint, data, heap, length, heap + length, 0))
    },
  }
}

/** It is a module that another host could run. */
export class WrongAbi extends Error {
  override readonly name = 'WrongAbi'
}

/** What the module itself says of why it cannot go on. */
export class ModuleAbort extends Error {
  override readonly name = 'ModuleAbort'
}

function unbounded(): Meter {
  const meter = new Meter()
  meter.left = Number.POSITIVE_INFINITY
  return meter
}

function checkVersion(exports: WebAssembly.Instance['exports']): void {
  const [major, minor] = ['opa_wasm_abi_version', 'opa_wasm_abi_minor_version'].map(
    (name) => (exports[name] as { readonly value?: unknown } | undefined)?.value,
  )
  if (major === 1 && typeof minor === 'number' && minor >= 2 && 'opa_eval' in exports) return
  throw new WrongAbi(`want=1.2 or later got=${String(major)}.${String(minor)}`)
}

/** Texts in memory, in UTF-8, each to its first NUL. */
class MemoryTexts {
  readonly #memory: WebAssembly.Memory
  #octets: Buffer

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory
    this.#octets = Buffer.from(memory.buffer)
  }

  read(at: number): string {
    const octets = this.#current()
    return octets.toString('utf8', at, octets.indexOf(0, at))
  }

  write(octets: Uint8Array, at: number): void {
    this.#current().set(octets, at)
  }

  /** Makes room where there is none. How many octets it takes. */
  writeText(text: string, at: number): number {
    // No character of UTF-16 takes more than three octets.
    if (at + text.length * 3 > this.#current().length) {
      const missing = at + Buffer.byteLength(text) - this.#current().length
      if (missing > 0) this.#memory.grow(Math.ceil(missing / pageOctets))
    }
    return this.#current().write(text, at, 'utf8')
  }

  /** Memory that has grown is another buffer. */
  #current(): Buffer {
    if (this.#octets.buffer !== this.#memory.buffer) this.#octets = Buffer.from(this.#memory.buffer)
    return this.#octets
  }
}
