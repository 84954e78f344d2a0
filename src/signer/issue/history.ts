import type {
  IssuanceApproval,
  IssuanceIntent,
  IssuanceRefusal,
  IssuanceResult,
  LoggedRecord,
} from '../../ledger/record.ts'

import { createKeyHistory, type KeyHistory, type KeyHolder } from './key-history.ts'
import { createPodPace, type PodPace } from './pod-pace.ts'

/** An intent that has no result yet: something may have been signed, and may have been published. */
export interface OpenIntent {
  readonly index: number
  readonly intent: IssuanceIntent
  /** Known already, only not recorded: the ledger was not available. */
  concluded?: IssuanceResult
}

export interface OpenIntents {
  add(open: OpenIntent): void
  /** Drops an intent whose result is in the ledger. */
  close(issuanceId: string): void
  of(requestUid: string): readonly OpenIntent[]
  /** Every request with an open intent: to be looked at after a restart. */
  requests(): readonly IssuanceIntent['request'][]
}

export interface History {
  readonly keys: KeyHistory
  /** Of pods that ask by themselves. */
  readonly pace: PodPace
  readonly intents: OpenIntents
  /** By the request's UID: a refusal that is recorded and not yet known to be written. */
  readonly refusals: Map<string, IssuanceRefusal>
  /** By the request's UID: an approval that is recorded and not yet known to be written. */
  readonly approvals: Map<string, IssuanceApproval>
  /** By the request's UID: the verdict that was counted last, while the request is not done. */
  readonly verdicts: Map<string, string>
}

/** Keys are remembered for so long beyond their certificate; kubelet makes a new one each time, so nobody needs an old one. */
const keyMemorySeconds = 86_400

/** What a ledger says of certificates that ended before this time (milliseconds) is not asked for any more. */
export function historySince(now: number): number {
  return now - keyMemorySeconds * 1000
}

export function createHistory(now: () => number): History {
  return {
    keys: createKeyHistory(now),
    pace: createPodPace(now),
    intents: createOpenIntents(),
    refusals: new Map(),
    approvals: new Map(),
    verdicts: new Map(),
  }
}

/** Rebuilds what the ledger knows. Records of requests that were settled leave nothing but their keys. */
export async function readHistory(
  records: AsyncIterable<{ readonly index: number; readonly record: LoggedRecord }>,
  now: () => number,
): Promise<History> {
  const history = createHistory(now)
  for await (const { index, record } of records) {
    if (record.kind === 'issuance-intent') {
      history.intents.add({ index, intent: record })
      rememberIntent(history, record)
    }
    if (record.kind === 'issuance-approval') readApproval(history, record)
    if (record.kind === 'issuance-result') history.intents.close(record.issuanceId)
  }
  return history
}

/** One whose end nobody could tell is recorded so: a second time as unknown. */
function readApproval(history: History, record: IssuanceApproval): void {
  const { issuanceId, outcome, request } = record
  rememberApproval(history, record)
  if (outcome === 'published') history.pace.note(record.pod.uid, Date.parse(record.time))
  const isOpen =
    outcome === 'unknown' && history.approvals.get(request.uid)?.issuanceId !== issuanceId
  if (isOpen) history.approvals.set(request.uid, record)
  else history.approvals.delete(request.uid)
}

/** Whether something was begun for the request whose end is not recorded. */
export function isLeftOpen({ intents, approvals }: History, requestUid: string): boolean {
  return intents.of(requestUid).length > 0 || approvals.has(requestUid)
}

/** Every request of which that is so. */
export function leftOpen({ intents, approvals }: History): readonly IssuanceIntent['request'][] {
  return [...intents.requests(), ...[...approvals.values()].map(({ request }) => request)]
}

/** Whom the key is approved for. Another may sign it as long as the request is kept. */
export function rememberApproval(
  { keys }: Pick<History, 'keys'>,
  { spkiSha256, pod, request, time, lifetimeSeconds }: IssuanceApproval,
): void {
  const until = Date.parse(time) + (lifetimeSeconds + keyMemorySeconds) * 1000
  keys.remember(spkiSha256, { podUid: pod.uid, requestUid: request.uid }, until)
}

/** What is about to be signed, as what is asked later is held against it. */
export function rememberIntent(
  { keys, pace }: Pick<History, 'keys' | 'pace'>,
  intent: IssuanceIntent,
): void {
  const { spkiSha256, pod, request } = intent
  const endsAt = Date.parse(intent.notAfter)
  const requestUid = request.kind === undefined ? '' : request.uid
  rememberIssued(keys, spkiSha256, { podUid: pod.uid, requestUid, endsAt })
  if (request.kind !== undefined) pace.note(pod.uid, Date.parse(intent.time))
}

/** Whose key it is, until a day after the end of its certificate (milliseconds). */
export function rememberIssued(
  keys: KeyHistory,
  spkiSha256: string,
  { endsAt, ...holder }: KeyHolder & { readonly endsAt: number },
): void {
  keys.remember(spkiSha256, holder, endsAt + keyMemorySeconds * 1000)
}

function createOpenIntents(): OpenIntents {
  const byId = new Map<string, OpenIntent>()
  const byRequest = new Map<string, Set<string>>()
  return {
    add(open) {
      const { issuanceId, request } = open.intent
      byId.set(issuanceId, open)
      byRequest.set(request.uid, (byRequest.get(request.uid) ?? new Set()).add(issuanceId))
    },
    close(issuanceId) {
      const uid = byId.get(issuanceId)?.intent.request.uid
      byId.delete(issuanceId)
      if (uid === undefined) return
      const ids = byRequest.get(uid)
      ids?.delete(issuanceId)
      if (ids?.size === 0) byRequest.delete(uid)
    },
    of: (requestUid) => [...(byRequest.get(requestUid) ?? [])].flatMap((id) => byId.get(id) ?? []),
    requests: () =>
      [...byRequest.values()].flatMap((ids) => {
        const [first] = ids
        const open = first === undefined ? undefined : byId.get(first)
        return open === undefined ? [] : [open.intent.request]
      }),
  }
}
