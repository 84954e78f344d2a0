import { randomBytes as systemRandomBytes } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import type { ApiClient } from '../kubernetes/api-client.ts'
import { realDelay, type Delay } from '../kubernetes/backoff.ts'
import type { Membership } from '../kubernetes/membership.ts'
import type { OwnerKinds } from '../kubernetes/owner-chain.ts'
import { observeClient } from '../kubernetes/reachability.ts'
import { watchRights } from '../kubernetes/rights-watch.ts'
import type { ServerClock } from '../kubernetes/server-clock.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { LoggedRecord } from '../ledger/record.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { AuthoritySource } from '../pki/authority.ts'
import { createIssuer } from '../pki/issue.ts'
import type { Profile } from '../pki/profile.ts'
import type { IssuancePolicy } from '../policy/issuance-policy.ts'
import { createBoard, isReady, type ConditionBoard } from '../readiness.ts'
import type { Condition } from '../readiness.ts'
import { startAnchorPublication, type AnchorPublication } from './anchors/anchor-publication.ts'
import { authorityCondition } from './anchors/authority-condition.ts'
import type { CountedAnchors } from './anchors/bundle-sequence.ts'
import { measureIssuer } from './anchors/measure-issuer.ts'
import { keepAuthority, keepingConditions, type AuthorityKeeping } from './keep-authority.ts'
import { startGatherer } from './watch/gather.ts'
import { createHistory, historySince, readHistory } from './issue/history.ts'
import type { History } from './issue/history.ts'
import { createIssuance } from './issue/issuance.ts'
import type { Issuance } from './issue/issuance.ts'
import type { IssuanceOptions, Permission } from './issue/issuance-options.ts'
import type { IssuancePorts } from './issue/ports.ts'
import { tracedIssuance, type IssuanceTracing } from './issue/traced.ts'
import { startRequestQueue } from './watch/request-queue.ts'
import type { RequestQueue } from './watch/request-queue.ts'
import { followRequestedKeys } from './watch/requested-keys.ts'
import {
  discoverVersion,
  laneConditions,
  openLanes,
  quietLanes,
  tellUnfollowed,
  tellLanes,
  untilOtherVersion,
  type Lane,
  type LanesOptions,
  type SigningRequestsOptions,
} from './lanes.ts'
import { evaluationProfile, evidenceNames, tellEvidence } from './evaluation.ts'
import { joinMembers } from './members-lease.ts'
import { permissionOf, signerRights, type SignerRightsOptions } from './rights.ts'
import { watchRequesterPolicy, type RequesterProof } from './watch/requester.ts'
import { unlessAborted, untilAborted } from './until-answered.ts'
import { tellWaiting } from './watch/tell-waiting.ts'
import type { Unclaimed } from './verdict/check.ts'
import { modesOf, type ModeOf } from './verdict/enforcement.ts'
import { requesterOfStated } from './verdict/stated-requester.ts'
import type { LeasePlace } from '../kubernetes/lease.ts'

