import { X509Certificate } from 'node:crypto'
import { ok, plural, problem, warning, type Judgement } from '../../doctor/check.ts'
import { learnHandshake } from '../../doctor/gather/handshake.ts'
import { CountersignError } from '../../errors.ts'
import { parseDefinition } from '../../gateway/catalogue/definition.ts'
import { listTools } from '../../gateway/catalogue/list-upstream.ts'
import { defaultLimits, limitsOfServer } from '../../gateway/limits.ts'
import { createConnector, hostOf } from '../../gateway/upstream/tls.ts'
import {
  createUpstream,
  servesTool,
  type Upstream,
  type UpstreamConfig,
} from '../../gateway/upstream/upstream.ts'
import { silentLog } from '../../log.ts'
import type { Bundle } from '../../pki/bundle.ts'
import type { Credential } from '../../pki/credential.ts'
import { parseX509Svid } from '../../pki/x509-svid.ts'
import { messageOf } from './check-files.ts'
import { judgeOffers, listAllOffers } from './check-offers.ts'

export interface UpstreamCheckOptions {
  readonly credential: Credential
  readonly trustBundle: Bundle
  readonly identityExtensionOid: string
  readonly now: () => number
  readonly signal: AbortSignal
}

/** Whoever does not answer is not waited for. */
const connectMilliseconds = 5_000
const listSeconds = 10

/**
 * Connects to a tool server as the gateway does, with its certificate, and lists what it offers in each era. Nothing is called. Of one that
 * does not prove who it is, it says what certificate was shown instead.
 */
export async function checkUpstream(
  config: UpstreamConfig,
  options: UpstreamCheckOptions,
): Promise<Judgement> {
  try {
    const shared = sharedBy(options)
    await using upstream = opened(config, shared)
    await connectOnce(config, shared)
    const ofTools = await judgeTools(upstream, config)
    return ofTools.status === 'problem' ? ofTools : await addOffers(ofTools, upstream, config)
  } catch (error) {
    if (error instanceof CountersignError && error.code === 'gateway/upstream') {
      return problem(error.message, { hint: 'upstreams[] in docs/OPERATING.md' })
    }
    const evidence = [`url: ${config.url}`, ...(await shownBy(config.url, options))]
    return problem(messageOf(error), { evidence, hint: hintOf(error, config) })
  }
}

type Shared = Pick<
  Parameters<typeof createUpstream>[0],
  'credential' | 'trustBundle' | 'now' | 'identityExtensionOid'
>

function sharedBy({ now, identityExtensionOid, ...files }: UpstreamCheckOptions): Shared {
  const never = (): (() => void) => () => {}
  return {
    credential: { current: () => files.credential, onChange: never },
    trustBundle: { current: () => files.trustBundle, onChange: never },
    now,
    identityExtensionOid,
  }
}

/** A tool server as the gateway connects to it, for as long as it is looked at. */
export function openToLookAt(
  config: UpstreamConfig,
  options: UpstreamCheckOptions,
): Upstream & AsyncDisposable {
  return opened(config, sharedBy(options))
}

function opened(config: UpstreamConfig, shared: Shared): Upstream & AsyncDisposable {
  const timeoutSeconds = Math.min(config.timeoutSeconds ?? listSeconds, listSeconds)
  const upstream = createUpstream({
    ...shared,
    config: { ...config, timeoutSeconds },
    seats: { ...defaultLimits, seatsMax: 1, waitMilliseconds: 0 },
    answerBytesMax: limitsOfServer(defaultLimits, config.limits).answerBytesMax,
    log: silentLog,
  })
  return { ...upstream, [Symbol.asyncDispose]: () => upstream.close() }
}

function connectOnce(config: UpstreamConfig, shared: Shared): Promise<void> {
  const { url, spiffeId } = config
  const timeoutMilliseconds = connectMilliseconds
  const connector = createConnector({ ...shared, url: new URL(url), spiffeId, timeoutMilliseconds })
  return new Promise((resolve, reject) => {
    connector.connect((error, socket) => {
      socket?.destroy()
      if (error === null) resolve()
      else reject(error)
    })
  })
}

function hintOf(error: unknown, { spiffeId }: UpstreamConfig): string {
  const isIdentity = error instanceof CountersignError
  return isIdentity
    ? `only who proves to be ${spiffeId.uri} is called: upstreams[].spiffeId, or what is at that address`
    : 'is it running, is the address right, does a NetworkPolicy let the gateway through'
}

