import { CountersignError, cut } from '../errors.ts'
import type { ApiClient } from '../kubernetes/api-client.ts'
import { followRequests, type AskedRequest } from '../kubernetes/asked-requests.ts'
import { backoffMilliseconds, realDelay, type Delay } from '../kubernetes/backoff.ts'
import { endOf, type CertificateSigningRequest } from '../kubernetes/certificate-signing-request.ts'
import { startInformer, type Informer } from '../kubernetes/informer.ts'
import { observeClient } from '../kubernetes/reachability.ts'
import { watchRights } from '../kubernetes/rights-watch.ts'
import { createWorkQueue, type WorkQueue } from '../kubernetes/work-queue.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { LoggedRecord, NodeVerdict } from '../ledger/record.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { createBoard, type Condition } from '../readiness.ts'
import { createApproval, type ApprovalOptions, type Handled } from './approve.ts'
import { claimingNodes, type ClaimingNode } from './claiming-nodes.ts'
import { gatherNode } from './gather-node.ts'
import { nodeSigners, type NodeSigner } from './node-request.ts'
import { createPace } from './pace.ts'
import { approverRights } from './rights.ts'
import type { ApprovalRules } from './rules.ts'
import { createTeller } from './tell-requester.ts'
import { createTurns, type Turn } from './turns.ts'

export interface ApproverOptions {
  readonly client: ApiClient
  readonly signers: readonly NodeSigner[]
  readonly rules: ApprovalRules
  readonly approvalsPerHour: number
  readonly ledger: Pick<Ledger, 'append' | 'failed'>
  /** The ledger's records so far. */
  readonly records: AsyncIterable<{ readonly record: LoggedRecord }>
  readonly replica: string
  readonly delay?: Delay
  readonly log: Log
  readonly metrics: Metrics
  readonly now: () => number
}

/** Approves what nodes ask for and the cluster proves. It signs nothing. */
export interface Approver {
  /** Works until the signal aborts. Rejects with 'ledger/unavailable' once the ledger takes no more records, and with 'ledger/corrupt'. */
  run(signal: AbortSignal): Promise<void>
  conditions(): readonly Condition[]
}

const concurrency = 8
const waitBackoff = { baseSeconds: 1, maxSeconds: 120 }
/** Of one requester at once. A node has one: its newest request is the one that it waits for. */
const workedMax = 8
/** Of one requester. Beyond these a request that is wrong waits as it is, and leaves no record. */
const denialsPerHour = 60
/** Without the nodes as they are by now no address is held against them. */
const lostSecondsMax = 30
const measureSeconds = 5
/** Of a name, in a line of the log. */
const textCharactersMax = 253

const goneUnseen = 'a request is gone whose answer was not seen to be written'

export function createApprover(options: ApproverOptions): Approver {
  const { signers, now } = options
  const watches = [...signers.map((each) => `watch ${nodeSigners[each]}`), 'watch nodes']
  const board = createBoard(['kubernetes', 'rights', 'ledger', ...watches])
  const client = observeClient(options.client, now)
  board.set('kubernetes', () => client.condition())
  board.set('ledger', () => ({ ok: true, reason: 'takes records' }))
  return {
    conditions: () => board.list(),
    async run(signal) {
      await using opened = new AsyncDisposableStack()
      const { log, metrics, ledger } = options
      const accounts = [...options.rules.nodes.values()].flatMap(
        ({ serviceAccount }) => serviceAccount ?? [],
      )
      const rights = opened.use(
        watchRights({ client, rights: approverRights({ signers, accounts }) }),
      )
      board.set('rights', () => rights.condition())
      const nodes = opened.use(startInformer({ client, resource: claimingNodes, log, metrics }))
      board.set('watch nodes', () => nodes.condition(lostSecondsMax))
      const open = await readOpen(options.records)
      const stop = Promise.withResolvers<void>()
      const onAbort = (): void => stop.resolve()
      signal.addEventListener('abort', onAbort, { once: true })
      opened.defer(() => signal.removeEventListener('abort', onAbort))
      void ledger.failed.then((error) => {
        board.set('ledger', () => ({ ok: false, reason: error.message }))
        stop.reject(error)
      })
      stop.promise.catch(() => {})
      await Promise.race([nodes.synced, stop.promise])
      if (signal.aborted) return
      const parts: Parts = { ...options, client, open, nodes }
      const isOver = (status: CertificateSigningRequest['status']): boolean =>
        endOf(status) !== undefined
      for (const signer of signers) {
        const name = nodeSigners[signer]
        const requests = opened.use(followRequests(name, { client, isOver, log, metrics }))
        board.set(`watch ${name}`, () => requests.condition(lostSecondsMax))
        opened.use(new Work(parts, signer, requests))
      }
      await stop.promise
    },
  }
}

