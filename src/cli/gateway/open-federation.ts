import { setTimeout as realDelay } from 'node:timers/promises'
import {
  createForeignDomains,
  type ForeignDomain,
  type ForeignDomains,
} from '../../federation/foreign-domains.ts'
import { followBundle } from '../../federation/follow-bundle.ts'
import type { EndpointProof } from '../../federation/fetch-bundle.ts'
import { createNewestBundle } from '../../federation/newest-bundle.ts'
import { parseBundleDocument } from '../../federation/parse-bundle.ts'
import type { TrustDomain } from '../../identity/trust-domain.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import { parseAuthorities } from '../../pki/authorities.ts'
import { parseBundle, type Bundle } from '../../pki/bundle.ts'
import { parseIdentityExtensionOid } from '../../pki/identity-extension-oid.ts'
import { openReloadingFiles, type Reloading } from '../../pki/reloading-files.ts'
import type { Condition } from '../../readiness.ts'
import type { FederatedDomainConfig } from './federation-configuration.ts'

export interface Federation extends AsyncDisposable {
  readonly domains: ForeignDomains
  conditions(): readonly Condition[]
}

interface Parts {
  readonly log: Log
  readonly metrics: Metrics
  readonly now: () => number
}

type Opened = Pick<ForeignDomain, 'bundle' | 'onChange'> &
  AsyncDisposable & { condition(): Condition }

/** Opens the bundles of other trust domains, and follows each at its place. Nobody waits for them: until one is known, its workloads are not. */
export async function openFederation(
  config: {
    readonly trustDomain: TrustDomain
    readonly federation?: readonly FederatedDomainConfig[] | undefined
    readonly production: boolean
  },
  parts: Parts,
): Promise<Federation> {
  const { trustDomain: own, federation = [], production } = config
  await using opened = new AsyncDisposableStack()
  const conditions: (() => Condition)[] = []
  const domains: ForeignDomain[] = []
  for (const each of federation) {
    const { trustDomain, toolScopes, models, identityExtensionOid } = each
    const source = opened.use(await openDomain(each, parts))
    conditions.push(() => source.condition())
    domains.push({
      trustDomain,
      ceiling: { toolScopes, models },
      identityExtensionOid: parseIdentityExtensionOid(identityExtensionOid, { production }),
      bundle: () => source.bundle(),
      onChange: (listener) => source.onChange(listener),
    })
  }
  const all = opened.move()
  return {
    domains: createForeignDomains(own, domains),
    conditions: () => conditions.map((condition) => condition()),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

async function openDomain(config: FederatedDomainConfig, parts: Parts): Promise<Opened> {
  const { trustDomain, endpoint, bundle, ageSecondsMax } = config
  const file = bundle === undefined ? undefined : await openFile(bundle, trustDomain, parts.log)
  if (endpoint === undefined && file !== undefined) return ofFile(trustDomain, file)
  const { url = '', spiffeId, caCert } = endpoint ?? {}
  const authorities =
    caCert === undefined
      ? undefined
      : await openReloadingFiles({
          files: [caCert],
          code: 'federation/endpoint',
          parse: ([pem = '']) => parseAuthorities(pem, 'federation/endpoint'),
          log: parts.log,
          awaited: true,
        })
  const newest = createNewestBundle()
  const proofOf = (last: Bundle | undefined): EndpointProof =>
    spiffeId === undefined || file === undefined
      ? { profile: 'https_web', caPem: authorities?.current() }
      : { profile: 'https_spiffe', spiffeId, bundle: newest(file.current(), last) }
  const followed = followBundle({
    trustDomain,
    url: new URL(url),
    proofOf,
    ageSecondsMax,
    ...parts,
    delay: (milliseconds, signal) => realDelay(milliseconds, undefined, { signal, ref: false }),
  })
  return {
    bundle: () => followed.current(),
    onChange: (listener) => followed.onChange(listener),
    condition: () => followed.condition(),
    async [Symbol.asyncDispose]() {
      await followed[Symbol.asyncDispose]()
      await file?.[Symbol.asyncDispose]()
      await authorities?.[Symbol.asyncDispose]()
    },
  }
}

function openFile(file: string, trustDomain: TrustDomain, log: Log): Promise<Reloading<Bundle>> {
  return openReloadingFiles({
    files: [file],
    code: 'federation/bundle',
    parse: ([text = '']) =>
      text.trimStart().startsWith('{')
        ? parseBundleDocument(text, trustDomain).bundle
        : parseBundle(text, trustDomain),
    log,
    awaited: true,
  })
}

function ofFile(trustDomain: TrustDomain, file: Reloading<Bundle>): Opened {
  const known = (): Bundle | undefined => {
    try {
      return file.current()
    } catch {
      return undefined
    }
  }
  return {
    bundle: known,
    onChange: (listener) => file.onChange(listener),
    condition() {
      const name = `trust-domain ${trustDomain}`
      const problem = file.problem?.message
      if (problem !== undefined) return { name, ok: false, optional: true, reason: problem }
      return { name, ok: true, reason: `has ${known()?.anchors.length ?? 0} anchors` }
    },
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  }
}
