import { CountersignError } from '../errors.ts'
import { silentMetrics } from '../metrics.ts'
import type { Metrics } from '../metrics.ts'
import { parseDecision, parseMembers } from './decision.ts'
import type { Decision } from './decision.ts'
import { entrypoints } from './engine.ts'
import type { PolicyEngine } from './engine.ts'
import { formatInput } from './input.ts'
import type { InputText } from './input.ts'

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
    readonly certificate: {
      /** Of the leaf, hex. */
      readonly sha256: string
      /** RFC 3339. */
      readonly notAfter: string
    }
  }
}

export interface DecisionResource {
  readonly type: 'mcp_server' | 'tool'
  /** The tool's name as the upstream knows it, or the server (`countersign` for the federated door). */
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
  readonly context: {
    /** As the client sent them. */
    readonly arguments?: unknown
    readonly era: 'modern' | 'legacy'
    /** RFC 3339, from our clock: rules have none of their own. */
    readonly time: string
    /** `mcp` or `mcp/<server>`. */
    readonly door: string
    readonly phase: 'request' | 'list'
  }
}

export type ListInput = Omit<DecisionInput, 'resource'> & {
  readonly resources: readonly DecisionResource[]
}

/** A value with what it came from, for the decision log. */
export interface Evaluated<T> {
  readonly value: T
  readonly input: object
  /** What was evaluated; none where the input was not fit for it, or nothing was evaluated. */
  readonly inputText?: InputText
  /** The policy's own answer; null when there was none. */
  readonly result: unknown
  /** The code and message of the failure; `value` is then a refusal. */
  readonly error?: string
  readonly seconds: number
}

/** Answers whether a call may be made. Never throws: a failure is a refusal with the code `policy-unavailable`. */
export interface Authorizer {
  decide(input: DecisionInput): Evaluated<Decision>
  /** One evaluation for a whole list, one answer for each of its resources, in their order. */
  filter(input: ListInput): Evaluated<readonly boolean[]>
  readonly revision: string
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

export function createAuthorizer(
  engine: PolicyEngine,
  options: {
    readonly metrics?: Metrics
    /** Milliseconds of a monotonic clock. */
    readonly elapsed?: () => number
  } = {},
): Authorizer {
  const { metrics = silentMetrics, elapsed = () => performance.now() } = options

  function evaluated<T>(o: {
    readonly entrypoint: string
    readonly input: object
    readonly octetsMax?: number
    readonly refusal: T
    readonly parse: (result: unknown) => T
  }): Evaluated<T> {
    const { entrypoint, input } = o
    const started = elapsed()
    const seconds = (): number => (elapsed() - started) / 1000
    let result: unknown = null
    let inputText: InputText | undefined
    try {
      inputText = formatInput(input, o.octetsMax)
      result = engine.evaluate(entrypoint, inputText)
      const value = o.parse(result)
      const took = seconds()
      metrics.observe('countersign_policy_evaluation_seconds', took, { entrypoint })
      return { value, input, inputText, result, seconds: took }
    } catch (error) {
      const code = error instanceof CountersignError ? error.code : 'unknown'
      metrics.count('countersign_policy_errors_total', { code })
      const message = error instanceof Error ? error.message : 'unknown'
      return {
        value: o.refusal,
        input,
        ...(inputText === undefined ? {} : { inputText }),
        result,
        error: `${code}: ${message}`,
        seconds: seconds(),
      }
    }
  }

  return {
    get revision() {
      return engine.revision
    },
    get digest() {
      return engine.digest
    },
    decide: (input) =>
      evaluated({
        entrypoint: entrypoints.decision,
        input,
        refusal: unavailable,
        parse: parseDecision,
      }),
    filter: (input) =>
      evaluated({
        entrypoint: entrypoints.list,
        input,
        octetsMax: listOctetsMax,
        refusal: input.resources.map(() => false),
        parse: (result) => parseList(result, input.resources.length),
      }),
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