export interface SignerOptions extends AuthorityKeeping {
  readonly client: ApiClient
  readonly signerName: string
  readonly profile: Profile
  readonly authorities: AuthoritySource
  readonly ledger: Pick<Ledger, 'append' | 'failed'>
  /**
   * The ledger's records so far, of which those may be left out that speak of no certificate that was held since then, in milliseconds, and of no
   * open intent. Without them the signer knows no keys and no open intents of earlier runs.
   */
  readonly records?: (
    heldSince: number,
  ) => AsyncIterable<{ readonly index: number; readonly record: LoggedRecord }>
  readonly issuancePolicy: IssuancePolicy
  /** Names this process in the ledger and in the Lease. */
  readonly replica: string
  /** Adds `<service>.<namespace>.svc.<cluster domain>` to the DNS names. */
  readonly clusterDomain?: string
  /** Name of the admission policy, and of its binding, that lets nobody but kubelets make requests. Without it no record says so. */
  readonly admissionPolicy?: string | undefined
  /** The Lease by which one of the replicas publishes the ClusterTrustBundle, before the first certificate. */
  readonly lease: LeasePlace
  /** The ClusterRole that the published trust bundle ends with. */
  readonly trustBundleOwner?: string | undefined
  /** Name of the ConfigMaps by which namespaces ask for the anchors, and in which they are published where nothing else is served; in none unless told. */
  readonly trustBundleConfigMap?: string | undefined
  /** From an anchor that is added to others until its authority signs. */
  readonly propagationSeconds?: number | undefined
  /** The Secret of an authority that is kept in one. */
  readonly secret?: LeasePlace
  readonly signingRequests?: SigningRequestsOptions | undefined
  /** How pods are given to claims, and what becomes of those that have not been; none are unless told. */
  readonly claims?: { readonly owners: OwnerKinds; readonly unclaimed: Unclaimed } | undefined
  /** What the API server says of the clock here; gone by unless told. */
  readonly serverClock?: Pick<ServerClock, 'problem'> | undefined
  readonly delay?: Delay
  /** How strictly each namespace is held to what it may claim; enforced unless told. */
  readonly modeOf?: ModeOf
  /** No request is traced unless told. */
  readonly tracing?: IssuanceTracing | undefined
  readonly log: Log
  readonly metrics: Metrics
  readonly now: () => number
  readonly randomBytes?: (length: number) => Buffer
}

export interface Signer {
  /**
   * Works until the signal aborts, then finishes what it began. What the cluster lacks is waited for, and said as a condition. Rejects
   * with 'ledger/unavailable' once the ledger takes no more records, and with 'ledger/corrupt'.
   */
  run(signal: AbortSignal): Promise<void>
  /** Whether all its conditions hold. It says nothing about the queue: a storm is no illness. */
  readonly ready: boolean
  conditions(): readonly Condition[]
  /** The anchors that the cluster publishes for it, with their number; undefined while that is not known. */
  published(): CountedAnchors | undefined
}

/** What was begun is finished when the process is told to end; whatever takes longer is settled by the next start. */
const drainSeconds = 10

/** In the order in which each needs those before. */
function conditionNames(options: SignerOptions): readonly string[] {
  return [
    'kubernetes',
    ...(options.serverClock === undefined ? [] : ['clock']),
    'rights',
    'authority',
    'ledger',
    ...laneConditions(options),
    ...evidenceNames(options),
    'trust-bundle',
    ...(options.admissionPolicy === undefined ? [] : ['admission-policy']),
    ...keepingConditions(options),
  ]
}

export function createSigner(options: SignerOptions): Signer {
  const { authorities, now, delay = realDelay } = options
  const board = createBoard(conditionNames(options))
  const client = observeClient(options.client, now)
  board.set('kubernetes', () => client.condition())
  setClock(options, board)
  board.set('authority', () => authorityCondition(authorities, now()))
  board.set('ledger', () => ({ ok: true, reason: 'takes records' }))
  let publication: AnchorPublication | undefined
  const publishes = (started: AnchorPublication): unknown => (publication = started)
  return {
    published: () => publication?.counted(),
    get ready() {
      return isReady(board.list())
    },
    conditions: () => board.list(),
    async run(signal) {
      const broken = Promise.withResolvers<boolean>()
      broken.promise.catch(() => {})
      const onBroken = (error: CountersignError): void => {
        board.set('ledger', () => ({
          ok: false,
          reason: `${error.message}: start the signer anew`,
        }))
        broken.reject(error)
      }
      const ledger = watchedLedger(options.ledger, onBroken)
      // Its file may be gone while nobody asks for anything.
      void options.ledger.failed.then(onBroken)
      const parts = { ...options, client, delay, ledger, board, publishes }
      while (await work(parts, broken.promise, signal));
    },
  }
}

