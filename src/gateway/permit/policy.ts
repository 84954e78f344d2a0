import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import type { Ask } from '../../mcp/ask.ts'
import type { X509Svid } from '../../pki/x509-svid.ts'
import type { Asked, CallTexts } from '../../policy/asked.ts'
import { askCall } from '../../policy/asked.ts'
import type { Authorizer, Evaluated } from '../../policy/authorizer.ts'
import type { Decision, Reason } from '../../policy/decision.ts'
import type { DecisionLog } from '../../policy/decision-log.ts'
import { formatInput, type InputText } from '../../policy/input.ts'
import type { ShownArguments } from '../../policy/shown-arguments.ts'
import type { Call } from '../call.ts'
import type { Caller } from '../caller/caller.ts'
import type { Definition } from '../catalogue/definition.ts'
import type { ResourceText } from '../catalogue/resource-text.ts'
import type { Door } from '../door/arrived.ts'
import type { HistoryStore } from '../history/history-store.ts'
import {
  denial,
  isRefused,
  refused,
  unavailable,
  type CheckName,
  type Refusal,
  type Refused,
} from '../refusal.ts'
import type { Account } from '../../shares.ts'
import { whenThere, type Soon } from '../soon.ts'
import type { Turns } from '../turns.ts'
import { contextOf, contextOfAsk } from './context.ts'
import { createListPolicy } from './list-policy.ts'
import { whyOver } from './over.ts'
import { createAskRemembering, whyUnkept, type Moment, type Remembered } from './remember.ts'
import { resourceTextOf } from './resource.ts'

/** A decision that has its id, and its place in the decision log. */
export interface Decided extends Decision {
  readonly id: string
}

/** Who stands where and wants what: a call, or a session of which no call is open. */
export type Situation = Pick<Call, 'caller' | 'target' | 'session' | 'arguments'> & {
  readonly message: Pick<Call['message'], 'era' | 'method' | 'params'>
  readonly arrived: Pick<Call['arrived'], 'door'>
}

/** What is decided about: a call, with the definition of its tool as soon as that is known. */
export interface Question {
  readonly call: Situation
  readonly definition: Definition | undefined
  /** What the server asks of the caller meanwhile, where that is what is decided about. */
  readonly ask?: Ask
}

/** What policy has said of a list: of each of its tools whether it is shown. */
export interface DecidedList {
  readonly shown: readonly boolean[]
  readonly ageMilliseconds: number
}

/** Every decision gets an id and an event in the decision log before anything follows from it. */
export interface Decisions {
  /** Of the policy that decides now. */
  digest(): string
  /** Asks policy about one request: at once, unless the decision log needs a moment until it can take the answer. */
  decide(question: Question): Soon<Decided | Refused>
  /**
   * Asks policy once about a whole list, by the texts of its tools. What it has said a moment ago to the very same question is said
   * again, which is a decision like any other. Of one that nobody reads any more it is not asked.
   */
  decideList(call: Call, resources: readonly ResourceText[]): Soon<DecidedList | Refused>
  /** Whether a list would show its caller this, as policy stands. Nothing follows from it but how a denial is told. */
  isListed(question: Question): boolean
  /** Whether somebody may decide a ticket, whose resource and call are told to policy as they were when it was asked for. */
  decideApproval(deciding: Deciding): Soon<Decided | Refused>
  /** Something that a permit needed was there: recorded, or nothing may follow from it. */
  note(question: Question, check: CheckName, reason: Reason): Refused | undefined
  /** What policy lets an approver see of the arguments, whom these rules name. */
  shownArguments(question: Question, rules: readonly string[]): ShownArguments
  /** A decision that was taken without policy: recorded as one all the same. */
  refuse(
    question: Question,
    check: CheckName,
    reason: Reason,
    /** What the caller is told in place of a plain denial. */
    told?: (denied: Refusal) => Refusal,
  ): Refused
  /**
   * An identity that is not acceptable is a decision too, where it has a name. Nothing of its message is read, so nothing of it is in
   * the event. What could not be known about it, or is too much of it, is none.
   */
  refuseIdentity(stranger: Identified, refused: Refused): Refusal
}

/** Who would do what with a ticket. */
export interface Deciding {
  readonly call: Situation
  readonly action: 'approvals/list' | 'approvals/approve' | 'approvals/deny'
  /** SPIFFE ID, and what policy is told of it. */
  readonly by: string
  readonly subject: InputText
  readonly resource: InputText
  /** The ticket, its rules, and whose call it is. */
  readonly approval: InputText
}

export interface Identified {
  readonly door: Door
  readonly svid: X509Svid | undefined
  readonly caller: Caller | undefined
}

