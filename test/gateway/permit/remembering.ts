import type { Authorizer } from '../../../src/policy/authorizer.ts'
import { createAuthorizer } from '../../../src/policy/authorizer.ts'
import { entrypoints, type PolicyEngine } from '../../../src/policy/engine.ts'
import { parseFacts } from '../../../src/policy/history.ts'
import { loadPolicyBundle } from '../../support/load-policy.ts'
import { defaultGrants } from '../world/world.ts'

type Json = Record<string, unknown>

/** What a platform's own rules say of a call, without Rego: what they deny, and what they want kept. */
export type OwnRules = (
  input: Json,
  history: Readonly<Record<string, readonly string[]>>,
) => {
  readonly deny?: string
  readonly remember?: readonly string[]
}

/** The shipped rules with a history, and beside them rules of a platform's own. */
export async function rememberingAuthorizer(history: object, own: OwnRules): Promise<Authorizer> {
  const shipped = await loadPolicyBundle({ data: { grants: defaultGrants, history } })
  const engine: PolicyEngine = {
    revision: shipped.revision,
    digest: shipped.digest,
    facts: parseFacts({ history }),
    evaluate(entrypoint, input, document) {
      const result = shipped.evaluate(entrypoint, input, document)
      const decided = result as { readonly allow: boolean; readonly obligations: readonly Json[] }
      if (entrypoint !== entrypoints.decision || !decided.allow) return result
      const text = typeof input === 'function' ? input() : JSON.stringify(input)
      const asked = JSON.parse(text) as { readonly context: { readonly history: never } }
      const { deny, remember = [] } = own(asked, asked.context.history)
      if (deny !== undefined) {
        const reasons = [{ code: deny, message: deny, audience: 'agent' }]
        return { allow: false, reasons, obligations: [] }
      }
      const kept = remember.map((id) => ({ id, type: 'remember', properties: {} }))
      return { ...decided, obligations: [...decided.obligations, ...kept] }
    },
  }
  return createAuthorizer(engine)
}

/** At most so many calls of tools. */
export function atMost(calls: number): OwnRules {
  return ({ action }, history) => {
    if ((action as Json)['name'] !== 'tools/call') return {}
    return history['calls']?.length === calls ? { deny: 'too-often' } : { remember: ['calls'] }
  }
}