/** Until it is told to end, or until requests are to be followed in another version: then true, and all of it is begun anew. */
async function work(
  options: Parts,
  broken: Promise<boolean>,
  signal: AbortSignal,
): Promise<boolean> {
  await using opened = new AsyncDisposableStack()
  opened.defer(() => quietLanes(options, 'stopped'))
  const opening = await open(options, opened, signal)
  if (opening === undefined) return false
  const { version, membership, queues } = opening
  options.log.info({ signerName: options.signerName, version }, 'signer works on requests')
  const looking = new AbortController()
  try {
    const either = AbortSignal.any([signal, looking.signal])
    const other = untilOtherVersion({ ...options, signal: either }, version)
    return await unlessAborted(Promise.race([broken, other]), signal)
  } finally {
    looking.abort()
    // What comes meanwhile is for the others, at once.
    const left = membership[Symbol.asyncDispose]()
    await Promise.all([left, ...queues.map((queue) => queue.drain(drainSeconds))])
  }
}

/** What is signed by a wrong clock has not begun, or is taken by no API server: others sign it, and so do we when it is right again. */
function setClock({ serverClock: clock }: SignerOptions, board: ConditionBoard): void {
  if (clock === undefined) return
  board.set('clock', () => {
    const problem = clock.problem()
    return { ok: problem === undefined, reason: problem ?? 'is that of the API server' }
  })
}

/** A ledger that refused one write takes no other until it is opened again: the process has to end and start anew. */
function watchedLedger(
  ledger: SignerOptions['ledger'],
  onBroken: (error: CountersignError) => void,
): SignerOptions['ledger'] {
  return {
    failed: ledger.failed,
    async append(record) {
      try {
        return await ledger.append(record)
      } catch (error) {
        if (error instanceof CountersignError && error.code === 'ledger/unavailable')
          onBroken(error)
        throw error
      }
    },
  }
}

interface Parts extends SignerOptions {
  readonly board: ConditionBoard
  readonly delay: Delay
  readonly publishes: (publication: AnchorPublication) => void
}