export interface DecisionsOptions {
  readonly authorizer: Authorizer
  readonly decisionLog: DecisionLog
  readonly turns: Turns
  /** The longest time that a caller may keep a list. */
  readonly listSecondsMax: number
  /** Where what policy wants kept of callers is kept; undefined: what wants it is not permitted. */
  readonly history?: HistoryStore | undefined
  readonly now: () => number
  readonly newDecisionId: () => string
  readonly log: Log
  readonly metrics: Metrics
}

const decisionPath = 'countersign/mcp/decision'
const listPath = 'countersign/mcp/list'

export function createDecisions(options: DecisionsOptions): Decisions {
  const { authorizer, decisionLog, turns, now, log } = options
  const lists = createListPolicy(options)
  const record = createRecord(options)
  const recorded = createRecorded(record, log)
  const decideNow = createDecideNow(options, record, recorded)
  const time = (): string => new Date(now()).toISOString()

  function decideListNow(call: Call, resources: readonly ResourceText[]): DecidedList | Refused {
    const answer = lists.ask(call, resources)
    const decided = recorded(listPath, idOf(call), answer)
    return isRefused(decided)
      ? refused('response', decided.refusal)
      : { shown: decided.value, ageMilliseconds: now() - answer.at }
  }
  function decideList(call: Call, resources: readonly ResourceText[]): Soon<DecidedList | Refused> {
    const decide = (): Soon<DecidedList | Refused> =>
      whenAvailable(decisionLog, 'response', () => whyOver(call) ?? decideListNow(call, resources))
    return lists.isKnown(call, resources)
      ? decide()
      : whenThere(turns.take(call.caller.account), decide)
  }

  return {
    digest: () => authorizer.digest,
    decide: (question) =>
      whenAvailable(decisionLog, 'policy', () =>
        decideNow(idOf(question.call), question.call.caller.account, (moment) =>
          textsOf(question, moment),
        ),
      ),
    decideList,
    isListed: ({ call, definition }) => lists.shows(call, definition),
    decideApproval: ({ call, action, by, approval, ...told }) =>
      whenAvailable(decisionLog, 'policy', () => {
        const account = accountOf(call, by)
        return decideNow(by, account, (moment) => {
          const context = { ...contextOf(call, moment, 'request'), approval }
          return { ...told, action, context, arguments: undefined }
        })
      }),
    note(question, check, reason) {
      const evaluated = unasked(askCall(textsOf(question, { time: time() })), [reason], true)
      const id = record(`countersign/gateway/${check}`, idOf(question.call), evaluated)
      return id === undefined ? refused(check, logUnavailable) : undefined
    },
    shownArguments: (question, rules) =>
      authorizer.shownArguments(textsOf(question, { time: time() }), rules),
    refuse(question, check, reason, told = (denied) => denied) {
      if (!decisionLog.available) return refused(check, logUnavailable)
      const evaluated = unasked(askCall(textsOf(question, { time: time() })), [reason])
      const id = record(`countersign/gateway/${check}`, idOf(question.call), evaluated)
      if (id === undefined) return refused(check, logUnavailable)
      return refused(check, told(denial({ id, reasons: [reason] })))
    },
    refuseIdentity: createRefuseIdentity(options, record, time),
  }
}

type DecideNow = (
  by: string,
  account: Account,
  textsAt: (moment: Moment) => CallTexts,
) => Soon<Decided | Refused>

/** Asks policy about a call, and takes its permit only with what it wants kept. */
function createDecideNow(
  options: DecisionsOptions,
  record: ReturnType<typeof createRecord>,
  recorded: ReturnType<typeof createRecorded>,
): DecideNow {
  const askRemembering = createAskRemembering(options)
  const momentNow = (): Moment => ({ time: new Date(options.now()).toISOString() })

  function conclude(
    by: string,
    { evaluated, obligations, unkept }: Remembered,
    texts: () => CallTexts,
  ): Decided | Refused {
    const decided = recorded(decisionPath, by, evaluated)
    if (isRefused(decided)) return decided
    const { id, value } = decided
    if (!value.allow) return refused('policy', denial({ id, reasons: value.reasons }))
    if (unkept !== undefined) return refuseUnkept(by, texts(), unkept)
    return { id, allow: true, reasons: value.reasons, obligations }
  }
  /** What is not known, or not kept, is not permitted: a decision that is recorded as one. */
  function refuseUnkept(
    by: string,
    texts: CallTexts,
    unkept: NonNullable<Remembered['unkept']>,
  ): Refused {
    const { code, refusal } = whyUnkept(unkept)
    options.metrics.count('countersign_gateway_history_refused_total', { reason: code })
    const reasons: readonly Reason[] = [{ code, message: refusal.message, audience: 'agent' }]
    const id = record('countersign/gateway/policy', by, unasked(askCall(texts), reasons))
    const told = id === undefined ? logUnavailable : { ...refusal, data: { decisionId: id } }
    return refused('policy', told)
  }

  return (by, account, textsAt) =>
    whenThere(askRemembering(account, textsAt), (remembered) =>
      remembered === undefined
        ? refuseUnkept(by, textsAt(momentNow()), 'late')
        : conclude(by, remembered, () => textsAt(momentNow())),
    )
}

