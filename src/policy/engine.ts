import { join } from 'node:path'
import { CountersignError, quoted } from '../errors.ts'
import { mergeBundle, readBundleFiles } from './bundle.ts'
import type { PolicyBundle } from './bundle.ts'
import type { DataDocument } from './data-document.ts'
import { formatInput } from './input.ts'
import type { InputText } from './input.ts'
import { instantiate } from './instance.ts'
import type { PolicyInstance } from './instance.ts'

/** Evaluates a compiled policy. It cannot fail open: every way not to get a result is an error. */
export interface PolicyEngine {
  readonly revision: string
  /** SHA-256, hex, of the module and the data. */
  readonly digest: string
  /**
   * The value of an entrypoint for this input. Throws `policy/input` (too large or deep, an ill-formed string), `policy/abort`
   * (abort, trap, out of memory) and `policy/undefined` (no result, or no such entrypoint).
   */
  evaluate(entrypoint: string, input: object | InputText): unknown
}

/** What every bundle must answer. */
export const entrypoints = {
  issuance: 'countersign/issuance/decision',
  decision: 'countersign/mcp/decision',
  list: 'countersign/mcp/list',
  mask: 'countersign/log/mask',
} as const

/** The bundle that the package ships, beside `src` and `dist` alike. */
const shippedFolder = join(import.meta.dirname, '..', '..', 'policies', 'bundle')

/** 128 MiB: a policy that needs more for one input of 256 KiB is broken. */
const memoryPagesDefault = 2048

/** A bundle that is ready but for the operator's data. */
export interface PolicyBase {
  readonly revision: string
  /**
   * The policy with these documents: each checked against the schemas of the bundle, then merged. Ready only once every builtin it
   * needs is known and every entrypoint has answered an empty input. Throws `policy/data`, `policy/bundle`.
   */
  engineWith(documents: readonly DataDocument[]): PolicyEngine
}

/** Opens a bundle, the shipped one unless a folder is given. Throws `policy/bundle`. */
export async function openPolicyBase(
  options: {
    readonly folder?: string | undefined
    readonly memoryPagesMax?: number | undefined
  } = {},
): Promise<PolicyBase> {
  const files = await readBundleFiles(options.folder ?? shippedFolder)
  return {
    revision: files.revision,
    engineWith(documents) {
      for (const document of documents) files.schemas?.check(document)
      const bundle = mergeBundle(
        files,
        documents.map(({ value }) => value),
      )
      const engine = createEngine(bundle, options.memoryPagesMax ?? memoryPagesDefault)
      for (const entrypoint of Object.values(entrypoints)) probe(engine, entrypoint)
      return engine
    },
  }
}

function probe(engine: PolicyEngine, entrypoint: string): void {
  try {
    engine.evaluate(entrypoint, {})
  } catch (error) {
    throw new CountersignError(
      'policy/bundle',
      `bundle does not answer an empty input, got=${entrypoint}`,
      { cause: error },
    )
  }
}

function createEngine(bundle: PolicyBundle, memoryPagesMax: number): PolicyEngine {
  const fresh = (): PolicyInstance => instantiate(bundle, memoryPagesMax)
  // Undefined after an evaluation that did not return: see below.
  let instance: PolicyInstance | undefined = fresh()
  return {
    revision: bundle.revision,
    digest: bundle.digest,
    evaluate(entrypoint, input) {
      const text = typeof input === 'string' ? input : formatInput(input)
      const current = (instance ??= fresh())
      if (!current.entrypoints.has(entrypoint)) {
        throw new CountersignError(
          'policy/undefined',
          `policy has no such entrypoint, got=${quoted(entrypoint)}`,
        )
      }
      // An exception that crosses the module leaves the module's own stack pointer where it was: of the default policy, the
      // 1,025th abort would be the first of nothing but traps. So no memory is used again that an evaluation did not return from.
      instance = undefined
      const value = current.evaluate(entrypoint, text)
      instance = current
      return value
    },
  }
}
