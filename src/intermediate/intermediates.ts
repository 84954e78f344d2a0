import { CountersignError, cut } from '../errors.ts'
import type { ApiClient } from '../kubernetes/api-client.ts'
import { followRequests, type AskedRequest } from '../kubernetes/asked-requests.ts'
import { backoffMilliseconds, realDelay, type Delay } from '../kubernetes/backoff.ts'
import { recordEvent } from '../kubernetes/event.ts'
import type { Informer } from '../kubernetes/informer.ts'
import { observeClient } from '../kubernetes/reachability.ts'
import { watchRights } from '../kubernetes/rights-watch.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { AuthorityVerdict, LoggedRecord } from '../ledger/record.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { AuthoritySource } from '../pki/authority.ts'
import { unfitAbove } from '../pki/intermediate.ts'
import { createBoard, type Condition } from '../readiness.ts'
import { answerRequest, isAnswered, type AnswerOptions, type Answered } from './answer.ts'
import { isOfRequester, type IntermediateRules } from './judge.ts'
import { intermediateRights } from './rights.ts'

export interface IntermediatesOptions {
  /** Of the cluster whose signer asks. */
  readonly client: ApiClient
  readonly rules: IntermediateRules
  readonly authorities: AuthoritySource
  readonly ledger: Pick<Ledger, 'append' | 'failed'>
  /** The ledger's records so far. */
  readonly records: AsyncIterable<{ readonly record: LoggedRecord }>
  readonly replica: string
  /** Why the clock here is not to be gone by. */
  readonly clockProblem: () => string | undefined
  readonly log: Log
  readonly metrics: Metrics
  readonly now: () => number
  readonly delay?: Delay
  readonly random?: () => number
}

/** Signs CAs for the signer of one other cluster, which goes on issuing while this one is away. */
export interface Intermediates {
  /** Works until the signal aborts. Rejects with 'ledger/unavailable' once the ledger takes no more records, and with 'ledger/corrupt'. */
  run(signal: AbortSignal): Promise<void>
  conditions(): readonly Condition[]
}

/** A signer asks for one at two thirds of the life of the one before, and anew when it was denied: an hour has a few. */
const perHour = 12
const hourMilliseconds = 3_600_000
/** How long nothing is looked at though nothing has changed, and the longest pause after a failure. */
const lookSeconds = 15
const failureBackoff = { baseSeconds: 1, maxSeconds: lookSeconds }
const lostSecondsMax = 60

export function createIntermediates(options: IntermediatesOptions): Intermediates {
  const { rules, authorities, ledger, clockProblem, now, log, metrics } = options
  const watch = `watch ${rules.signerName}`
  const board = createBoard(['kubernetes', 'clock', 'rights', 'authority', 'ledger', watch])
  const client = observeClient(options.client, now)
  board.set('kubernetes', () => client.condition())
  board.set('clock', () => {
    const problem = clockProblem()
    return { ok: problem === undefined, reason: problem ?? 'is that of the API server' }
  })
  board.set('authority', () => authorityCondition(authorities))
  board.set('ledger', () => ({ ok: true, reason: 'takes records' }))
  return {
    conditions: () => board.list(),
    async run(signal) {
      await using opened = new AsyncDisposableStack()
      const rights = opened.use(watchRights({ client, rights: intermediateRights(rules) }))
      board.set('rights', () => rights.condition())
      const broken = Promise.withResolvers<never>()
      broken.promise.catch(() => {})
      void ledger.failed.then((error) => {
        board.set('ledger', () => ({ ok: false, reason: error.message }))
        broken.reject(error)
      })
      const { open, keys } = await readBegun(options.records)
      const requests = opened.use(
        followRequests(rules.signerName, { client, isOver: isAnswered, log, metrics }),
      )
      board.set(watch, () => requests.condition(lostSecondsMax))
      const answering = {
        client,
        rules,
        authority: () => authorities.current(),
        unfit: clockProblem,
        ledger,
        open,
        keys,
        pace: createPace(now),
        replica: options.replica,
        now,
      }
      const working = rounds({ ...options, client }, { requests, answering, signal })
      try {
        await Promise.race([working, broken.promise])
      } catch (error) {
        if (!signal.aborted) throw error
      }
    },
  }
}

function authorityCondition(authorities: AuthoritySource): Omit<Condition, 'name'> {
  try {
    const authority = authorities.current()
    const unfit = unfitAbove(authority)
    const reason = unfit ?? `signs until ${authority.notAfter.toISOString()}`
    return { ok: unfit === undefined, reason }
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    return { ok: false, reason: error.message }
  }
}

/** What was begun and not seen to end, and for which request each key was. */
export async function readBegun(
  records: IntermediatesOptions['records'],
): Promise<Pick<AnswerOptions, 'open' | 'keys'>> {
  const open = new Map<string, AuthorityVerdict>()
  const keys = new Map<string, string>()
  for await (const { record } of records) {
    if (record.kind !== 'authority-verdict') continue
    const { uid } = record.request
    // One whose end nobody can tell is recorded so: a second time as unknown.
    const isEnd = record.outcome !== 'unknown' || open.get(uid)?.issuanceId === record.issuanceId
    if (isEnd) open.delete(uid)
    else open.set(uid, record)
    if (record.verdict === 'issued' && record.spkiSha256 !== undefined) {
      keys.set(record.spkiSha256, uid)
    }
  }
  return { open, keys }
}

