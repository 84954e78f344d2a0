import { randomBytes } from 'node:crypto'
import { CountersignError, cut } from '../errors.ts'
import type { ApiClient } from '../kubernetes/api-client.ts'
import { ApiError } from '../kubernetes/api-error.ts'
import {
  certificateSigningRequests,
  endOf,
  judgeCertificateSigningRequest,
  type CertificateSigningRequest,
} from '../kubernetes/certificate-signing-request.ts'
import { readObject } from '../kubernetes/objects.ts'
import type { Metadata } from '../kubernetes/resource.ts'
import { concluded } from '../ledger/concluded.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { NodeVerdict } from '../ledger/record.ts'
import type { NodeEvidence } from './evidence.ts'
import { readNodeRequest, type NodeRequest } from './node-request.ts'
import type { Pace, Place } from './pace.ts'
import { prove } from './prove.ts'
import { approval, denial, verdictRecord, type Answer } from './records.ts'
import { configuredOwners, type ApprovalRules, type Owners } from './rules.ts'
import type { Verdict, WaitReason } from './verdict.ts'

export interface ApprovalOptions {
  readonly client: ApiClient
  readonly rules: ApprovalRules
  readonly ledger: Pick<Ledger, 'append'>
  readonly gather: (
    asked: NodeRequest,
    request: CertificateSigningRequest,
    signal: AbortSignal,
  ) => Promise<NodeEvidence>
  /** Of approvals, by node and signer. */
  readonly pace: Pace
  /** Of denials, by requester: each is two records in a ledger that does not shrink. */
  readonly denials: Pace
  /** Verdicts that were recorded and whose end is not, by the request's UID. */
  readonly open: Map<string, NodeVerdict>
  readonly replica: string
  readonly now: () => number
}

/** The API server takes one of tens of thousands. */
const nameCharactersMax = 253
const usernameCharactersMax = 256

interface Approving extends ApprovalOptions {
  readonly owners: Owners
}

/** What became of a request. */
export type Handled =
  | {
      readonly kind: 'approved' | 'denied' | 'left' | 'over'
      readonly why: string
      readonly reason: string
    }
  | {
      readonly kind: 'waits'
      readonly why: string
      readonly seconds?: number
      readonly reason?: WaitReason
    }

/** Says of one request what it is. Whatever is written was recorded before, and is written on evidence that was read again after. */
export function createApproval(given: ApprovalOptions): {
  handle(asked: Pick<Metadata, 'name' | 'uid'>, signal: AbortSignal): Promise<Handled>
  /** A request is no more, by its UID: whether what was begun for it was written nobody can tell. */
  gone(uid: string): Promise<void>
} {
  const { client, pace, open } = given
  const options: Approving = { ...given, owners: configuredOwners(given.rules) }
  return {
    async handle({ name, uid }, signal) {
      if (name.length > nameCharactersMax) {
        const why = `its name is longer than ${nameCharactersMax} characters`
        return { kind: 'left', why, reason: 'AnotherApprovers' }
      }
      const request = await readObject(client, certificateSigningRequests, { name, signal })
      if (request?.metadata.uid !== uid) return over('it is gone')
      const ended = endOf(request.status)
      if (ended !== undefined) {
        const known = open.get(uid)
        const outcome = known !== undefined && isOurs(ended, known) ? 'published' : 'unpublished'
        if (known !== undefined) await conclude(options, known, outcome)
        if (known?.verdict === 'approved' && outcome === 'published') {
          pace.note(paceKey(request, known))
        }
        return over(`it is ${String(ended['type'])} already`)
      }
      const judged = await judge(options, request, signal)
      if (judged.verdict.kind === 'wait') return { ...judged.verdict, kind: 'waits' }
      if (judged.verdict.kind === 'leave')
        return { kind: 'left', why: judged.verdict.why, reason: 'AnotherApprovers' }
      const answer = answerOf(judged)
      const place = placeOf(options, request, answer)
      if (place.seconds > 0) {
        const what = answer.verdict === 'approved' ? 'certificates' : 'denials'
        const of = answer.verdict === 'approved' ? `node ${answer.node.name}` : 'its requester'
        const why = `${of} has had as many ${what} as it may within an hour`
        return { kind: 'waits', why, seconds: place.seconds }
      }
      try {
        return await answered(options, request, { answer, place, signal })
      } catch (error) {
        place.release()
        throw error
      }
    },
    async gone(uid) {
      const known = open.get(uid)
      if (known !== undefined) await conclude(options, known, 'unknown')
    },
  }
}

const over = (why: string): Handled => ({ kind: 'over', why, reason: '' })
const waits = (why: string): Handled => ({ kind: 'waits', why })

interface Judged {
  readonly verdict: Verdict
  readonly asked: NodeRequest | undefined
  readonly evidence: NodeEvidence | undefined
}

