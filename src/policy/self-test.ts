import { CountersignError, type ErrorCode } from '../errors.ts'
import type { BundleContent } from './bundle-content.ts'
import type { DataDocument } from './data-document.ts'
import { openPolicyBase } from './engine.ts'
import { openTenantPolicy } from './tenant/tenant-policy.ts'
import type { EngineName } from './engine.ts'

/** What is tested: a bundle with data, for one engine. */
export interface Tested {
  readonly content: BundleContent
  readonly documents: readonly DataDocument[]
  readonly engine: EngineName | undefined
  /** Of a bundle of a tenant: whose. */
  readonly tenant?: string | undefined
}

/** Throws `policy/…` of a bundle that must not come into force. */
export type SelfTest = (tested: Tested, signal?: AbortSignal) => Promise<void>

/** What crosses to the process of its own. */
export interface Question extends Omit<Tested, 'content'> {
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly digest: string
}

export type Answer =
  | { readonly ok: true }
  | {
      readonly ok: false
      readonly failure: {
        readonly code: ErrorCode
        readonly message: string
        readonly hint: string | undefined
      }
    }

/** Does what a bundle has to pass: whoever asks does so in a process of its own. */
export async function answerTest(question: Question): Promise<Answer> {
  const { digest, documents, engine, tenant } = question
  const files = new Map([...question.files].map(([path, octets]) => [path, Buffer.from(octets)]))
  try {
    if (tenant === undefined) {
      const base = await openPolicyBase({ content: { files, digest }, engine })
      base.engineWith(documents)
    } else await openTenantPolicy({ files, digest }, tenant)
    return { ok: true }
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    const { code, message, hint } = error
    return { ok: false, failure: { code, message, hint } }
  }
}