interface Parts extends ApproverOptions {
  readonly open: ApprovalOptions['open']
  readonly nodes: Informer<ClaimingNode>
}

/** Verdicts whose end nobody has recorded. One whose end nobody can tell is recorded so: a second time as unknown. */
async function readOpen(records: ApproverOptions['records']): Promise<Map<string, NodeVerdict>> {
  const open = new Map<string, NodeVerdict>()
  for await (const { record } of records) {
    if (record.kind !== 'node-verdict') continue
    const { uid } = record.request
    const isEnd = record.outcome !== 'unknown' || open.get(uid)?.issuanceId === record.issuanceId
    if (isEnd) open.delete(uid)
    else open.set(uid, record)
  }
  return open
}

interface Told {
  readonly count: number
  readonly words: string | undefined
}

/** The requests of one signer. */
class Work implements AsyncDisposable {
  readonly #parts: Parts
  readonly #signer: NodeSigner
  readonly #requests: Informer<AskedRequest>
  readonly #approval: ReturnType<typeof createApproval>
  readonly #tell: ReturnType<typeof createTeller>
  readonly #queue: WorkQueue
  readonly #turns = createTurns((requester) => (isOfOneNode(requester) ? 1 : workedMax))
  /** By key: how often a request has waited, and what was told of it. */
  readonly #told = new Map<string, Told>()
  readonly #ending = new AbortController()
  readonly #stops: readonly (() => void)[]

