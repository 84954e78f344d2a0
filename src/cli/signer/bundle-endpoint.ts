import { constants } from 'node:crypto'
import { CountersignError } from '../../errors.ts'
import { formatBundleDocument } from '../../federation/format-bundle.ts'
import type { TrustDomain } from '../../identity/trust-domain.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import { parseCredentialBundle } from '../../pki/credential.ts'
import { parseTlsPair, type TlsPair } from '../../pki/tls-pair.ts'
import { openReloadingFiles, type Reloading } from '../../pki/reloading-files.ts'
import type { Condition } from '../../readiness.ts'
import type { Signer } from '../../signer/controller.ts'
import { createPageServer, type Page } from '../page-server.ts'
import type { BundleEndpointConfig } from './signer-configuration.ts'

export interface BundleEndpoint extends AsyncDisposable {
  readonly url: string
  condition(): Condition
}

/** As Mozilla's intermediate profile has them: clients of TLS 1.2 get no other (SPIFFE Federation §5.2). */
const ciphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/** Given with every certificate: a context knows nothing of the one before it. */
const tlsOptions = {
  minVersion: 'TLSv1.2',
  ciphers,
  secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
} as const

/**
 * Serves the published anchors as a SPIFFE bundle at `/`, to whoever asks: what is in it is public, and no client may be asked who it is
 * (SPIFFE Federation §5.2). Shows a certificate that the web knows (`https_web`) or an SVID of the trust domain (`https_spiffe`), which
 * is followed as it is renewed. Throws `cli/listen`.
 */
export async function openBundleEndpoint(options: {
  readonly config: BundleEndpointConfig
  readonly trustDomain: TrustDomain
  readonly published: Signer['published']
  readonly log: Log
  readonly metrics: Metrics
}): Promise<BundleEndpoint> {
  const { config, trustDomain, published, log, metrics } = options
  const { host, port, refreshHintSeconds } = config
  await using opened = new AsyncDisposableStack()
  const material = opened.use(await openMaterial(config, trustDomain, log))
  let written: { readonly sequence: bigint; readonly text: string } | undefined
  const serve = (): Page => {
    const counted = published()
    const result = counted === undefined ? 'unavailable' : 'served'
    metrics.count('countersign_bundle_requests_total', { result })
    if (counted === undefined) return { code: 503, body: 'no published bundle is known\n' }
    const { sequence } = counted
    metrics.set('countersign_bundle_sequence', Number(sequence))
    if (written?.sequence !== sequence) {
      written = { sequence, text: formatBundleDocument({ ...counted, refreshHintSeconds }) }
    }
    return { contentType: 'application/json; charset=utf-8', body: written.text }
  }
  const server = opened.use(createPageServer({ '/': serve }, { https: tlsOptions }))
  const show = (): void => server.setSecureContext({ ...tlsOptions, ...material.current() })
  if (material.problem === undefined) show()
  material.onChange(show)
  const url = await server.listen('bundleEndpoint', { host, port })
  const parts = opened.move()
  return {
    url,
    condition: () => conditionOf(material, published() !== undefined),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

/** Others lose nothing by it: they keep what they have read for a while. */
function conditionOf(material: Reloading<TlsPair>, isPublished: boolean): Condition {
  const name = 'bundle-endpoint'
  const problem = material.problem?.message
  if (problem !== undefined) return { name, ok: false, optional: true, reason: problem }
  if (isPublished) return { name, ok: true, reason: 'serves the published anchors' }
  return { name, ok: false, optional: true, reason: 'no published bundle is known' }
}

function openMaterial(
  config: BundleEndpointConfig,
  trustDomain: TrustDomain,
  log: Log,
): Promise<Reloading<TlsPair>> {
  const code = 'federation/endpoint'
  const { web, spiffe } = config
  if (web !== undefined) {
    const { certificate, privateKey } = web
    return openReloadingFiles({
      files: [certificate, privateKey],
      code,
      parse: ([cert = '', key = '']) => parseTlsPair({ cert, key }),
      log,
      awaited: true,
    })
  }
  return openReloadingFiles({
    files: spiffe === undefined ? [] : [spiffe.credentialBundle],
    code,
    parse([pem = '']) {
      const { svid, chainPem, privateKeyPem } = parseCredentialBundle(pem)
      if (svid.spiffeId.trustDomain === trustDomain) {
        return parseTlsPair({ cert: chainPem, key: privateKeyPem })
      }
      const got = svid.spiffeId.uri
      throw refused(
        `SVID of the endpoint is of another trust domain, want=${trustDomain} got=${got}`,
      )
    },
    log,
    awaited: true,
  })
}

function refused(message: string): CountersignError {
  return new CountersignError('federation/endpoint', message)
}
