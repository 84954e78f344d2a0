import { entrypoints } from '../engine.ts'
import { codeOf, lostAt, recordOf, textsIn } from './logged-decision.ts'

/** What is asked about a decision: of it all that is said has to be so. */
export interface DecisionQuery {
  readonly id?: string | undefined
  /** SPIFFE ID, or the path of one, in whatever trust domain. */
  readonly identity?: string | undefined
  /** `<server>:<tool>`, or the tool alone. */
  readonly tool?: string | undefined
  /** Milliseconds since the epoch; this one is in it. */
  readonly since?: number | undefined
  /** This one is not. */
  readonly until?: number | undefined
  readonly outcome?: 'allow' | 'deny' | undefined
  /** Of one of its reasons. */
  readonly code?: string | undefined
}

/** A decision in short. What its event does not show is undefined. */
export interface DecisionOutline {
  readonly id: string
  /** RFC 3339, as it is written. */
  readonly timestamp: string | undefined
  /** SPIFFE ID of the caller. */
  readonly identity: string
  readonly action: string | undefined
  /** Null where nothing is named, as of a list. */
  readonly resource: ResourceName | null | undefined
  readonly outcome: 'allow' | 'deny' | 'list' | undefined
  readonly codes: readonly string[] | undefined
}

interface ResourceName {
  readonly type: string
  readonly id: string
  readonly server: string | undefined
}

/** What an event of a decision log is. */
export type LoggedEvent =
  | { readonly kind: 'decision'; readonly decision: DecisionOutline }
  /** Something else that the log tells, and how many events it has lost there. */
  | { readonly kind: 'note'; readonly lost: number }

/** Reads one event. Undefined: it is no event of a decision log. */
export function outlineEvent(event: unknown): LoggedEvent | undefined {
  const { decision_id: id, path, timestamp, requested_by: identity } = recordOf(event)
  if (typeof id !== 'string' || typeof path !== 'string') return undefined
  // Nobody has asked for what the log tells of itself.
  if (typeof identity !== 'string') return { kind: 'note', lost: lostAt(event) }
  const decision = {
    id,
    timestamp: textOf(timestamp),
    identity,
    ...askedOf(event),
    ...answerOf(event, path === entrypoints.list),
  }
  return { kind: 'decision', decision }
}

function askedOf(event: unknown): Pick<DecisionOutline, 'action' | 'resource'> {
  const isShown = shownIn(event)
  const { action, resource } = recordOf(recordOf(event)['input'])
  const name = isShown('/input/action/name') ? textOf(recordOf(action)['name']) : undefined
  if (!isShown('/input/resource')) return { action: name, resource: undefined }
  const { type, id, properties } = recordOf(resource)
  if (typeof id !== 'string') {
    return { action: name, resource: isMinimal(event) ? undefined : null }
  }
  const server = textOf(recordOf(properties)['server'])
  return { action: name, resource: { type: String(type), id, server } }
}

function answerOf(event: unknown, isList: boolean): Pick<DecisionOutline, 'outcome' | 'codes'> {
  const isShown = shownIn(event)
  const { result, error } = recordOf(event)
  const { allow, reasons } = recordOf(result)
  // One code may be said twice, to the caller and to an operator.
  const said = Array.isArray(reasons) ? [...new Set(reasons.map(codeOf))] : undefined
  const codes = said ?? (isMinimal(event) ? undefined : [])
  const told = typeof allow === 'boolean' ? (allow ? 'allow' : 'deny') : undefined
  // An evaluation that has failed allows nothing.
  const untold = isMinimal(event) || error === undefined ? undefined : 'deny'
  return {
    outcome: isShown('/result/allow')
      ? (told ?? untold ?? (isList ? 'list' : undefined))
      : undefined,
    codes: isShown('/result/reasons') ? codes : undefined,
  }
}

/** Of an event that could not be masked there is an outline alone. */
function isMinimal(event: unknown): boolean {
  return recordOf(recordOf(event)['error'])['mask'] !== undefined
}

/** Whether the event has this member as it was, by its JSON pointer. */
function shownIn(event: unknown): (pointer: string) => boolean {
  const { masked, erased } = recordOf(event)
  const hidden = [...textsIn(masked), ...textsIn(erased)]
  return (pointer) =>
    hidden.every((each) => !`${pointer}/`.startsWith(`${each}/`) && !each.startsWith(`${pointer}/`))
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** Whether a decision is what is asked for; undefined where its event does not show it, which is never guessed. */
export function matchDecision(
  decision: DecisionOutline,
  query: DecisionQuery,
): boolean | undefined {
  const answers = [
    query.id === undefined || decision.id === query.id,
    query.identity === undefined || isOf(decision.identity, query.identity),
    query.tool === undefined || isTool(decision.resource, query.tool),
    isWithin(decision.timestamp, query),
    query.outcome === undefined || (decision.outcome && decision.outcome === query.outcome),
    query.code === undefined || decision.codes?.includes(query.code),
  ]
  if (answers.includes(false)) return false
  return answers.includes(undefined) ? undefined : true
}

function isOf(identity: string, wanted: string): boolean {
  const own = wanted.startsWith('/') ? identity.replace(/^spiffe:\/\/[^/]*/, '') : identity
  return own === wanted
}

function isTool(resource: DecisionOutline['resource'], wanted: string): boolean | undefined {
  if (resource === undefined) return undefined
  if (resource?.type !== 'tool') return false
  return resource.id === wanted || nameOfResource(resource) === wanted
}

function isWithin(
  timestamp: string | undefined,
  { since, until }: DecisionQuery,
): boolean | undefined {
  if (since === undefined && until === undefined) return true
  const at = Date.parse(timestamp ?? '')
  if (Number.isNaN(at)) return undefined
  return at >= (since ?? -Infinity) && at < (until ?? Infinity)
}

/** As reports name it. */
export function nameOfResource({ id, server }: ResourceName): string {
  return server === undefined ? id : `${server}:${id}`
}
