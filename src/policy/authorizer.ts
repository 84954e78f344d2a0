import { isDeepStrictEqual } from 'node:util'
import { CountersignError } from '../errors.ts'
import { silentMetrics } from '../metrics.ts'
import type { Metrics } from '../metrics.ts'
import { askCall, askList, inputTextOf } from './asked.ts'
import type { Asked, AskedCall, AskedList, CallTexts, DecisionContext, ListTexts } from './asked.ts'
import { parseDecision, parseMembers } from './decision.ts'
import type { Decision } from './decision.ts'
import { documentOf } from './document.ts'
import { entrypoints } from './engine.ts'
import type { PolicyEngine, PolicyName } from './engine.ts'
import type { DeclaredFacts } from './history.ts'
import { inputOctetsDefault } from './input.ts'
import {
  decideWithTenant,
  filterWithTenant,
  type TenantPolicies,
} from './tenant/decide-with-tenant.ts'
import { shownArguments, type ShownArguments } from './shown-arguments.ts'

/** Who calls: all of it from the verified certificate, nothing from the client's message. */
export interface DecisionSubject {
  readonly type: 'identity'
  /** SPIFFE ID. */
  readonly id: string
  readonly properties: {
    readonly role?: string
    readonly tenant?: string
    readonly models: readonly string[]
    /** Scopes as text, `server:tool` or `server:prefix*`. */
    readonly toolScopes: readonly string[]
    readonly namespace: string
    readonly serviceAccount: string
    readonly pod: { readonly name: string; readonly uid: string }
    /** Whom the pod was given to, where it came of a pool. */
    readonly claim?: { readonly name: string; readonly uid: string }
    readonly certificate: {
      /** Of the leaf, hex. */
      readonly sha256: string
      /** RFC 3339. */
      readonly notAfter: string
    }
  }
}

export interface DecisionResource {
  readonly type: 'mcp_server' | 'tool' | 'prompt' | 'resource' | 'resource_template'
  /** Its name or URI as the upstream knows it, or the server (`countersign` for the federated door). */
  readonly id: string
  readonly properties: {
    readonly server: string
    readonly definitionDigest?: string
    readonly annotations?: object
  }
}

/** AuthZEN-shaped (facts of the call, MCP's names for actions as in COAZ-MCP). Verified and client-supplied values never share an object. */
export interface DecisionInput {
  readonly subject: DecisionSubject
  /** An MCP method. */
  readonly action: { readonly name: string }
  readonly resource: DecisionResource
  readonly context: DecisionContext & {
    /** As the client sent them. */
    readonly arguments?: unknown
  }
}

export type ListInput = Omit<DecisionInput, 'resource'> & {
  readonly resources: readonly DecisionResource[]
}

/** A value with what it came from, for the decision log. */
export interface Evaluated<T, A extends Asked = Asked> {
  readonly value: T
  readonly asked: A
  /** The policy's own answer; null when there was none. */
  readonly result: unknown
  /** The code and message of the failure; `value` is then a refusal. */
  readonly error?: string | undefined
  readonly seconds: number
  /** What decided; none where policy was not asked. */
  readonly policy?: PolicyName
  /** What the platform's rules have said, where a tenant's have narrowed it. */
  readonly ofPlatform?: T
}

/** Answers whether a call may be made. Never throws: a failure is a refusal with the code `policy-unavailable`. */
export interface Authorizer {
  decide(texts: CallTexts): Evaluated<Decision>
  /** One evaluation for a whole list, one answer for each of its resources, in their order. */
  filter(texts: ListTexts): Evaluated<readonly boolean[], AskedList>
  /** What the mask leaves of the arguments of a call for somebody whom these rules have approve it. */
  shownArguments(texts: CallTexts, rules: readonly string[]): ShownArguments
  /** What the platform's rules may have kept of callers; undefined: nothing. */
  readonly facts?: DeclaredFacts | undefined
  readonly revision: string
  /** Of all that decides: rules, data, and the bundles of tenants. */
  readonly digest: string
}

/** A list carries definitions' annotations: larger than a call, and from upstreams rather than from agents. */
const listOctetsMax = 1024 * 1024

const unavailable: Decision = {
  allow: false,
  reasons: [
    {
      code: 'policy-unavailable',
      message: 'the call cannot be authorized now',
      audience: 'agent',
    },
  ],
  obligations: [],
}

/** RFC 8259 §6: parsers agree on numbers that a double holds. */
const ambiguous: Decision = {
  allow: false,
  reasons: [
    {
      code: 'number-ambiguous',
      message: 'a number in the arguments is read in two ways, and only one is allowed',
      audience: 'agent',
    },
  ],
  obligations: [],
}

