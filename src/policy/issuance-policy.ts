import { CountersignError } from '../errors.ts'
import type { Named } from '../identity/workload-identity.ts'
import { parseBoolean, parseMembers, parseReasons } from './decision.ts'
import type { Reason } from './decision.ts'
import { entrypoints } from './engine.ts'
import type { PolicyEngine } from './engine.ts'
import { formatInput } from './input.ts'
import type { InputText } from './input.ts'

/** What the issuance policy sees. Every member of the subject is proved already; the rest is what was asked, and why it was believed. */
export interface IssuanceInput {
  readonly subject: {
    readonly type: 'identity'
    /** The SPIFFE ID that the certificate would carry. */
    readonly id: string
    readonly properties: {
      readonly namespace: string
      readonly serviceAccount: string
      readonly pod: { readonly name: string; readonly uid: string }
      readonly node: string
      readonly role?: string
      readonly tenant?: string
      readonly models: readonly string[]
      readonly toolScopes: readonly string[]
      /** Whom the pod was given to, where it came of a pool. */
      readonly claim?: Named
    }
  }
  readonly action: { readonly name: 'issue' }
  readonly resource: {
    readonly type: 'certificate'
    /** The signer's name. */
    readonly id: string
    readonly properties: {
      readonly keyType: string
      readonly lifetimeSeconds: number
      readonly dnsNames: readonly string[]
    }
  }
  readonly context: {
    /** RFC 3339. */
    readonly time: string
    readonly requester?: string
    /** As asked for, unverified. */
    readonly annotations?: Readonly<Record<string, string>>
    /** Label and annotation facts behind the claims, for rules that want to look closer. */
    readonly evidence?: object
  }
}

export interface IssuanceDecision {
  readonly allow: boolean
  readonly reasons: readonly Reason[]
  /** Only ever shortens. */
  readonly lifetimeSecondsMax?: number
  /** What decided: the data may be another one a moment later. */
  readonly policy: { readonly revision: string; readonly digest: string }
  /** Its number in the decision log, where there is one. */
  readonly decisionId?: string
}

/** The second opinion on an issuance that the evidence allows. It can refuse or shorten, never widen. */
export interface IssuancePolicy {
  /** Throws `policy/…` when there is no answer: the signer waits, it neither issues nor refuses. */
  decide(input: IssuanceInput, how?: Asking): IssuanceDecision
}

/** Whether it is only asked what it would say: nothing follows from that, and nobody records it. */
export interface Asking {
  readonly supposed: boolean
}

export function createIssuancePolicy(engine: PolicyEngine): IssuancePolicy {
  return {
    decide(input) {
      const { revision, digest } = engine
      const { result: _, ...decision } = askIssuance(engine, formatInput(input))
      return { ...decision, policy: { revision, digest } }
    },
  }
}

type Opinion = Omit<IssuanceDecision, 'policy' | 'decisionId'>

/** One evaluation, with the answer as it was given. Throws `policy/…`. */
export function askIssuance(
  engine: Pick<PolicyEngine, 'evaluate'>,
  input: InputText,
): Opinion & { readonly result: unknown } {
  const result = engine.evaluate(entrypoints.issuance, input)
  return { ...parseIssuance(result), result }
}

function parseIssuance(result: unknown): Opinion {
  const members = parseMembers(result, 'issuance decision', [
    'allow',
    'reasons',
    'lifetime_seconds_max',
  ])
  const decision = {
    allow: parseBoolean(members['allow'], 'allow'),
    reasons: parseReasons(members['reasons']),
  }
  const lifetime = members['lifetime_seconds_max']
  if (lifetime === undefined) return decision
  if (typeof lifetime !== 'number' || !Number.isSafeInteger(lifetime) || lifetime < 1) {
    throw new CountersignError(
      'policy/result',
      'lifetime_seconds_max is of the wrong type, want=positive integer',
    )
  }
  return { ...decision, lifetimeSecondsMax: lifetime }
}
