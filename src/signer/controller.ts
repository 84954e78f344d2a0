import { randomBytes as systemRandomBytes } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import type { ApiClient } from '../kubernetes/api-client.ts'
import {
  discoverClusterTrustBundleVersion,
  discoverPodCertificateVersion,
} from '../kubernetes/api-discovery.ts'
import { backoffMilliseconds, realDelay } from '../kubernetes/backoff.ts'
import { startInformer } from '../kubernetes/informer.ts'
import { podCertificateRequests } from '../kubernetes/pod-certificate-request.ts'
import type {
  PodCertificateRequest,
  PodCertificateVersion,
} from '../kubernetes/pod-certificate-request.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { LedgerRecord } from '../ledger/record.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { AuthoritySource } from '../pki/authority.ts'
import { createIssuer } from '../pki/issue.ts'
import type { Profile } from '../pki/profile.ts'
import type { IssuancePolicy } from '../policy/issuance-policy.ts'
import { clusterPorts } from './cluster-ports.ts'
import { startGatherer } from './gather.ts'
import { createHistory, readHistory } from './history.ts'
import type { History } from './history.ts'
import { createIssuance } from './issuance.ts'
import type { Issuance } from './issuance.ts'
import type { IssuancePorts } from './ports.ts'
import type { Requester } from './records.ts'
import { startRequestQueue } from './request-queue.ts'
import type { RequestQueue } from './request-queue.ts'
import { startTrustBundlePublisher } from './trust-bundle.ts'
import type { LeasePlace } from './trust-bundle.ts'

export interface SignerOptions {
  readonly client: ApiClient
  readonly signerName: string
  readonly profile: Profile
  readonly authorities: AuthoritySource
  readonly ledger: Pick<Ledger, 'append'>
  /** The ledger's records so far. Without them the signer knows no keys and no open intents of earlier runs. */
  readonly records?: AsyncIterable<{ readonly index: number; readonly record: LedgerRecord }>
  readonly issuancePolicy: IssuancePolicy
  /** Names this process in the ledger and in the Lease. */
  readonly replica: string
  /** Adds `<service>.<namespace>.svc.<cluster domain>` to the DNS names. */
  readonly clusterDomain?: string
  /** `shown` where an admission policy lets nobody but kubelet create requests; `not-shown` unless told. */
  readonly requester?: Requester
  /** The Lease by which one of the replicas publishes the ClusterTrustBundle, before the first certificate. */
  readonly lease: LeasePlace
  readonly log: Log
  readonly metrics: Metrics
  readonly now: () => number
  readonly randomBytes?: (length: number) => Buffer
}

export interface Signer {
  /**
   * Works until the signal aborts, then finishes what it began. Rejects with 'kubernetes/not-served' where the cluster has no
   * such requests, and with 'ledger/unavailable' once the ledger takes no more records.
   */
  run(signal: AbortSignal): Promise<void>
  /** Caches are filled and the trust bundle is published. It says nothing about the queue: a storm is no illness. */
  readonly ready: boolean
}

/** What was begun is finished when the process is told to end; whatever takes longer is settled by the next start. */
const drainSeconds = 10

/** A request may have 256 KiB of annotations, and is answered whatever they are. */
const requestBytesMax = 1024 * 1024

const waitBackoff = { baseSeconds: 0.25, maxSeconds: 30 }

export function createSigner(options: SignerOptions): Signer {
  let ready = false
  return {
    get ready() {
      return ready
    },
    async run(signal) {
      await using opened = new AsyncDisposableStack()
      try {
        const broken = Promise.withResolvers<boolean>()
        broken.promise.catch(() => {})
        const ledger = watchedLedger(options.ledger, (error) => broken.reject(error))
        const queue = await open({ ...options, ledger }, opened, signal)
        if (queue === undefined) return
        ready = true
        options.log.info({ signerName: options.signerName }, 'signer is ready')
        try {
          await unlessAborted(broken.promise, signal)
        } finally {
          ready = false
          await queue.drain(drainSeconds)
        }
      } finally {
        ready = false
      }
    },
  }
}

