import { join } from 'node:path'
import { CountersignError } from '../errors.ts'
import { silentMetrics } from '../metrics.ts'
import type { Metrics } from '../metrics.ts'
import { openBuiltPrograms } from './built-program.ts'
import { mergeBundle, parseBundle, readBundleFiles } from './bundle.ts'
import type { BundleContent } from './bundle-content.ts'
import type { DataDocument } from './data-document.ts'
import type { DocumentOf, Evaluate, Text } from './document.ts'
import { parseFacts, type DeclaredFacts } from './history.ts'
import { formatInput } from './input.ts'
import { createPlanEngine } from './plan-engine.ts'
import { samplesOf } from './samples.ts'
import { compareOpinions } from './second-opinion.ts'
import { createWasmEngine } from './wasm-engine.ts'

/** Which policy: the revision of its rules, and the digest of rules and data. */
export interface PolicyName {
  readonly revision: string
  readonly digest: string
  /** The bundle of the caller's tenant, where that was asked, too: these rules permit it then. */
  readonly tenant?: { readonly name: string; readonly revision: string; readonly digest: string }
}

/** Evaluates a compiled policy. It cannot fail open: every way not to get a result is an error. */
export interface PolicyEngine extends PolicyName {
  /** What it lets its rules have kept; undefined: nothing. */
  readonly facts?: DeclaredFacts | undefined
  /**
   * The value of an entrypoint for this input, which nobody but the caller has; `document` is the same input as a value, and a text that
   * is given by a function is not made where that is read. Throws
   * `policy/input` (too large or deep, an ill-formed string), `policy/abort` (abort, trap, conflict, out of memory), `policy/fuel`
   * (too many steps) and `policy/undefined` (no result, or no such entrypoint).
   */
  evaluate(entrypoint: string, input: object | Text, document?: DocumentOf): unknown
}

/** What every bundle must answer. */
export const entrypoints = {
  issuance: 'countersign/issuance/decision',
  decision: 'countersign/mcp/decision',
  list: 'countersign/mcp/list',
  mask: 'countersign/log/mask',
} as const

/** What a bundle may answer, as OPA names it: whether an event is left out of the decision log. */
export const dropEntrypoint = 'system/log/drop'

/** What runs the rules: OPA's plan of them as a program of our own, or the module that OPA makes of them. */
export type EngineName = 'plan' | 'wasm'

/** What the package ships of policy, beside `src` and `dist` alike. */
export const shippedPolicies: string = join(import.meta.dirname, '..', '..', 'policies')

const shippedFolder = join(shippedPolicies, 'bundle')

/** What the build makes of the plan of the shipped bundle; in a tree that is run as it stands, there is none. */
const shippedProgram = join(import.meta.dirname, '..', 'program.mjs')

/** What OPA's compiler may use, so that what cannot be run fails at the author's desk. */
export const shippedCapabilities: string = join(shippedPolicies, 'capabilities.json')

/** 128 MiB: a policy that needs more for one input of 256 KiB is broken. */
const memoryPagesDefault = 2048

/** The steps that one evaluation may take: of a call, the shipped rules take less than a hundredth. */
const fuelMax = 100_000

/** A list is judged in one evaluation, and may have thousands of members. */
const listFuelMax = 1_000_000

export function fuelOf(entrypoint: string): number {
  return entrypoint === entrypoints.list ? listFuelMax : fuelMax
}

/** A bundle that is ready but for the operator's data. */
export interface PolicyBase {
  readonly revision: string
  readonly engine: EngineName
  /** Whether the build has made the program of its plan, so that none was made here. */
  readonly isBuilt: boolean
  /** Why the module runs though the plan was wanted. */
  readonly reason: string | undefined
  /**
   * The policy with these documents: each checked against the schemas of the bundle, then merged. Ready only once every builtin it
   * needs is known, every entrypoint has answered an empty input, and plan and module have answered samples alike. Throws
   * `policy/data`, `policy/bundle`. What was asked and has answered elsewhere is not asked again where it is `tested`.
   */
  engineWith(documents: readonly DataDocument[], how?: { readonly tested: boolean }): PolicyEngine
}

/** Opens a bundle, the shipped one unless its folder, archive or content is given. Throws `policy/bundle`. */
export async function openPolicyBase(
  options: {
    readonly folder?: string | undefined
    readonly content?: BundleContent | undefined
    /** Default `plan`. */
    readonly engine?: EngineName | undefined
    readonly memoryPagesMax?: number | undefined
    readonly metrics?: Metrics | undefined
    /** A file as the build makes it. */
    readonly program?: string
  } = {},
): Promise<PolicyBase> {
  const { engine = 'plan', memoryPagesMax = memoryPagesDefault, metrics = silentMetrics } = options
  const { folder = shippedFolder, content, program = shippedProgram } = options
  const files = await (content === undefined ? readBundleFiles(folder) : parseBundle(content))
  const isPlanned = engine === 'plan' && files.plan !== undefined
  const plan = isPlanned
    ? createPlanEngine(files.plan, { fuelOf, metrics, built: await openBuiltPrograms(program) })
    : undefined
  return {
    revision: files.revision,
    engine: plan === undefined ? 'wasm' : 'plan',
    isBuilt: plan?.isBuilt === true,
    reason: engine === 'plan' && !isPlanned ? 'the bundle has no plan.json' : undefined,
    engineWith(documents, { tested } = { tested: false }) {
      for (const document of documents) files.schemas?.check(document)
      const bundle = mergeBundle(
        files,
        documents.map(({ value }) => value),
      )
      const facts = parseFacts(bundle.data)
      const module = createWasmEngine(bundle, memoryPagesMax)
      if (!tested) {
        for (const entrypoint of Object.values(entrypoints)) probe(module, entrypoint)
      }
      let evaluate = module
      if (plan !== undefined) {
        evaluate = plan.withData(bundle.dataText)
        if (!tested) compareOpinions(evaluate, module, samplesOf(bundle.data, entrypoints))
      }
      return {
        revision: bundle.revision,
        digest: bundle.digest,
        facts,
        evaluate: (entrypoint, input, document) =>
          evaluate(entrypoint, isText(input) ? input : formatInput(input), document),
      }
    },
  }
}

function isText(input: object | Text): input is Text {
  return typeof input === 'string' || typeof input === 'function'
}

function probe(evaluate: Evaluate, entrypoint: string): void {
  try {
    evaluate(entrypoint, formatInput({}))
  } catch (error) {
    throw new CountersignError(
      'policy/bundle',
      `bundle does not answer an empty input, got=${entrypoint}`,
      { cause: error },
    )
  }
}