/** Records an answer of policy, or that there is none. */
function createRecorded(
  record: ReturnType<typeof createRecord>,
  log: Log,
): <T>(
  path: string,
  by: string,
  evaluated: Evaluated<T>,
) => { readonly id: string; readonly value: T } | Refused {
  return (path, by, evaluated) => {
    const id = record(path, by, evaluated)
    if (id === undefined) return refused('policy', logUnavailable)
    const { error, value } = evaluated
    if (error === undefined) return { id, value }
    log.error({ decision: id, detail: error }, 'policy gave no decision')
    const more = { data: { decisionId: id }, detail: error }
    return refused('policy', unavailable(500, 'policy is not available', more))
  }
}

/** The refusal of somebody who is let in nowhere, recorded where it has a name. */
function createRefuseIdentity(
  { decisionLog }: DecisionsOptions,
  record: ReturnType<typeof createRecord>,
  time: () => string,
): Decisions['refuseIdentity'] {
  return ({ door, svid, caller }, { check, refusal }) => {
    if (svid === undefined) return refusal
    if (!decisionLog.available) return { ...logUnavailable, close: true }
    const subject = caller?.subjectText ?? formatInput(subjectOf(svid))
    const context = formatInput({ time: time(), door: door.name, phase: 'request' })
    const text = `{"subject":${subject},"context":${context}}` as InputText
    const evaluated = unasked({ kind: 'plain', text }, reasonsOf(refusal))
    const id = record(`countersign/gateway/${check}`, svid.spiffeId.uri, evaluated)
    if (id === undefined) return { ...logUnavailable, close: true }
    return { ...refusal, data: { decisionId: id } }
  }
}

/** Gives a decision its id; undefined: the log has not taken it, and nothing may follow from it. */
function createRecord({
  decisionLog,
  newDecisionId,
}: DecisionsOptions): (
  path: string,
  requestedBy: string,
  evaluated: Evaluated<unknown>,
) => string | undefined {
  return (path, requestedBy, evaluated) => {
    const decisionId = newDecisionId()
    return decisionLog.record({ decisionId, requestedBy, path, evaluated }) ? decisionId : undefined
  }
}

/** Decides at once where the decision can be recorded, else as soon as it can: what was free a moment ago may be taken by now. */
function whenAvailable<T>(
  log: DecisionLog,
  check: CheckName,
  decide: () => Soon<T | Refused>,
): Soon<T | Refused> {
  if (log.available) return decide()
  return log
    .whenAvailable()
    .then((there) => (there ? whenAvailable(log, check, decide) : refused(check, logUnavailable)))
}

/** Of somebody who is asked about in the place of the caller. */
function accountOf({ caller }: Situation, by: string): Account {
  const [tenant, namespace] = caller.account
  return [tenant, namespace, by]
}

function idOf({ caller }: Situation): string {
  return caller.svid.spiffeId.uri
}

/** What was decided without policy. */
function unasked(asked: Asked, reasons: readonly Reason[], allow = false): Evaluated<Decision> {
  const value: Decision = { allow, reasons, obligations: [] }
  return { value, asked, result: value, error: undefined, seconds: 0 }
}

const logUnavailable: Refusal = unavailable(503, 'decisions cannot be recorded')

function reasonsOf({ message, detail }: Refusal): readonly Reason[] {
  const code = 'identity-not-acceptable'
  const told: Reason = { code, message, audience: 'agent' }
  return detail === undefined ? [told] : [told, { code, message: detail, audience: 'operator' }]
}

/** What is known of somebody who is let in nowhere. */
function subjectOf({ spiffeId, sha256, notAfter }: X509Svid): object {
  const certificate = { sha256, notAfter: notAfter.toISOString() }
  return { type: 'identity', id: spiffeId.uri, properties: { certificate } }
}

function textsOf({ call, definition, ask }: Question, moment: Moment): CallTexts {
  return {
    subject: call.caller.subjectText,
    action: ask?.method ?? call.message.method,
    resource: resourceTextOf(call.target, definition),
    arguments: ask === undefined ? call.arguments : undefined,
    context:
      ask === undefined ? contextOf(call, moment, 'request') : contextOfAsk(call, moment, ask),
  }
}