/** A ledger that refused one write takes no other until it is opened again: the process has to end and start anew. */
function watchedLedger(
  ledger: Pick<Ledger, 'append'>,
  onBroken: (error: CountersignError) => void,
): Pick<Ledger, 'append'> {
  return {
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

/** Undefined when told to end meanwhile. */
async function open(
  options: SignerOptions,
  opened: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<RequestQueue | undefined> {
  const { client, log, metrics, now } = options
  const version = await discoverVersion(options, signal)
  if (version === undefined) return undefined
  const history =
    options.records === undefined ? createHistory(now) : await readHistory(options.records, now)
  const authorities = await openAuthorities(options, opened, signal)
  const gatherer = opened.use(startGatherer({ client, log, metrics }))
  const requests = opened.use(
    startInformer<PodCertificateRequest>({
      client,
      resource: podCertificateRequests(version),
      fieldSelector: `spec.signerName=${options.signerName}`,
      keptBytesMax: requestBytesMax,
      log,
      metrics,
    }),
  )
  const ports = clusterPorts({ client, version, gatherer, log, now })
  const issuance = newIssuance(options, { authorities, history, ports })
  const synced = Promise.all([gatherer.synced, requests.synced]).then(() => true)
  if (!(await unlessAborted(synced, signal))) return undefined
  watchIssuer(options, authorities, opened)
  return startRequestQueue({ requests, gatherer, issuance, ports, history, log, metrics, now })
}

/** The issuer's own end is told early and often: everything stops with it. */
function watchIssuer(
  options: SignerOptions,
  authorities: AuthoritySource,
  opened: AsyncDisposableStack,
): void {
  const measure = (): void => {
    try {
      const seconds = (authorities.current().certificate.notAfter.getTime() - options.now()) / 1000
      options.metrics.set('countersign_issuer_expiry_seconds', seconds)
    } catch {
      options.metrics.set('countersign_issuer_expiry_seconds', 0)
    }
  }
  measure()
  const timer = setInterval(measure, 60_000).unref()
  opened.defer(() => clearInterval(timer))
  opened.defer(authorities.onChange(measure))
}

function newIssuance(
  options: SignerOptions,
  parts: {
    readonly authorities: AuthoritySource
    readonly history: History
    readonly ports: IssuancePorts
  },
): Issuance {
  const { profile, clusterDomain, log, metrics, now } = options
  const { authorities, history, ports } = parts
  const randomBytes = options.randomBytes ?? systemRandomBytes
  return createIssuance({
    profile: { ...profile, ...(clusterDomain === undefined ? {} : { clusterDomain }) },
    issuer: createIssuer({ profile, authorities, now, randomBytes }),
    ledger: options.ledger,
    issuancePolicy: options.issuancePolicy,
    history,
    ports,
    requester: options.requester ?? 'not-shown',
    replica: options.replica,
    now,
    randomBytes,
    delay: realDelay,
    metrics,
    log,
  })
}

async function discoverVersion(
  options: SignerOptions,
  signal: AbortSignal,
): Promise<PodCertificateVersion | undefined> {
  const found = await untilAnswered(() => discoverPodCertificateVersion(options.client), {
    ...options,
    signal,
  })
  if (found === undefined) return undefined
  if (found.unreadableNodes.length > 0) {
    options.log.error(
      { nodes: found.unreadableNodes },
      'kubelets older than 1.36 write requests whose key v1 does not show',
    )
  }
  return found.version
}

/** Asks again while the API server does not answer; whatever it does answer is for the caller. Undefined when told to end. */
async function untilAnswered<T>(
  ask: () => Promise<T>,
  options: { readonly signal: AbortSignal; readonly log: Log },
): Promise<T | undefined> {
  const { signal, log } = options
  for (let failures = 1; !signal.aborted; failures += 1) {
    try {
      return await ask()
    } catch (error) {
      if (!isTransient(error)) throw error
      log.warn({ error, failures }, 'the API server cannot be asked what it serves')
      const milliseconds = backoffMilliseconds(waitBackoff, failures, Math.random)
      await realDelay(milliseconds, signal).catch(() => {})
    }
  }
  return undefined
}

function isTransient(error: unknown): boolean {
  const { code, status } = error as { readonly code?: unknown; readonly status?: unknown }
  if (code === 'kubernetes/unreachable') return true
  return typeof status === 'number' && (status >= 500 || status === 429)
}

async function openAuthorities(
  options: SignerOptions,
  opened: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<AuthoritySource> {
  const { client, signerName, profile, authorities, lease, replica, log, now } = options
  const randomBytes = options.randomBytes ?? systemRandomBytes
  const version = await untilAnswered(() => discoverClusterTrustBundleVersion(client), {
    log,
    signal,
  })
  if (signal.aborted) return authorities
  if (version === undefined) {
    log.warn({}, 'ClusterTrustBundles are not served: trust anchors have to be given out otherwise')
    return authorities
  }
  const publisher = opened.use(
    startTrustBundlePublisher({
      client,
      version,
      signerName,
      trustDomain: profile.trustDomain,
      authorities,
      // Replicas that were given one name must not hold one lease.
      lease: { ...lease, holder: `${replica}_${randomBytes(8).toString('hex')}` },
      log,
      now,
    }),
  )
  await unlessAborted(
    publisher.published.then(() => true),
    signal,
  )
  return publisher.authorities
}

/** False when the signal aborts first. */
async function unlessAborted(work: Promise<boolean>, signal: AbortSignal): Promise<boolean> {
  // What is given up may still fail, with the disposal of what it waits for: then nobody is left to tell.
  work.catch(() => {})
  const aborted = Promise.withResolvers<boolean>()
  const stop = (): void => aborted.resolve(false)
  if (signal.aborted) return false
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
