import type { Decision, Reason } from '../../policy/decision.ts'

/** The obligations that the gateway can fulfil, by type. A permit under any other one is a refusal (AuthZEN obligations profile). */
const fulfilled: ReadonlySet<string> = new Set()

/** The type of an obligation that nobody here can meet. */
export function unknownObligation({ obligations }: Decision): string | undefined {
  return obligations.find(({ type }) => !fulfilled.has(type))?.type
}

export const obligationUnknown: Reason = {
  code: 'obligation-unknown',
  message: 'an obligation of the permission cannot be met',
  audience: 'agent',
}
