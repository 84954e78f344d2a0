import { CountersignError } from '../../../errors.ts'
import type { BundleContent } from '../../../policy/bundle-content.ts'
import { mergeBundle, parseBundle } from '../../../policy/bundle.ts'
import type { DataDocument } from '../../../policy/data-document.ts'
import { openPolicyBase } from '../../../policy/engine.ts'
import type { PolicyEngine } from '../../../policy/engine.ts'
import { openSelfTest } from '../../policy-files.ts'
import { checkForms, readNamedBundle, readNamedData } from './read-bundle.ts'

/** A bundle and the data beside it, as they have passed their test. */
export interface TestedBundle {
  readonly content: BundleContent
  readonly documents: readonly DataDocument[]
}

/**
 * Reads a bundle and data, and tests them as a gateway does, in a process of their own. `admit` is asked before, whether the bundle may
 * be looked into at all; `tenant`: it is the bundle of one. Throws `policy/…`.
 */
export async function readTested(
  place: string,
  data: readonly string[],
  signal: AbortSignal,
  how: {
    readonly admit?: (content: BundleContent) => void
    readonly tenant?: string | undefined
  } = {},
): Promise<TestedBundle> {
  const documents = await readNamedData(data)
  const content = await readNamedBundle(place)
  how.admit?.(content)
  checkForms(content, place)
  await openSelfTest()({ content, documents, engine: undefined, tenant: how.tenant }, signal)
  return { content, documents }
}

/** Opens a bundle with its data, once tested. Throws `policy/…`. */
export async function openBundle(
  place: string,
  data: readonly string[],
  signal: AbortSignal,
): Promise<PolicyEngine> {
  const { content, documents } = await readTested(place, data, signal)
  const base = await openPolicyBase({ content })
  if (base.engine === 'plan') return base.engineWith(documents, { tested: true })
  throw new CountersignError('policy/bundle', 'bundle has no plan.json', {
    hint: 'countersign policy build makes one',
  })
}

/** The rules of a bundle with their data, before a program is made of them. */
export interface OpenedRules {
  readonly revision: string
  readonly digest: string
  readonly plan: unknown
  readonly dataText: string
}

/** Opens a bundle to look into its rules, once tested. Throws `policy/…`. */
export async function openRules(
  place: string,
  data: readonly string[],
  signal: AbortSignal,
): Promise<OpenedRules> {
  const { content, documents } = await readTested(place, data, signal)
  const files = await parseBundle(content)
  const values = documents.map(({ value }) => value)
  const { revision, digest, dataText } = mergeBundle(files, values)
  return { revision, digest, plan: files.plan, dataText }
}
