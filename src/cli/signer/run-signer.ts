import { createPublicKey } from 'node:crypto'
import { createApiClient } from '../../kubernetes/api-client.ts'
import { createServerClock } from '../../kubernetes/server-clock.ts'
import { openLedger, readLedger, type Ledger } from '../../ledger/ledger.ts'
import { logFolderOf } from '../../tlog/log-folder.ts'
import { readLogKey } from '../../tlog/log-key.ts'
import { createVerifier, formatVerifierKey, type NoteSigner } from '../../tlog/note.ts'
import type { Log } from '../../log.ts'
import { createMetrics, type Metrics, type MetricsPage } from '../../metrics.ts'
import { createProfile, type Profile } from '../../pki/profile.ts'
import { formatStatusPage } from '../../policy/bundle-status.ts'
import { createSigner, type SignerOptions } from '../../signer/controller.ts'
import { isReady, type Condition } from '../../readiness.ts'
import { modesOf } from '../../signer/verdict/enforcement.ts'
import { openSpanExporter } from '../../trace/open-exporter.ts'
import { openAdminListener, type AdminListener, type AdminPage } from '../admin-listener.ts'
import { openCarrying } from '../open-carrying.ts'
import { openPolicy, policyConditions, statusesOf, type OpenPolicy } from '../open-policy.ts'
import { ownPodOf, startPolicyEvents } from '../policy-events.ts'
import { beginning, type Running } from '../running.ts'
import { openBundleEndpoint, type BundleEndpoint } from './bundle-endpoint.ts'
import { openAuthority } from './open-authority.ts'
import { openIssuance, type OpenIssuance } from './open-issuance.ts'
import type { SignerConfig } from './signer-configuration.ts'

const userAgent = 'countersign-signer'

/**
 * Starts a signer from its configuration. What a person wrote (configuration, policy) and what has to be ours (the ledger, the admin port)
 * is an error at once; what comes from elsewhere (the cluster, rights, the CA) is waited for, and said on the admin listener meanwhile.
 */