/** What stands there instead: whoever has mistyped a name sees it at once. */
async function shownBy(text: string, { signal }: UpstreamCheckOptions): Promise<readonly string[]> {
  const url = new URL(text)
  const host = hostOf(url)
  const port = url.port === '' ? 443 : Number(url.port)
  const shown = await learnHandshake({ host, port, serverName: host, signal })
  if (!shown.known) return [shown.why]
  const [leaf] = shown.value.chain
  return leaf === undefined ? ['no certificate was shown'] : [describe(leaf)]
}

function describe(leaf: Buffer): string {
  try {
    const { spiffeId, notAfter } = parseX509Svid(leaf)
    const { issuer } = new X509Certificate(leaf)
    return `certificate shown: ${spiffeId.uri}, valid until ${notAfter.toISOString()}, of ${oneLine(issuer)}`
  } catch {
    const { subject, issuer, subjectAltName, validTo } = new X509Certificate(leaf)
    const names = subjectAltName ?? 'no other names'
    return `certificate shown: ${oneLine(subject)}, ${names}, valid until ${validTo}, of ${oneLine(issuer)}; no X.509 SVID`
  }
}

function oneLine(name: string): string {
  return name.replaceAll('\n', ', ')
}

async function judgeTools(upstream: Upstream, config: UpstreamConfig): Promise<Judgement> {
  const { answerBytesMax } = defaultLimits
  const lists = await Promise.all(
    config.eras.map(async (era) => ({
      era,
      list: await listTools({ upstream, era, answerBytesMax }),
    })),
  )
  const faults = lists.flatMap(({ era, list: { failure } }) =>
    failure === undefined ? [] : [`${era}: ${failure.failed}: ${failure.detail}`],
  )
  if (faults.length > 0) {
    const hint = 'does it speak the eras of upstreams[].eras, at the path of upstreams[].url'
    const summary = `proved to be ${config.spiffeId.uri}, and does not list its tools`
    return problem(summary, { evidence: faults, hint })
  }
  const digests = new Map<string, string>()
  for (const { list } of lists) {
    for (const { octets, values } of list.definitions) {
      const definition = parseDefinition(octets, { values })
      if (typeof definition !== 'string') digests.set(definition.name, definition.digest)
    }
  }
  return judgePins(config, digests)
}

/** Says of its prompts, resources and templates what is said of its tools: those that have no list serve their tools all the same. */
async function addOffers(
  ofTools: Judgement,
  upstream: Upstream,
  config: UpstreamConfig,
): Promise<Judgement> {
  const seen = await listAllOffers(upstream, config)
  const { summary: counted, idle, outside } = judgeOffers(config, seen)
  const summary = ofTools.summary + counted
  const wrong = [...seen.faults, ...idle]
  const evidence = [...ofTools.evidence, ...wrong, ...outside]
  if (wrong.length === 0) return { ...ofTools, summary, evidence }
  const ofOffers =
    seen.faults.length > 0
      ? 'a list that it does not give is served to nobody'
      : 'prompts and resources say what is listed by its whole name or URI, or how that begins: release_*; what is not listed may be read all the same'
  const hint = ofTools.hint === undefined ? ofOffers : `${ofTools.hint}; ${ofOffers}`
  return warning(summary, { evidence, hint })
}

/** A pin of a tool that is not there protects nothing; a tool without its pin is not served. */
function judgePins(config: UpstreamConfig, listed: ReadonlyMap<string, string>): Judgement {
  const { pins, scopes, spiffeId } = config
  const digests = new Map([...listed].filter(([name]) => servesTool(config, name)))
  const scoped = scopes === undefined ? '' : `, ${digests.size} of them within its scopes`
  const summary = `proved to be ${spiffeId.uri}, ${plural(listed.size, 'tool')}${scoped}`
  if (digests.size === 0 && listed.size > 0) {
    const evidence = [...listed.keys()].map((name) => `outside of its scopes: ${name}`)
    const hint = 'scopes say what stands behind the colon of a tool scope: a name, or read_*'
    return warning(summary, { evidence, hint })
  }
  if (pins === undefined) return ok(summary)
  const evidence = [
    ...Object.keys(pins).flatMap((name) =>
      digests.has(name) ? [] : [`pinned and not there: ${name}`],
    ),
    ...[...digests].flatMap(([name, digest]) => {
      if (!Object.hasOwn(pins, name)) return [`not pinned, so not served: ${name} ${digest}`]
      return pins[name] === digest
        ? []
        : [`changed since it was pinned, so not served: ${name} ${digest}`]
    }),
  ]
  if (evidence.length === 0) return ok(`${summary}, all as they were pinned`)
  const hint = 'look at the definition, and put its digest into upstreams[].pins where it is good'
  return warning(`${summary}, not all as they were pinned`, { evidence, hint })
}