async function judge(
  { rules, owners, gather }: Approving,
  request: CertificateSigningRequest,
  signal: AbortSignal,
): Promise<Judged> {
  const asked = readNodeRequest(request, rules)
  if ('kind' in asked) return { verdict: asked, asked: undefined, evidence: undefined }
  const evidence = await gather(asked, request, signal)
  return { verdict: prove(asked, { request, evidence, rules, owners }), asked, evidence }
}

function answerOf({ verdict, asked, evidence }: Judged): Answer {
  const node = { name: asked?.nodeName ?? '', uid: evidence?.node?.metadata.uid ?? '' }
  const parts = { node, spkiSha256: asked?.key.sha256 }
  if (verdict.kind === 'approve') return approval(verdict.proofs, parts)
  if (verdict.kind === 'deny') return denial(verdict, parts)
  throw new TypeError('a verdict that answers nothing')
}

async function answered(
  options: Approving,
  request: CertificateSigningRequest,
  parts: { readonly answer: Answer; readonly place: Place; readonly signal: AbortSignal },
): Promise<Handled> {
  const { client, now } = options
  const { answer, place, signal } = parts
  const record = await recorded(options, request, answer)
  // The record took its time, and evidence is what is so now.
  const again = await judge(options, request, signal)
  if (!saysAgain(again, answer)) {
    await conclude(options, record, 'unpublished')
    return waits('what proves it has changed meanwhile')
  }
  try {
    await judgeCertificateSigningRequest(client, {
      metadata: request.metadata,
      conditions: request.status.conditions,
      condition: {
        type: answer.verdict === 'approved' ? 'Approved' : 'Denied',
        reason: answer.reason,
        message: answer.message,
        time: `${new Date(now()).toISOString().slice(0, 19)}Z`,
      },
      signal,
    })
  } catch (error) {
    // Whether it was taken, the next look tells: what is open stays so, and has its place then.
    place.release()
    if (!(error instanceof CountersignError) || signal.aborted) throw error
    if (error instanceof ApiError && error.status === 404) {
      await conclude(options, record, 'unpublished')
      return over('it is gone')
    }
    if (error instanceof ApiError && error.status === 403) {
      return waits(`the API server does not let us approve: ${error.message}`)
    }
    return waits(`the answer was not written: ${error.message}`)
  }
  await conclude(options, record, 'published')
  return { kind: answer.verdict, why: answer.message, reason: answer.reason }
}

/** An answer that was recorded and not written, or whose write was not answered, is the same one: it is recorded once. */
async function recorded(
  options: ApprovalOptions,
  request: CertificateSigningRequest,
  answer: Answer,
): Promise<NodeVerdict> {
  const { ledger, open, replica, now } = options
  const before = open.get(request.metadata.uid)
  if (before !== undefined) {
    if (isSame(before, answer)) return before
    await conclude(options, before, 'unpublished')
  }
  const record = verdictRecord(request, answer, {
    time: new Date(now()).toISOString(),
    replica,
    issuanceId: randomBytes(16).toString('hex'),
    outcome: 'unknown',
    latencySeconds: latencyOf(request, now()),
  })
  await ledger.append(record)
  open.set(request.metadata.uid, record)
  return record
}

function saysAgain(judged: Judged, answer: Answer): boolean {
  const { kind } = judged.verdict
  return (kind === 'approve' || kind === 'deny') && isSame(answerOf(judged), answer)
}

type Said = Pick<Answer, 'verdict' | 'reason' | 'message' | 'node'>

function isSame(one: Said, other: Said): boolean {
  return (
    one.verdict === other.verdict &&
    one.reason === other.reason &&
    one.message === other.message &&
    one.node.uid === other.node.uid
  )
}

async function conclude(
  { ledger, open, now }: ApprovalOptions,
  record: NodeVerdict,
  outcome: NodeVerdict['outcome'],
): Promise<void> {
  await ledger.append(concluded(record, outcome, now()))
  open.delete(record.request.uid)
}

function latencyOf({ metadata }: Pick<CertificateSigningRequest, 'metadata'>, now: number): number {
  return Math.max(0, (now - (metadata.creationTimestamp?.getTime() ?? now)) / 1000)
}

function isOurs(condition: Readonly<Record<string, unknown>>, record: NodeVerdict): boolean {
  const type = record.verdict === 'approved' ? 'Approved' : 'Denied'
  return (
    condition['type'] === type &&
    condition['reason'] === record.reason &&
    condition['message'] === record.message
  )
}

function placeOf(
  { pace, denials }: ApprovalOptions,
  request: CertificateSigningRequest,
  answer: Answer,
): Place {
  if (answer.verdict === 'approved') return pace.take(paceKey(request, answer))
  return denials.take(cut(request.spec.username, usernameCharactersMax))
}

function paceKey({ spec }: CertificateSigningRequest, { node }: Pick<Answer, 'node'>): string {
  return `${spec.signerName} ${node.name}`
}