  constructor(parts: Parts, signer: NodeSigner, requests: Informer<AskedRequest>) {
    const { client, nodes, now, approvalsPerHour, delay = realDelay, log } = parts
    this.#parts = parts
    this.#signer = signer
    this.#requests = requests
    this.#tell = createTeller(parts)
    this.#approval = createApproval({
      ...parts,
      pace: createPace({ perHour: approvalsPerHour, now }),
      denials: createPace({ perHour: denialsPerHour, now }),
      gather: (asked, request, signal) => gatherNode({ client, nodes }, asked, { request, signal }),
    })
    this.#queue = createWorkQueue({
      work: (key) => this.#work(key),
      concurrency,
      backoff: waitBackoff,
      groupsOf: (key) => [requesterOf(key)],
      random: Math.random,
      delay,
      log,
    })
    const measuring = setInterval(() => this.#measure(), measureSeconds * 1000).unref()
    const stop = requests.onEvent(({ type, object }) => {
      // The first list comes by name: which are the newest is known when it is whole.
      if (!requests.hasSynced) return
      if (type === 'deleted') this.#removed(object)
      else if (object.isOver) this.#ended(object)
      else this.#add(object)
    })
    this.#stops = [stop, () => clearInterval(measuring)]
    void requests.synced.then(() => this.#begin()).catch(() => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stop of this.#stops) stop()
    this.#ending.abort()
    await this.#queue.close()
  }

  #begin(): void {
    const all = this.#requests.list().toSorted((one, other) => madeAt(other) - madeAt(one))
    for (const each of all) if (!each.isOver) this.#add(each)
    for (const each of all) if (each.isOver) this.#ended(each)
    this.#settleGone()
  }

  #add(request: AskedRequest): void {
    const turn = turnOf(request)
    const parked = this.#turns.add(turn)
    if (parked !== undefined) this.#drop(parked)
    if (this.#turns.has(turn)) this.#queue.add(turn.key)
  }

  /** What one node asked for before, it does not wait for any more: its program has made a new key for each. */
  #ended(request: AskedRequest): void {
    const { requester, madeAt: at } = turnOf(request)
    if (isOfOneNode(requester)) {
      for (const key of this.#turns.removeBefore(requester, at)) this.#drop(key)
    }
    this.#removed(request)
  }

  #removed(request: AskedRequest): void {
    const turn = turnOf(request)
    const next = this.#turns.remove(turn)
    if (next !== undefined) this.#queue.add(next)
    this.#drop(turn.key)
    // What was begun for it has still to be recorded.
    if (this.#parts.open.has(request.metadata.uid)) this.#queue.add(turn.key)
  }

  #drop(key: string): void {
    this.#queue.forget(key)
    this.#told.delete(key)
  }

  async #work(key: string): Promise<void | { againSeconds: number }> {
    const { nodes } = this.#parts
    const request = this.#requests.byUid(uidOf(key))
    if (request === undefined) return this.#gone(key)
    const { ok, reason } = nodes.condition(lostSecondsMax)
    const handled: Handled = ok
      ? await this.#handled(request)
      : { kind: 'waits', why: `the nodes are not followed: ${reason}` }
    return this.#next(request, handled)
  }

  async #handled({ metadata }: AskedRequest): Promise<Handled> {
    const { signal } = this.#ending
    try {
      return await this.#approval.handle(metadata, signal)
    } catch (error) {
      if (signal.aborted || !(error instanceof CountersignError)) throw error
      return { kind: 'waits', why: `${error.message} (${error.code})` }
    }
  }

  /** One line in the log, one event and one count for each thing that is said of a request. */
  #next(request: AskedRequest, handled: Handled): void | { againSeconds: number } {
    const key = keyOf(request)
    if (handled.kind === 'over') return void this.#told.delete(key)
    const before = this.#told.get(key)
    const count = (before?.count ?? 0) + 1
    const words = `${handled.kind} ${handled.why.replaceAll(/\d+/g, '')}`
    if (before?.words !== words) this.#say(request, handled)
    if (handled.kind !== 'waits') return void this.#told.delete(key)
    // It has ended or made room while it was worked on: only what was begun for it has still to be recorded.
    const goesOn = this.#turns.has(turnOf(request)) || this.#isLeftOpen(request)
    if (!goesOn) return void this.#told.delete(key)
    this.#told.set(key, { count, words })
    const seconds = backoffMilliseconds(waitBackoff, count, Math.random) / 1000
    return { againSeconds: handled.seconds ?? seconds }
  }

  #isLeftOpen({ metadata: { uid } }: AskedRequest): boolean {
    const hasEnded = this.#requests.byUid(uid)?.isOver ?? true
    return hasEnded && this.#parts.open.has(uid)
  }

  #say({ metadata, username }: AskedRequest, handled: Exclude<Handled, { kind: 'over' }>): void {
    const { log, metrics } = this.#parts
    const verdict = handled.kind
    const reason = handled.reason ?? 'NotProvedYet'
    const request = cut(metadata.name, textCharactersMax)
    const fields = { request, signer: nodeSigners[this.#signer], username, reason }
    const line = { ...fields, why: handled.why }
    if (verdict === 'approved' || verdict === 'left') log.info(line, `request is ${verdict}`)
    else log.warn(line, verdict === 'waits' ? 'request waits' : 'request is denied')
    metrics.count('countersign_approver_verdicts_total', { verdict, reason })
    if (verdict === 'left') return
    const type = verdict === 'approved' ? 'Normal' : 'Warning'
    this.#tell({ about: metadata, type, reason, message: handled.why })
  }

  /** Deleted while nobody looked. */
  #settleGone(): void {
    for (const [uid, { request, requester }] of this.#parts.open) {
      if (request.signerName !== nodeSigners[this.#signer]) continue
      if (this.#requests.byUid(uid) !== undefined) continue
      this.#queue.add(JSON.stringify([requester.username, uid]))
    }
  }

  async #gone(key: string): Promise<void> {
    const { open, log } = this.#parts
    const uid = uidOf(key)
    this.#told.delete(key)
    const request = open.get(uid)?.request.name
    if (request === undefined) return
    await this.#approval.gone(uid)
    log.warn({ request }, goneUnseen)
  }

  #measure(): void {
    const labels = { signer: this.#signer }
    this.#parts.metrics.set('countersign_approver_queue_depth', this.#queue.depth, labels)
  }
}

/** A bootstrapper asks for many. */
function isOfOneNode(requester: string): boolean {
  return requester.startsWith('system:node:') || requester.startsWith('system:serviceaccount:')
}

function turnOf(request: AskedRequest): Turn {
  return { requester: request.username, key: keyOf(request), madeAt: madeAt(request) }
}

function madeAt({ metadata }: AskedRequest): number {
  return metadata.creationTimestamp?.getTime() ?? 0
}

/** Requesters take turns. The name of a request may have any letter in it. */
function keyOf({ username, metadata }: AskedRequest): string {
  return JSON.stringify([username, metadata.uid])
}

function requesterOf(key: string): string {
  return (JSON.parse(key) as [string, string])[0]
}

function uidOf(key: string): string {
  return (JSON.parse(key) as [string, string])[1]
}