interface Answering {
  readonly requests: Informer<AskedRequest>
  readonly answering: AnswerOptions
  readonly signal: AbortSignal
}

/** One request after the other, and one round after the other: a signer asks for one CA at a time. */
async function rounds(options: IntermediatesOptions, parts: Answering): Promise<void> {
  const { requests, signal } = parts
  const { delay = realDelay, random = Math.random } = options
  let wake = Promise.withResolvers<void>()
  const stop = requests.onEvent(() => wake.resolve())
  const told = new Map<string, string>()
  try {
    await Promise.race([requests.synced, untilAborted(signal)])
    for (let failures = 0; !signal.aborted;) {
      wake = Promise.withResolvers<void>()
      const waited = new AbortController()
      const isQuiet = await round(options, { ...parts, told })
      failures = isQuiet ? 0 : failures + 1
      const pause = isQuiet
        ? lookSeconds * 1000
        : backoffMilliseconds(failureBackoff, failures, random)
      const either = AbortSignal.any([signal, waited.signal])
      // What failed is not hurried by what others ask.
      const woken = isQuiet ? [wake.promise] : []
      await Promise.race([delay(pause, either).catch(() => {}), ...woken])
      waited.abort()
    }
  } finally {
    stop()
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (signal.aborted) resolve()
  signal.addEventListener('abort', () => resolve(), { once: true })
  return promise
}

/** The newest alone is answered: whoever has made it waits for none of before. Gives whether nothing failed. */
async function round(
  options: IntermediatesOptions,
  parts: Answering & { readonly told: Map<string, string> },
): Promise<boolean> {
  const { rules } = options
  const { requests, answering } = parts
  const ours = requests.list().filter(({ username }) => isOfRequester(username, rules))
  const waiting = ours.filter(({ isOver }) => !isOver)
  const newestAt = Math.max(...ours.map(madeAt))
  const newest = waiting.find((each) => madeAt(each) === newestAt)
  const begun = [...answering.open.values()].map(({ request }) => request)
  const known = new Set(waiting.map(({ metadata }) => metadata.uid))
  // What was begun and waits no more has an answer, or is gone: that has still to be recorded.
  const left = begun.filter(({ uid }) => !known.has(uid))
  const next = [...left, ...(newest === undefined ? [] : [newest.metadata])]
  let isQuiet = true
  for (const metadata of next) isQuiet = (await answerOne(options, metadata, parts)) && isQuiet
  return isQuiet
}

function madeAt({ metadata }: AskedRequest): number {
  return metadata.creationTimestamp?.getTime() ?? 0
}

async function answerOne(
  options: IntermediatesOptions,
  about: { readonly name: string; readonly uid: string },
  { answering, told, signal }: Answering & { readonly told: Map<string, string> },
): Promise<boolean> {
  const { log, metrics } = options
  let answered: Answered
  let failed = false
  try {
    answered = await answerRequest(answering, about, signal)
  } catch (error) {
    if (signal.aborted || !(error instanceof CountersignError)) throw error
    if (error.code === 'ledger/unavailable') throw error
    failed = true
    answered = { kind: 'waits', why: `${error.message} (${error.code})` }
  }
  const { kind, why } = answered
  if (kind === 'over') {
    told.delete(about.uid)
    return true
  }
  const words = `${kind} ${why.replaceAll(/\d+/g, '')}`
  if (told.get(about.uid) === words) return !failed
  if (kind === 'waits') told.set(about.uid, words)
  else told.delete(about.uid)
  metrics.count('countersign_intermediate_verdicts_total', { verdict: kind })
  const request = cut(about.name, 253)
  if (kind === 'issued') log.info({ request, why }, 'a CA was issued')
  else log.warn({ request, why }, kind === 'denied' ? 'a CA is denied' : 'a request for a CA waits')
  tell(options, about, answered)
  return !failed
}

/** `kubectl describe csr` shows it. */
function tell(
  { client, log, now }: IntermediatesOptions,
  { name, uid }: { readonly name: string; readonly uid: string },
  { kind, why }: Answered,
): void {
  const regarding = {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    namespace: '',
    name,
    uid,
  }
  const type = kind === 'issued' ? 'Normal' : 'Warning'
  const reason = { issued: 'CaIssued', denied: 'CaDenied', waits: 'CaWaits', over: 'CaOver' }[kind]
  const component = 'countersign-intermediates'
  recordEvent(client, { regarding, type, reason, message: why, component, now }).catch(
    (error: unknown) => log.debug({ error, request: name }, 'event was not written'),
  )
}

/** Seconds until there is one of those of the hour; undefined: one was taken. */
function createPace(now: () => number): () => number | undefined {
  let taken: readonly number[] = []
  return () => {
    const at = now()
    taken = taken.filter((each) => Math.abs(at - each) < hourMilliseconds)
    const [oldest] = taken
    if (oldest !== undefined && taken.length >= perHour) {
      return Math.max(1, (oldest + hourMilliseconds - at) / 1000)
    }
    taken = [...taken, at]
    return undefined
  }
}
