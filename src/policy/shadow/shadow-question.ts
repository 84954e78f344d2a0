import type { AskedCall, AskedList, CallTexts } from '../asked.ts'
import type { DataDocument } from '../data-document.ts'
import type { Decision } from '../decision.ts'
import type { EngineName, PolicyName } from '../engine.ts'
import type { InputText } from '../input.ts'
import type { IssuanceDecision, IssuanceInput } from '../issuance-policy.ts'
import type { Answer } from '../self-test.ts'
import type { Difference } from './differ.ts'

/** A decision that was taken, with what it was asked: `was` is undefined where the policy in force gave none. */
export type Decided =
  | {
      readonly kind: 'call'
      readonly texts: CallTexts
      readonly was: Decision | undefined
    }
  | {
      readonly kind: 'list'
      readonly parts: AskedList['parts']
      /** Each as its text. */
      readonly resources: readonly InputText[]
      readonly was: readonly boolean[] | undefined
    }
  | {
      readonly kind: 'issuance'
      readonly input: IssuanceInput
      readonly was: Omit<IssuanceDecision, 'policy'> | undefined
    }

/** What crosses to the process that has the candidate. Each is answered once, in order. */
export type ToShadow =
  | {
      readonly kind: 'begin'
      readonly files: ReadonlyMap<string, Uint8Array>
      readonly digest: string
      readonly documents: readonly DataDocument[]
      readonly engine: EngineName | undefined
    }
  | { readonly kind: 'documents'; readonly documents: readonly DataDocument[] }
  | { readonly kind: 'ask'; readonly decided: readonly Decided[] }

export type FromShadow =
  | { readonly kind: 'ready'; readonly name: PolicyName }
  | { readonly kind: 'refused'; readonly failure: Extract<Answer, { ok: false }>['failure'] }
  /** In the order of what was asked; undefined where the candidate decides alike. */
  | { readonly kind: 'answers'; readonly answers: readonly (Difference | undefined)[] }

/** What policy was asked of a call, as texts: what was read of its arguments stays here. */
export function textsOf({ parts, arguments: given }: AskedCall): CallTexts {
  return { ...parts, arguments: given === undefined ? undefined : { ...given, read: {} } }
}
