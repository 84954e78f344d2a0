import { cut } from '../errors.ts'
import type { Fact, Facts } from './facts.ts'

/** Every check has a name: docs/TROUBLESHOOTING.md has a row for each. */
export type CheckName =
  | 'api-server'
  | 'clock'
  | 'pod-certificate-api'
  | 'pod-certificate-volumes'
  | 'trust-bundle-api'
  | 'kubelets'
  | 'dropped-volumes'
  | 'node-restriction'
  | 'admission-policy'
  | 'request-creators'
  | 'signer-requesters'
  | 'node-impersonators'
  | 'custom-resources'
  | 'installation'
  | 'rights'
  | 'signer'
  | 'remote-signers'
  | 'signing-requests'
  | 'ledger'
  | 'authority'
  | 'trust-bundle'
  | 'gateway'
  | 'gateway-name'
  | 'handle-keys'
  | 'upstreams'
  | 'tool-servers'
  | 'policy-data'
  | 'governance-keys'
  | 'roles'
  | 'ceilings'

/** `warning`: works, or could not be checked; `problem`: does not work, or is open to somebody. */
export type Status = 'ok' | 'warning' | 'problem'

/** What a check says. Text from the cluster may stand in it: whoever prints it makes it safe. */
export interface Judgement {
  readonly status: Status
  /** One line. */
  readonly summary: string
  /** What was seen, a line each. */
  readonly evidence: readonly string[]
  /** What to do; undefined where there is nothing to do. */
  readonly hint?: string
}

/** Pure: the same facts, the same judgement. */
export interface Check {
  readonly name: CheckName
  readonly judge: (facts: Facts) => Judgement
}

export function ok(summary: string, evidence: readonly string[] = []): Judgement {
  return { status: 'ok', summary, evidence }
}

interface Advice {
  readonly evidence?: readonly string[]
  readonly hint: string
}

export function warning(summary: string, { evidence = [], hint }: Advice): Judgement {
  return { status: 'warning', summary, evidence, hint }
}

export function problem(summary: string, { evidence = [], hint }: Advice): Judgement {
  return { status: 'problem', summary, evidence, hint }
}

/** A check that could not be made for want of a fact says so, with the right that would give it. */
export function unknown(fact: Fact<unknown> & { readonly known: false }): Judgement {
  const { why, right } = fact
  const hint =
    right === undefined
      ? 'mend this first, and ask again'
      : `ask again as somebody who may ${right}, or have an administrator run the doctor`
  return warning(`not checked: ${why}`, { hint })
}

/** Of everything that would be looked at only the first so many were: nothing can be said of the rest. */
export function withPartial(judgement: Judgement, facts: readonly Fact<unknown>[]): Judgement {
  const notes = facts.flatMap((fact) => (fact.known && fact.partial ? [fact.partial] : []))
  if (notes.length === 0) return judgement
  const evidence = [...judgement.evidence, ...notes]
  if (judgement.status !== 'ok') return { ...judgement, evidence }
  const hint = 'nothing is known of the rest: look at it with kubectl'
  return warning(`${judgement.summary}, as far as was looked`, { evidence, hint })
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

/** Names of a list that may be long. */
export function named(names: readonly string[], most = 5): string {
  const shown = names.slice(0, most).map((name) => cut(name, 120))
  return names.length > most
    ? `${shown.join(', ')} and ${names.length - most} more`
    : shown.join(', ')
}
