import { watchRevocations } from '../../gateway/caller/revocation-watch.ts'
import type { ApiClient, ApiProbe } from '../../kubernetes/api-client.ts'
import type { LeasePlace } from '../../kubernetes/lease.ts'
import type { ServerClock } from '../../kubernetes/server-clock.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import { openAuthorityFiles } from '../../pki/authority-files.ts'
import { dnsSuffixesOf, type AuthoritySource } from '../../pki/authority.ts'
import { openBundleFile } from '../../pki/bundle.ts'
import type { CaCertificate } from '../../pki/ca-certificate.ts'
import { openRemoteAuthority } from '../../pki/remote-authority.ts'
import { openToken } from '../../pkcs11/token-key.ts'
import { awaitAuthority } from '../../signer/anchors/await-authority.ts'
import {
  openRequestedAuthorities,
  openSecretAuthorities,
} from '../../signer/anchors/secret-authorities.ts'
import { withoutClientAuthorities } from '../../signer/anchors/client-authorities.ts'
import { revocationOf, withoutRevoked } from '../../signer/anchors/revoked-authority.ts'
import type { AuthorityKeeping } from '../../signer/keep-authority.ts'
import { requestedPlace, secretPlace } from './secret-place.ts'
import {
  rotationOf,
  type CsrConfig,
  type Pkcs11Config,
  type SelfSignedConfig,
  type SignerConfig,
} from './signer-configuration.ts'

/** The one source of CAs that is configured; what is in its way is waited for, and no other takes its place. */
export interface OpenAuthority extends AsyncDisposable {
  /** What a signer is told of it. */
  readonly parts: AuthorityKeeping & {
    readonly authorities: AuthoritySource
    /** The Secret that it is kept in, if any. */
    readonly secret?: LeasePlace
  }
}

interface Parts {
  readonly client: ApiClient & ApiProbe
  readonly clock: ServerClock
  readonly log: Log
  readonly metrics: Metrics
  readonly now: () => number
}

/** Of whichever source, none that the API server knows its clients by. */
export async function openAuthority(config: SignerConfig, parts: Parts): Promise<OpenAuthority> {
  await using opened = new AsyncDisposableStack()
  const source = opened.use(await openSource(config, parts))
  const authorities = opened.use(withoutClientAuthorities(source.parts.authorities, parts))
  const moved = opened.move()
  return {
    parts: { ...source.parts, authorities },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  }
}

function openSource(config: SignerConfig, parts: Parts): Promise<OpenAuthority> {
  const { authority } = config
  if ('files' in authority) return openFiles(authority.files, config, parts)
  if ('pkcs11' in authority) return openInToken(authority.pkcs11, config, parts)
  if ('csr' in authority) return openRequested(authority.csr, config, parts)
  return Promise.resolve(openSelfSigned(authority.selfSigned, config, parts))
}

async function openFiles(
  { certificate, privateKey }: { readonly certificate: string; readonly privateKey: string },
  { trustDomain, clusterDomain }: SignerConfig,
  { log, metrics, now }: Parts,
): Promise<OpenAuthority> {
  const authorities = await openAuthorityFiles({
    certificateFile: certificate,
    privateKeyFile: privateKey,
    trustDomain,
    dnsSuffixes: dnsSuffixesOf(clusterDomain),
    now,
    log,
    awaited: true,
    onReload: (outcome) => metrics.count('countersign_signer_authority_reloads_total', { outcome }),
  })
  return { parts: { authorities }, [Symbol.asyncDispose]: () => authorities[Symbol.asyncDispose]() }
}

/** What the key is asked for is asked over a socket: the module of the token runs in another process, and no code of it in this one. */
async function openInToken(
  { certificate, ...place }: Pkcs11Config,
  { trustDomain, clusterDomain }: SignerConfig,
  { log, metrics, now }: Parts,
): Promise<OpenAuthority> {
  const token = openToken(place)
  const authorities = await openRemoteAuthority({
    certificateFile: certificate,
    keyOf: (publicKey) => token.keyOf(publicKey),
    trustDomain,
    dnsSuffixes: dnsSuffixesOf(clusterDomain),
    now,
    log,
    onReload: (outcome) => metrics.count('countersign_signer_authority_reloads_total', { outcome }),
  })
  return {
    parts: { authorities },
    async [Symbol.asyncDispose]() {
      token[Symbol.dispose]()
      await authorities[Symbol.asyncDispose]()
    },
  }
}

function openSelfSigned(
  selfSigned: SelfSignedConfig,
  config: SignerConfig,
  { client, clock, log, now }: Parts,
): OpenAuthority {
  const place = secretPlace(selfSigned, config, {
    client,
    clockProblem: () => clock.problem(),
    now,
  })
  const { namespace, name } = place
  log.warn(
    { namespace, secret: name },
    'the authority is self-signed and its key is kept in a Secret',
  )
  const authorities = awaitAuthority(() => openSecretAuthorities({ ...place, log }), { log })
  const schedule = rotationOf(config.authority)
  const { propagationSeconds } = config.trustBundle
  const secret = secretPlace(selfSigned, config, { client, now })
  const rotation = schedule && { schedule, secret, probe: client, propagationSeconds }
  return {
    parts: { authorities, secret: { namespace, name }, rotation },
    [Symbol.asyncDispose]: () => authorities[Symbol.asyncDispose](),
  }
}

async function openRequested(
  csr: CsrConfig,
  config: SignerConfig,
  { client, log, metrics, now }: Parts,
): Promise<OpenAuthority> {
  const { trustDomain, trustBundle } = config
  await using opened = new AsyncDisposableStack()
  const file = { file: csr.anchors, trustDomain, now, log, awaited: true }
  const configured = opened.use(await openBundleFile(file))
  const secret = requestedPlace(csr, config, { client, now })
  const following = { ...secret, configured, log }
  const kept = awaitAuthority(() => openRequestedAuthorities(following), { log })
  const watch = { client, log, metrics, firstListSeconds: 0 }
  const revocations =
    csr.revocations === true ? opened.use(await watchRevocations(watch)) : undefined
  const authorities = opened.use(
    revocations === undefined ? kept : withoutRevoked(kept, revocations),
  )
  const { signerName, keyType } = csr
  const annotations = { ...annotationsFor(signerName), ...csr.annotations }
  const requests = {
    request: {
      signerName,
      keyType,
      annotations,
    },
    secret,
    configured,
    probe: client,
    propagationSeconds: trustBundle.propagationSeconds,
    isRevoked:
      revocations && ((ca: CaCertificate) => revocationOf([ca], revocations) !== undefined),
  }
  const { namespace, name } = secret
  const moved = opened.move()
  return {
    parts: { authorities, secret: { namespace, name }, requests },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  }
}

/** cert-manager makes no CA of a request that does not say so in this annotation, whatever else it asks for. */
function annotationsFor(signerName: string): Readonly<Record<string, string>> {
  const isCertManagers = /^(cluster)?issuers\.cert-manager\.io\//.test(signerName)
  return isCertManagers ? { 'experimental.cert-manager.io/request-is-ca': 'true' } : {}
}
