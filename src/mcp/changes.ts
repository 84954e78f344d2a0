import { isJsonObject } from './envelope.ts'
import { taskNews } from './task.ts'

/** The lists of which a server may say that they have changed. */
export type ChangingList = 'tools' | 'prompts' | 'resources'

/** What a client wants to be told of (MCP 2026-07-28 `SubscriptionFilter`). */
export interface ChangeFilter {
  /** In the order of `flags`. */
  readonly lists: readonly ChangingList[]
  /** Each of them once. */
  readonly uris: readonly string[]
  /** Tasks (MCP tasks extension, task status notifications); each once. */
  readonly taskIds?: readonly string[]
}

/** One thing that has changed. */
export type Change =
  | { readonly kind: 'list'; readonly list: ChangingList }
  | { readonly kind: 'resource'; readonly uri: string }

const flags = {
  tools: 'toolsListChanged',
  prompts: 'promptsListChanged',
  resources: 'resourcesListChanged',
} as const satisfies Record<ChangingList, string>

export const changingLists = Object.keys(flags) as readonly ChangingList[]

const updated = 'notifications/resources/updated'
export const acknowledged = 'notifications/subscriptions/acknowledged'
export const subscriptionMember = 'io.modelcontextprotocol/subscriptionId'

/** Reads `params.notifications`; a sentence says what is wrong with it. Members that nobody here knows are not asked for. */
export function parseChangeFilter(value: unknown): ChangeFilter | string {
  if (!isJsonObject(value)) return 'params.notifications must be an object'
  const lists: ChangingList[] = []
  for (const list of changingLists) {
    const flag = value[flags[list]]
    if (flag !== undefined && typeof flag !== 'boolean') return `${flags[list]} must be a boolean`
    if (flag === true) lists.push(list)
  }
  const uris: unknown = value['resourceSubscriptions'] ?? []
  if (!Array.isArray(uris) || !uris.every(isText)) {
    return 'resourceSubscriptions must be an array of strings'
  }
  const taskIds: unknown = value['taskIds'] ?? []
  if (!Array.isArray(taskIds) || !taskIds.every(isText))
    return 'taskIds must be an array of strings'
  const filter = { lists, uris: [...new Set(uris)] }
  return taskIds.length === 0 ? filter : { ...filter, taskIds: [...new Set(taskIds)] }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

/** The JSON text of a filter; the same for two that ask for the same. */
export function formatChangeFilter({ lists, uris, taskIds = [] }: ChangeFilter): string {
  return JSON.stringify({
    ...Object.fromEntries(lists.map((list) => [flags[list], true])),
    ...(uris.length === 0 ? {} : { resourceSubscriptions: uris.toSorted() }),
    ...(taskIds.length === 0 ? {} : { taskIds }),
  })
}

export function isEmptyFilter({ lists, uris, taskIds = [] }: ChangeFilter): boolean {
  return lists.length === 0 && uris.length === 0 && taskIds.length === 0
}

/** The change of a notification; undefined for any other notification. */
export function changeOf(method: string, params: unknown): Change | undefined {
  const list = changingLists.find((each) => method === `notifications/${each}/list_changed`)
  if (list !== undefined) return { kind: 'list', list }
  if (method !== updated || !isJsonObject(params)) return undefined
  const { uri } = params as { readonly uri?: unknown }
  return isText(uri) ? { kind: 'resource', uri } : undefined
}

/** Whether a URI is of a part of another: below it, or behind it in a query or a fragment (RFC 3986 §3). */
export function isPartOf(uri: string, whole: string): boolean {
  if (!uri.startsWith(whole)) return false
  return whole.endsWith('/') || '/?#'.includes(uri[whole.length] ?? '')
}

/** One text for each change, and no other has it. */
export function keyOfChange(change: Change): string {
  return change.kind === 'list' ? `list ${change.list}` : `resource ${change.uri}`
}

/** The notification of a change, as a legacy server tells it. */
export function notificationOf(change: Change): {
  readonly method: string
  readonly params?: { readonly uri: string }
} {
  return change.kind === 'list'
    ? { method: `notifications/${change.list}/list_changed` }
    : { method: updated, params: { uri: change.uri } }
}

/** The notification of a change in a subscription, which is known by the id of the request that opened it, as that was written. */
export function formatChange(change: Change, rawId: string): string {
  return change.kind === 'list'
    ? formatNotification(`notifications/${change.list}/list_changed`, {}, rawId)
    : formatNotification(updated, { uri: JSON.stringify(change.uri) }, rawId)
}

/** That a subscription is open, and what for. `meta` are members of `_meta` beside its id. */
export function formatAcknowledged(filter: ChangeFilter, rawId: string, meta: object = {}): string {
  return formatNotification(
    acknowledged,
    { notifications: formatChangeFilter(filter) },
    rawId,
    meta,
  )
}

function formatNotification(
  method: string,
  params: Readonly<Record<string, string>>,
  rawId: string,
  meta: object = {},
): string {
  const members = Object.entries(params).map(([name, text]) => `"${name}":${text},`)
  const all = `${members.join('')}"_meta":${formatMeta(rawId, meta)}`
  return `{"jsonrpc":"2.0","method":"${method}","params":{${all}}}`
}

/** The notification of a task in a subscription; `members` are those of its params, as JSON. */
export function formatTaskNews(members: string, rawId: string): string {
  return `{"jsonrpc":"2.0","method":"${taskNews}","params":{${members},"_meta":${formatMeta(rawId, {})}}}`
}

/** The answer that ends a subscription in order. */
export function formatSubscriptionEnd(rawId: string): string {
  const result = `{"resultType":"complete","_meta":${formatMeta(rawId, {})}}`
  return `{"jsonrpc":"2.0","id":${rawId},"result":${result}}`
}

function formatMeta(rawId: string, meta: object): string {
  const others = Object.entries(meta).map(
    ([name, value]) => `,${JSON.stringify(name)}:${JSON.stringify(value)}`,
  )
  return `{"${subscriptionMember}":${rawId}${others.join('')}}`
}
