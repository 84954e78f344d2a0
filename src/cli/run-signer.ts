import type { Right } from '../kubernetes/access-review.ts'
import { createApiClient, type ApiClient } from '../kubernetes/api-client.ts'
import { watchRights } from '../kubernetes/rights-watch.ts'
import { openLedger, readLedger } from '../ledger/ledger.ts'
import type { Log } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import { openAuthorityFiles } from '../pki/authority-files.ts'
import type { AuthoritySource } from '../pki/authority.ts'
import { createProfile } from '../pki/profile.ts'
import { createIssuancePolicy } from '../policy/issuance-policy.ts'
import { openAuthoritySecret } from '../signer/authority-secret.ts'
import { createSigner } from '../signer/controller.ts'
import type { Condition } from '../readiness.ts'
import { signerRights } from '../signer/rights.ts'
import { openAdminListener } from './admin-listener.ts'
import { openPolicy } from './open-policy.ts'
import type { Running } from './running.ts'
import type { SignerConfig } from './signer-configuration.ts'

/** Puts a signer together from its configuration and starts it. Whatever was opened is closed again when a later part fails. */
export async function runSigner(
  config: SignerConfig,
  options: { readonly log: Log; readonly now?: () => number },
): Promise<Running> {
  const { log, now = Date.now } = options
  await using opened = new AsyncDisposableStack()
  const metrics = createMetrics()
  const profile = createProfile({
    trustDomain: config.trustDomain,
    cluster: config.cluster,
    production: config.production,
    lifetimeSecondsMax: config.profile.lifetimeSecondsMax,
    backdateSeconds: config.profile.backdateSeconds,
    ...(config.profile.keyTypes === undefined ? {} : { keyTypes: config.profile.keyTypes }),
    identityExtensionOid: config.identityExtensionOid,
  })
  const policy = opened.use(await openPolicy(config.policy, { log, metrics }))
  const ledger = opened.use(await openLedger({ file: config.ledger.file, now, log, metrics }))
  const client = createApiClient({
    ...(config.kubeconfig === undefined ? {} : { kubeconfig: config.kubeconfig }),
    userAgent: 'countersign-signer',
  })
  opened.defer(() => client.close())
  const rights = opened.use(watchRights({ client, rights: rightsOf(config) }))
  const authorities = await openAuthority(config, client, { log, now, opened })
  const signer = createSigner({
    client,
    signerName: config.signerName,
    clusterDomain: config.clusterDomain,
    profile,
    authorities,
    ledger,
    records: readLedger(config.ledger.file),
    issuancePolicy: createIssuancePolicy(policy.engine),
    replica: config.replica,
    lease: config.lease,
    log,
    metrics,
    now,
  })
  const conditions = (): readonly Condition[] => [
    rights.condition(),
    policy.condition(),
    { name: 'watches', ok: signer.ready, reason: 'caches are filled and anchors are published' },
  ]
  const admin = opened.use(await openAdminListener({ ...config.admin, metrics, conditions }))
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
    ready: () => signer.ready,
    conditions,
    ended,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

function rightsOf({ signerName, trustDomain, lease, authority }: SignerConfig): readonly Right[] {
  const names = { signerName, trustDomain, lease }
  if ('files' in authority) return signerRights(names)
  const { namespace, secret } = authority.selfSigned
  return signerRights({ ...names, secret: { namespace, name: secret } })
}

async function openAuthority(
  config: SignerConfig,
  client: ApiClient,
  parts: { readonly log: Log; readonly now: () => number; readonly opened: AsyncDisposableStack },
): Promise<AuthoritySource> {
  const { log, now, opened } = parts
  const { authority, trustDomain } = config
  if ('files' in authority) {
    const { certificate, privateKey } = authority.files
    return opened.use(
      await openAuthorityFiles({
        certificateFile: certificate,
        privateKeyFile: privateKey,
        trustDomain,
        now,
        log,
      }),
    )
  }
  const { namespace, secret, lifetimeSeconds } = authority.selfSigned
  log.warn({ namespace, secret }, 'the authority is self-signed and its key is kept in a Secret')
  return openAuthoritySecret({
    client,
    namespace,
    name: secret,
    lifetimeSeconds,
    trustDomain,
    dnsSuffixes: ['svc', config.clusterDomain],
    now,
  })
}