export function createAuthorizer(
  engine: PolicyEngine,
  options: {
    readonly metrics?: Metrics
    /** Of the input of a call. Default 256 KiB. */
    readonly inputOctetsMax?: number
    /** Of tenants, asked about what this one permits. */
    readonly tenants?: TenantPolicies | undefined
    /** Milliseconds of a monotonic clock. */
    readonly elapsed?: () => number
  } = {},
): Authorizer {
  const { metrics = silentMetrics, elapsed = () => performance.now(), tenants } = options
  const { inputOctetsMax = inputOctetsDefault } = options

  const evaluated = createEvaluation({ engine, metrics, elapsed })
  const parseRepeated = createRepeatedParser()
  const decideHere = (texts: CallTexts): Evaluated<Decision, AskedCall> =>
    evaluated({
      entrypoint: entrypoints.decision,
      asked: askCall(texts),
      octetsMax: inputOctetsMax,
      refusal: unavailable,
      parse: parseRepeated,
    })
  const decideOnce = (texts: CallTexts): Evaluated<Decision> => {
    const here = decideHere(texts)
    return tenants === undefined ? here : decideWithTenant(here, { tenants, unavailable, metrics })
  }
  return {
    get facts() {
      return engine.facts
    },
    get revision() {
      return engine.revision
    },
    get digest() {
      return tenants === undefined ? engine.digest : `${engine.digest}+${tenants.digest}`
    },
    decide: (texts) => decideBoth(texts, decideOnce),
    filter(texts) {
      const here = evaluated({
        entrypoint: entrypoints.list,
        asked: askList(texts),
        octetsMax: listOctetsMax,
        refusal: texts.resources.map(() => false),
        parse: (result) => parseList(result, texts.resources.length),
      })
      return tenants === undefined ? here : filterWithTenant(here, { tenants, metrics })
    },
    shownArguments: (texts, rules) => shownArguments(askCall(texts), rules, engine),
  }
}

/** One evaluation, with what it was of, its time and its failure. */
function createEvaluation({
  engine,
  metrics,
  elapsed,
}: {
  readonly engine: PolicyEngine
  readonly metrics: Metrics
  readonly elapsed: () => number
}): <T, A extends Asked>(o: Evaluation<T, A>) => Evaluated<T, A> {
  const nameOf = createNamer()
  return <T, A extends Asked>(o: Evaluation<T, A>): Evaluated<T, A> => {
    const { entrypoint, asked } = o
    const started = elapsed()
    let result: unknown = null
    // Read before the answer, with nothing in between: what is in force changes only between two evaluations.
    const policy = nameOf(engine)
    try {
      result = engine.evaluate(entrypoint, inputTextOf(asked, o.octetsMax), documentOf(asked))
      const value = o.parse(result)
      const seconds = (elapsed() - started) / 1000
      metrics.observe('countersign_policy_evaluation_seconds', seconds, { entrypoint })
      return { value, asked, result, error: undefined, seconds, policy }
    } catch (thrown) {
      const code = thrown instanceof CountersignError ? thrown.code : 'unknown'
      metrics.count('countersign_policy_errors_total', { code })
      const message = thrown instanceof Error ? thrown.message : 'unknown'
      const seconds = (elapsed() - started) / 1000
      return { value: o.refusal, asked, result, error: `${code}: ${message}`, seconds, policy }
    }
  }
}

interface Evaluation<T, A extends Asked> {
  readonly entrypoint: string
  readonly asked: A
  readonly octetsMax: number
  readonly refusal: T
  readonly parse: (result: unknown) => T
}

/** A tool server may read numbers that were rounded: those must be allowed as well, and in the same way. */
function decideBoth(
  texts: CallTexts,
  decide: (texts: CallTexts) => Evaluated<Decision>,
): Evaluated<Decision> {
  const exact = decide(texts)
  const { arguments: given } = texts
  if (given?.rounded === undefined || !exact.value.allow) return exact
  const rounded = decide({ ...texts, arguments: { ...given, text: given.rounded, read: {} } })
  if (rounded.error !== undefined) return rounded
  if (isDeepStrictEqual(rounded.value, exact.value)) return exact
  return { ...exact, value: ambiguous, result: ambiguous }
}

/** The engine gives an answer that comes again as one frozen value: what was found fit once is fit. */
function createRepeatedParser(): (result: unknown) => Decision {
  let last: { readonly result: unknown; readonly decision: Decision } | undefined
  return (result) => {
    if (last !== undefined && last.result === result && Object.isFrozen(result)) {
      return last.decision
    }
    const decision = parseDecision(result)
    last = { result, decision }
    return decision
  }
}

/** The name of what is in force: one object as long as it is the same. */
function createNamer(): (engine: PolicyEngine) => PolicyName {
  let last: PolicyName | undefined
  return ({ revision, digest }) => {
    if (last?.digest !== digest || last.revision !== revision) last = { revision, digest }
    return last
  }
}

/** Indices of the resources that may be shown, with the number of resources that the policy saw. */
function parseList(result: unknown, length: number): readonly boolean[] {
  const { allowed, count } = parseMembers(result, 'list', ['allowed', 'count'])
  if (count !== length) throw refused(`list was judged in part, want=${length}`)
  if (!Array.isArray(allowed)) throw refused('allowed is of the wrong type, want=array')
  const shown = Array.from({ length }, () => false)
  for (const index of allowed as readonly unknown[]) {
    if (typeof index !== 'number' || shown[index] !== false) {
      throw refused('allowed has a member that is no index of the list, or has it twice')
    }
    shown[index] = true
  }
  return shown
}

function refused(message: string): CountersignError {
  return new CountersignError('policy/result', message)
}