/** Undefined when told to end meanwhile. */
async function open(
  options: Parts,
  opened: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<
  | {
      readonly version: LanesOptions['version']
      readonly queues: readonly RequestQueue[]
      readonly membership: Membership
    }
  | undefined
> {
  const { client, board, log, metrics, now } = options
  const rights = opened.use(watchRights({ client, rights: signerRights(rightsOf(options)) }))
  board.set('rights', () => rights.condition())
  const gatherer = opened.use(
    startGatherer({ client, claimOwners: options.claims?.owners, log, metrics }),
  )
  tellEvidence(gatherer, board)
  const anchors = opened.use(startAnchorPublication(publicationOf(options)))
  board.set('trust-bundle', () => anchors.condition())
  options.publishes(anchors)
  keepAuthority(options, anchors, opened)
  const requester = openRequesterProof(options, opened)
  const history =
    options.records === undefined
      ? createHistory(now)
      : await readHistory(untilAborted(options.records(historySince(now())), signal), now)
  const version = await discoverVersion({ ...options, signal })
  if (version === undefined) return undefined
  tellUnfollowed(options, history)
  const queues = new Map<Lane['asked'], RequestQueue>()
  const depthOf = (asked: Lane['asked']): number => queues.get(asked)?.depth ?? 0
  const depth = (): number => [...queues.keys()].reduce((sum, asked) => sum + depthOf(asked), 0)
  const lanes = openLanes({ ...options, version, gatherer, depthOf }, opened)
  const { shareOf, earlier } = opened.use(
    followRequestedKeys({
      ...options,
      ...options.profile,
      requests: lanes.map(({ requests }) => requests),
      keys: history.keys,
    }),
  )
  const conditions = (): readonly Condition[] => board.list()
  const waiting = lanes.map(({ requests, ports }) =>
    opened.use(tellWaiting({ ...options, ...ports, requests, conditions })),
  )
  // What others ask keeps nobody waiting whose list was read.
  const settled = Promise.all([gatherer.synced, lanes[0]?.requests.synced, anchors.settled]).then(
    () => true,
  )
  if (!(await unlessAborted(settled, signal))) return undefined
  for (const each of waiting) await each[Symbol.asyncDispose]()
  opened.use(measureIssuer(options))
  tellLanes(lanes, board)
  // Only now: the requests of a replica that cannot sign yet would wait for the others.
  const membership = opened.use(joinMembers(options))
  if (
    !(await unlessAborted(
      membership.joined.then(() => true),
      signal,
    ))
  )
    return undefined
  const { authorities } = anchors
  for (const { asked, requests, ports } of lanes) {
    const permission = permissionOf(rights, asked, options.serverClock)
    const issuance = newIssuance(options, {
      authorities,
      history,
      ports,
      permission,
      earlier,
      requester: (asked) => requesterOfStated(asked) ?? requester?.of(asked) ?? 'not-shown',
    })
    const parts = { requests, gatherer, issuance, ports, history, membership, shareOf, depth }
    const kind = asked === 'of-pods' ? ({ kind: 'CertificateSigningRequest' } as const) : {}
    queues.set(asked, startRequestQueue({ ...parts, ...kind, log, metrics, now }))
  }
  return { version, queues: [...queues.values()], membership }
}

/** Nobody waits for it: what is not known is not shown. */
function openRequesterProof(
  options: Parts,
  opened: AsyncDisposableStack,
): RequesterProof | undefined {
  const { admissionPolicy: name, board, client, signerName, log, metrics, now } = options
  if (name === undefined) return undefined
  const proof = opened.use(watchRequesterPolicy({ client, name, signerName, log, metrics, now }))
  board.set('admission-policy', () => proof.condition())
  return proof
}

function rightsOf(options: SignerOptions): SignerRightsOptions {
  const { profile, claims, requests } = options
  const { trustDomain } = profile
  return {
    ...options,
    trustDomain,
    claimOwners: claims?.owners,
    asksForAuthority: requests !== undefined,
    endsAuthority: requests?.isRevoked !== undefined,
  }
}

function publicationOf(options: Parts): Parameters<typeof startAnchorPublication>[0] {
  const { client, signerName, profile, authorities, lease, replica, log, now, delay } = options
  const randomBytes = options.randomBytes ?? systemRandomBytes
  return {
    client,
    signerName,
    trustDomain: profile.trustDomain,
    authorities,
    // Replicas that were given one name must not hold one lease.
    lease: { ...lease, holder: `${replica}_${randomBytes(8).toString('hex')}` },
    owner: options.trustBundleOwner,
    configMap: options.trustBundleConfigMap,
    propagationSeconds: options.propagationSeconds,
    serverClock: options.serverClock,
    log,
    now,
    delay,
  }
}

function newIssuance(
  options: SignerOptions,
  parts: {
    readonly authorities: AuthoritySource
    readonly history: History
    readonly ports: IssuancePorts
    readonly permission: Permission
    readonly earlier: NonNullable<IssuanceOptions['earlier']>
    readonly requester: IssuanceOptions['requester']
  },
): Issuance {
  const { profile, log, metrics, now } = options
  const { authorities, ...rest } = parts
  const randomBytes = options.randomBytes ?? systemRandomBytes
  const issuance = {
    profile: evaluationProfile(options),
    issuer: createIssuer({ profile, authorities, now, randomBytes }),
    ledger: options.ledger,
    issuancePolicy: options.issuancePolicy,
    modeOf: options.modeOf ?? modesOf({}),
    ...rest,
    replica: options.replica,
    now,
    randomBytes,
    delay: realDelay,
    metrics,
    log,
  }
  const { tracing } = options
  return tracing === undefined ? createIssuance(issuance) : tracedIssuance(issuance, tracing)
}