export async function runSigner(
  config: SignerConfig,
  options: { readonly log: Log; readonly now?: () => number; readonly signal?: AbortSignal },
): Promise<Running> {
  const { log, now = Date.now, signal } = options
  await using opened = new AsyncDisposableStack()
  const metrics = createMetrics({ process: true })
  const shown: Shown = { conditions: () => [beginning], policy: undefined, issuance: undefined }
  const admin = opened.use(await openAdmin(config, metrics, shown))
  const profile = profileOf(config)
  const policy = opened.use(await openPolicy(config.policy, { log, metrics, signal }))
  shown.policy = policy
  const clock = createServerClock()
  const client = openClient(config, clock)
  opened.defer(() => client.close())
  const pod = ownPodOf(process.env)
  opened.use(startPolicyEvents({ policy, client, pod, component: 'countersign-signer', now, log }))
  const ledger = opened.use(await openOwnLedger(config, { log, metrics, now, signal }))
  const issuance = opened.use(await openIssuance(config, { policy, log, metrics, now }))
  shown.issuance = issuance
  tellModes(config, log)
  const authority = opened.use(await openAuthority(config, { client, clock, log, metrics, now }))
  const signer = createSigner({
    client,
    signerName: config.signerName,
    clusterDomain: config.clusterDomain,
    profile,
    ...authority.parts,
    ledger,
    records: (heldSince) => readLedger(config.ledger.file, { heldSince }),
    issuancePolicy: issuance.policy,
    replica: config.replica,
    lease: config.lease,
    ...publicationOf(config),
    admissionPolicy: config.admissionPolicy,
    signingRequests: config.certificateSigningRequests,
    claims: config.claims,
    modeOf: modesOf(config.enforcement.namespaces),
    serverClock: clock,
    tracing: openTracing(config, { log, metrics, opened }),
    log,
    metrics,
    now,
  })
  const endpoint = await openEndpoint(config, { published: () => signer.published(), log, metrics })
  if (endpoint !== undefined) opened.use(endpoint)
  const carried = openCarrying(config, { client, log, userAgent }, opened)
  shown.conditions = () => [
    ...signer.conditions(),
    ...policyConditions(policy),
    ...issuance.conditions(),
    ...(endpoint === undefined ? [] : [endpoint.condition()]),
    ...carried(),
  ]
  const stop = new AbortController()
  const ended = signer.run(stop.signal)
  // Registered last, so disposed first: the signer drains before its ledger closes.
  opened.defer(async () => {
    stop.abort()
    await ended.catch(() => {})
  })
  const parts = opened.move()
  return {
    adminUrl: admin.url,
    ready: () => isReady(shown.conditions()),
    conditions: () => shown.conditions(),
    ended,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

function openClient(
  { kubeconfig }: SignerConfig,
  serverClock: ReturnType<typeof createServerClock>,
): ReturnType<typeof createApiClient> {
  return createApiClient({
    serverClock,
    kubeconfig,
    environment: process.env,
    userAgent,
  })
}

/** What is left of the spans is sent at the end. */
function openTracing(
  { tracing }: SignerConfig,
  parts: Parameters<typeof openSpanExporter>[1],
): SignerOptions['tracing'] {
  if (tracing === undefined) return undefined
  const { endpoint, sampleRatio } = tracing
  const exporter = openSpanExporter({ endpoint, service: 'countersign-signer' }, parts)
  return { exporter, sampleRatio }
}

/** What becomes of the anchors. */
function publicationOf({
  trustBundle: { ownerClusterRole, configMap, propagationSeconds },
}: SignerConfig): Pick<
  SignerOptions,
  'trustBundleOwner' | 'trustBundleConfigMap' | 'propagationSeconds'
> {
  return { trustBundleOwner: ownerClusterRole, trustBundleConfigMap: configMap, propagationSeconds }
}

/** What the admin listener tells, as it is known so far. */
interface Shown {
  conditions: () => readonly Condition[]
  policy: OpenPolicy | undefined
  issuance: OpenIssuance | undefined
}

function openAdmin(
  { admin }: SignerConfig,
  metrics: MetricsPage,
  shown: Shown,
): Promise<AdminListener> {
  const status: AdminPage = () =>
    shown.policy && {
      contentType: 'application/json; charset=utf-8',
      body: formatStatusPage(statusesOf(shown.policy), shown.issuance?.uploadStatus()),
    }
  const conditions = (): readonly Condition[] => shown.conditions()
  return openAdminListener({ ...admin, metrics, conditions, pages: { '/v1/status': status } })
}

async function openEndpoint(
  { bundleEndpoint, trustDomain }: SignerConfig,
  parts: Omit<Parameters<typeof openBundleEndpoint>[0], 'config' | 'trustDomain'>,
): Promise<BundleEndpoint | undefined> {
  if (bundleEndpoint === undefined) return undefined
  const endpoint = await openBundleEndpoint({ config: bundleEndpoint, trustDomain, ...parts })
  parts.log.info({ url: endpoint.url }, 'the published anchors are served to other trust domains')
  return endpoint
}

/** Whoever reads the log has to know where less is refused than the documentation says. */
export function tellModes({ enforcement: { namespaces } }: SignerConfig, log: Log): void {
  for (const [namespace, mode] of Object.entries(namespaces)) {
    if (mode !== 'enforce') log.warn({ namespace, mode }, 'a namespace is not enforced')
  }
}

async function openOwnLedger(
  config: SignerConfig,
  parts: {
    readonly log: Log
    readonly metrics: Metrics
    readonly now: () => number
    readonly signal: AbortSignal | undefined
  },
): Promise<Ledger> {
  const { file, segmentOctets, retentionDays } = config.ledger
  const signer = await logSignerOf(config)
  const ledger = await openLedger({ file, segmentOctets, retentionDays, signer, ...parts })
  if (signer !== undefined) {
    const verifierKey = formatVerifierKey(signer)
    parts.log.info({ folder: logFolderOf(file), verifierKey }, 'the ledger is published as a log')
  }
  return ledger
}

/** The log is named for its one writer: two logs of one name would be two histories. */
async function logSignerOf(config: SignerConfig): Promise<NoteSigner | undefined> {
  const { log } = config.ledger
  if (log === undefined) return undefined
  const privateKey = await readLogKey(log.keyFile, { make: log.makeKey })
  const { trustDomain, cluster, replica } = config
  const name = log.origin ?? `${trustDomain}/ledger/${cluster}/${replica}`
  return { ...createVerifier(name, createPublicKey(privateKey)), privateKey }
}

export function profileOf(config: SignerConfig): Profile {
  const { keyTypes, lifetimeSecondsMax, backdateSeconds } = config.profile
  return createProfile({
    trustDomain: config.trustDomain,
    cluster: config.cluster,
    production: config.production,
    lifetimeSecondsMax,
    backdateSeconds,
    ...(keyTypes === undefined ? {} : { keyTypes }),
    identityExtensionOid: config.identityExtensionOid,
  })
}
