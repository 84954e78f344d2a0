/** Assembles policy modules whose every answer a test chooses, on the ABI that `opa build -t wasm` gives (version 1.3). */
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { entrypoints } from '../../src/policy/engine.ts'

/** What an evaluation does when its input is not the probe's `{}`. */
export type Behaviour =
  /** The text of the result set, whatever it is; of a loop there is none. */
  | { readonly answer: string }
  | { readonly abort: string }
  | { readonly trap: true }
  /** Of a loop that is `early`, the probe's `{}` has no answer either. */
  | { readonly loop: true; readonly early?: true }

export interface ModuleOptions {
  /** Of the input `{}`; undefined: the same as of any other. */
  readonly probe?: string
  readonly behaviour?: Behaviour
  readonly builtins?: readonly string[]
  readonly entrypoints?: readonly string[]
  readonly abiVersion?: number
  /** Leaves out what minor version 2 of the ABI has added. */
  readonly old?: true
}

/** Where texts stand: below what the module calls its heap. */
const textBase = 1024
const heapBase = 256 * 1024
/** A cell that every evaluation but a probe's writes to. */
const cell = 512

const magic = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
const i32 = 0x7f
const op = {
  unreachable: 0x00,
  forEver: [0x03, 0x40, 0x0c, 0x00, 0x0b],
  ifGivesI32: [0x04, i32],
  otherwise: 0x05,
  end: 0x0b,
  call: 0x10,
  localGet: 0x20,
  load: [0x28, 2, 0],
  store: [0x36, 2, 0],
  const: 0x41,
  equal: 0x46,
} as const

function unsigned(value: number): number[] {
  const low = value & 0x7f
  return value < 0x80 ? [low] : [low | 0x80, ...unsigned(value >>> 7)]
}

function signed(value: number): number[] {
  const low = value & 0x7f
  const rest = value >> 7
  const last = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)
  return last ? [low] : [low | 0x80, ...signed(rest)]
}

function text(value: string): number[] {
  const octets = [...Buffer.from(value)]
  return [...unsigned(octets.length), ...octets]
}

function list(members: readonly number[][]): number[] {
  return [...unsigned(members.length), ...members.flat()]
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content]
}

function constant(value: number): number[] {
  return [op.const, ...signed(value)]
}

/** A module whose second answer to a probe tells whether its memory was used by an evaluation that did not return. */
export const spoiled = '[{"result":"spoiled"}]'

export function assembleModule(options: ModuleOptions = {}): Buffer {
  const { probe = '[{"result":{}}]', behaviour = { answer: probe } } = options
  const names = options.entrypoints ?? Object.values(entrypoints)
  const texts: number[] = []
  const place = (value: string): number => {
    const address = textBase + texts.length
    texts.push(...Buffer.from(value), 0)
    return address
  }
  const numbered = (all: readonly string[]): string =>
    JSON.stringify(Object.fromEntries(all.map((name, index) => [name, index])))
  const builtinsAt = place(numbered(options.builtins ?? []))
  const entrypointsAt = place(numbered(names))
  const probeAt = place(probe)
  const spoiledAt = place(spoiled)

  function behave(): number[] {
    if ('answer' in behaviour) return constant(place(behaviour.answer))
    if ('trap' in behaviour) return [op.unreachable]
    if ('loop' in behaviour) return [...op.forEver, op.unreachable]
    return [...constant(place(behaviour.abort)), op.call, 0, op.unreachable]
  }
  const probed = [
    [...constant(cell), ...op.load, ...op.ifGivesI32],
    [...constant(spoiledAt), op.otherwise, ...constant(probeAt), op.end],
  ].flat()
  const isEarly = 'loop' in behaviour && behaviour.early === true
  const evaluate = [
    isEarly ? op.forEver : [],
    [op.localGet, 4, ...constant(2), op.equal, ...op.ifGivesI32, ...probed, op.otherwise],
    [...constant(cell), ...constant(1), ...op.store, ...behave()],
    // What returns leaves nothing behind.
    [...constant(cell), ...constant(0), ...op.store, op.end],
  ].flat()
  // Type of each function, its name and its code; function 0 is the import.
  const functions: readonly (readonly [number, string, number[]])[] = [
    [1, 'builtins', constant(builtinsAt)],
    [1, 'entrypoints', constant(entrypointsAt)],
    [1, 'opa_heap_ptr_get', constant(heapBase)],
    [0, 'opa_heap_ptr_set', []],
    [2, 'opa_malloc', constant(heapBase)],
    [2, 'opa_json_dump', [op.localGet, 0]],
    [3, 'opa_json_parse', [op.localGet, 0]],
    [4, 'opa_eval', evaluate],
  ]
  const exported = options.old === true ? functions.slice(0, -1) : functions
  const abi = [options.abiVersion ?? 1, 3]
  return Buffer.from([
    ...magic,
    ...section(
      1,
      list([
        [0x60, 1, i32, 0],
        [0x60, 0, 1, i32],
        [0x60, 1, i32, 1, i32],
        [0x60, 2, i32, i32, 1, i32],
        [0x60, 7, i32, i32, i32, i32, i32, i32, i32, 1, i32],
      ]),
    ),
    ...section(
      2,
      list([
        [...text('env'), ...text('opa_abort'), 0, 0],
        [...text('env'), ...text('memory'), 2, 0, 1],
      ]),
    ),
    ...section(3, list(functions.map(([type]) => [type]))),
    ...section(6, list(abi.map((version) => [i32, 0, ...constant(version), op.end]))),
    ...section(
      7,
      list([
        ...exported.map(([, name], index) => [...text(name), 0, index + 1]),
        [...text('opa_wasm_abi_version'), 3, 0],
        [...text('opa_wasm_abi_minor_version'), 3, 1],
      ]),
    ),
    ...section(
      10,
      list(functions.map(([, , code]) => [...unsigned(code.length + 2), 0, ...code, op.end])),
    ),
    ...section(11, list([[0, ...constant(textBase), op.end, ...unsigned(texts.length), ...texts]])),
  ])
}

export interface BundleFiles {
  readonly manifest?: string
  readonly wasm?: Uint8Array
  readonly data?: string | Uint8Array
}

/** A folder with a bundle in it, gone at the end. A file that is null is left out. */
export async function bundleFolder(
  files: { readonly [name in keyof BundleFiles]: BundleFiles[name] | null } = {},
): Promise<AsyncDisposable & { readonly folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bundle-'))
  const contents = {
    '.manifest': files.manifest === undefined ? '{"revision":"test"}' : files.manifest,
    'policy.wasm': files.wasm === undefined ? assembleModule() : files.wasm,
    'data.json': files.data === undefined ? '{}' : files.data,
  }
  for (const [name, content] of Object.entries(contents)) {
    if (content !== null) await writeFile(join(folder, name), content)
  }
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
}

/** The shipped bundle without its schemas: for what the rules themselves make of data that they would keep out. */
export async function bundleWithoutSchemas(): Promise<
  AsyncDisposable & { readonly folder: string }
> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bundle-'))
  const shipped = join(import.meta.dirname, '..', '..', 'policies', 'bundle')
  for (const name of ['.manifest', 'policy.wasm', 'data.json']) {
    await cp(join(shipped, name), join(folder, name))
  }
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
}
