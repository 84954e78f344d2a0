import { CountersignError, quoted } from '../../errors.ts'
import { isDnsLabel } from '../../identity/kubernetes-name.ts'
import type { ApiClient, ApiProbe } from '../../kubernetes/api-client.ts'
import { configMaps } from '../../kubernetes/config-map.ts'
import { readObject } from '../../kubernetes/objects.ts'
import { isTrusted, type Journal } from '../../pki/authority-journal.ts'
import { shortName } from '../../pki/authority-steps.ts'
import { nextStep } from '../../pki/rotation-schedule.ts'
import {
  readAuthority,
  type AuthoritySecretOptions,
} from '../../signer/anchors/authority-secret.ts'
import { deliveredSeconds, readDelivery, type Delivery } from '../../signer/anchors/delivery.ts'
import { rotateAuthority, type RotationStep } from '../../signer/anchors/rotate-authority.ts'
import { checkStepClock } from '../../signer/anchors/step-clock.ts'
import { readConfiguration } from '../configuration.ts'
import { signerOf } from '../read-cluster-configuration.ts'
import { requestedPlace, secretPlace } from '../signer/secret-place.ts'
import { rotationOf, signerSchema, type SignerConfig } from '../signer/signer-configuration.ts'
import type { Terminal } from '../terminal.ts'
import { openClient } from './open-client.ts'

export interface CaOptions {
  readonly namespace: string
  readonly config?: string
  readonly kubeconfig?: string
  readonly json?: boolean
  readonly delivered?: boolean
  readonly leakedKey?: boolean
}

/** The document of `ca … --json` (docs/OPERATING.md). Members are added, never changed, as long as `version` stays. */
export interface CaDocument {
  readonly version: 1
  /** The ClusterTrustBundle; null where the cluster serves none, or it could not be read. */
  readonly bundle: string | null
  /** Why the bundle could not be read; null when it was, or there is none. */
  readonly bundleProblem: string | null
  /** What the signer does next by its schedule, and from when; null without one. */
  readonly next: {
    readonly step: string
    readonly at: string
    readonly authority: string | null
  } | null
  readonly authorities: readonly {
    readonly sha256: string
    readonly state: string
    readonly since: string
    /** Of old and tainted ones: when the last certificate under it has ended. */
    readonly trustedUntil: string | null
    readonly notAfter: string
    /** Whether signers publish its anchor. */
    readonly trusted: boolean
    /** Whether the bundle has its anchor now; null when that could not be read. */
    readonly published: boolean | null
    /** Of a prepared one: seconds until it can be made active; null when its anchor is not published, as far as is known. */
    readonly waitSeconds?: number | null
  }[]
}

export async function runCaStatus(options: CaOptions, terminal: Terminal): Promise<void> {
  await withPlace(options, terminal, async (place) => {
    const { journal } = await readAuthority(place.secret)
    await show(journal ?? [], place, '')
  })
}

export async function runCaPrepare(options: CaOptions, terminal: Terminal): Promise<void> {
  await withPlace(options, terminal, async (place) => {
    const journal = await takeStep({ kind: 'prepare' }, place)
    const { propagationSeconds } = place.config.trustBundle
    await show(
      journal,
      place,
      `It signs nothing yet. Readers have ${propagationSeconds} s to take up its anchor from when a signer has published it; then:\n  countersign ca activate\n`,
    )
  })
}

export async function runCaActivate(options: CaOptions, terminal: Terminal): Promise<void> {
  await withPlace(options, terminal, async (place) => {
    const { leakedKey: leaked = false, delivered = false } = options
    const { propagationSeconds } = place.config.trustBundle
    // Who waits for nobody needs no proof, and is not to be held up by a bundle that cannot be read.
    const step: RotationStep = leaked
      ? { kind: 'activate', leaked }
      : {
          kind: 'activate',
          leaked,
          delivered,
          propagationSeconds,
          delivery: await place.delivery(),
        }
    const journal = await takeStep(step, place)
    const said = leaked
      ? `Pods that do not have the new anchor yet refuse what it signs, for ${propagationSeconds} s at most. Certificates of the tainted one are\ntaken until it is revoked, and pods keep theirs until they refresh; to end them now, evict the pods that have one, and:\n  countersign ca revoke ${nameOfTainted(journal)}\n`
      : 'Every signer signs with it within seconds. The old one is trusted until the last certificate under it has ended, and then its anchor goes.\n'
    await show(journal, place, said)
  })
}

/** The one that a leaked key has just ended: it stands last of those. */
function nameOfTainted(journal: Journal): string {
  return shortName(journal.findLast(({ state }) => state === 'tainted')?.certificate.sha256 ?? '')
}

export async function runCaTaint(
  name: string,
  options: CaOptions,
  terminal: Terminal,
): Promise<void> {
  await withPlace(options, terminal, async (place) => {
    const journal = await takeStep({ kind: 'taint', name }, place)
    await show(
      journal,
      place,
      `Its certificates are taken until pods have refreshed. Evict those that hold one, then:\n  countersign ca revoke ${name}\n`,
    )
  })
}

export async function runCaRevoke(
  name: string,
  options: CaOptions,
  terminal: Terminal,
): Promise<void> {
  await withPlace(options, terminal, async (place) => {
    const journal = await takeStep({ kind: 'revoke', name }, place)
    await show(
      journal,
      place,
      'A signer takes its anchor out of the bundle within seconds; kubelets write that into volumes within minutes. From then on its\ncertificates are refused: evict the pods that still hold one. A signer of a release without `countersign ca` puts it back: let none run.\n',
    )
  })
}

async function takeStep(step: RotationStep, { secret, probe, signal }: Place): Promise<Journal> {
  await checkStepClock(probe, { signal, now: secret.now })
  return (await rotateAuthority(step, secret)).journal
}

interface Place {
  readonly config: SignerConfig
  readonly probe: ApiProbe
  readonly signal: AbortSignal
  readonly secret: AuthoritySecretOptions
  readonly delivery: () => Promise<Delivery>
  readonly json: boolean
  readonly out: (text: string) => void
}

async function withPlace(
  options: CaOptions,
  terminal: Terminal,
  run: (place: Place) => Promise<void>,
): Promise<void> {
  const client = openClient(options.kubeconfig, 'ca')
  try {
    const { signal } = terminal
    const config = await readConfig(options, client, signal)
    const { authority, trustDomain, signerName } = config
    if ('pkcs11' in authority) {
      throw new CountersignError('cli/usage', 'the key of this signer is in a token', {
        hint: 'make the next one there: docs/OPERATING.md, A CA key in a token',
      })
    }
    if ('files' in authority) {
      throw new CountersignError('cli/usage', 'the CA of this signer is in files', {
        hint: 'write the new one over it: docs/OPERATING.md, Another CA',
      })
    }
    const now = Date.now
    const { namespace } = config.lease
    const name = config.trustBundle.configMap
    const configMap = name === undefined ? undefined : { namespace, name }
    await run({
      config,
      probe: client,
      signal,
      secret:
        'csr' in authority
          ? requestedPlace(authority.csr, config, { client, now })
          : secretPlace(authority.selfSigned, config, { client, now }),
      delivery: () => readDelivery({ client, signerName, configMap, trustDomain, now, signal }),
      json: options.json === true,
      out: terminal.out,
    })
  } finally {
    client.close()
  }
}

async function readConfig(
  options: CaOptions,
  client: ApiClient,
  signal: AbortSignal,
): Promise<SignerConfig> {
  const { namespace, config } = options
  if (config !== undefined) return readConfiguration(config, signerSchema)
  if (!isDnsLabel(namespace)) {
    const message = `--namespace: want=a name of a namespace got=${quoted(namespace)}`
    throw new CountersignError('cli/usage', message, { hint: 'such as countersign-system' })
  }
  const name = 'countersign-signer'
  const found = await readObject(client, configMaps, { namespace, name, signal })
  const text = found?.data['signer.yaml']
  if (text !== undefined) return signerOf(text)
  const message = `no signer.yaml in ConfigMap ${namespace}/${name}`
  const hint = '--namespace says where the chart is installed; without the chart give --config'
  throw new CountersignError('cli/usage', message, { hint })
}

/** The step was taken already: a bundle that cannot be read is said, and is no failure of it. */
async function show(journal: Journal, place: Place, said: string): Promise<void> {
  const delivery = await place.delivery().catch((error: unknown) => ({
    bundle: undefined,
    secondsOf: () => undefined,
    problem: error instanceof Error ? error.message : String(error),
  }))
  const document = describe(journal, place.config, delivery)
  if (place.json) {
    place.out(`${JSON.stringify(document)}\n`)
    return
  }
  place.out(`${formatStatus(document)}${said}`)
}

function describe(
  journal: Journal,
  config: SignerConfig,
  delivery: Delivery & { readonly problem?: string },
): CaDocument {
  const now = Date.now()
  const { problem: bundleProblem = null } = delivery
  const { propagationSeconds } = config.trustBundle
  const authorities = journal.map((entry) => {
    const { state, since, until, certificate } = entry
    const { sha256, notAfter } = certificate
    const seconds = deliveredSeconds(delivery, entry, now)
    const wait = seconds === undefined ? null : Math.max(0, Math.ceil(propagationSeconds - seconds))
    return {
      sha256,
      state,
      since: new Date(since).toISOString(),
      trustedUntil: until === undefined ? null : new Date(until).toISOString(),
      notAfter: notAfter.toISOString(),
      trusted: isTrusted(entry, now),
      published: bundleProblem === null ? seconds !== undefined : null,
      ...(state === 'prepared' ? { waitSeconds: wait } : {}),
    }
  })
  const next = describeNext(journal, config)
  return { version: 1, bundle: delivery.bundle ?? null, bundleProblem, next, authorities }
}

function describeNext(journal: Journal, { authority }: SignerConfig): CaDocument['next'] {
  const schedule = rotationOf(authority)
  const next = schedule === undefined ? undefined : nextStep(journal, schedule)
  if (next === undefined) return null
  return { step: next.kind, at: new Date(next.at).toISOString(), authority: next.name ?? null }
}

function formatStatus({ authorities, bundleProblem, next }: CaDocument): string {
  const problem = bundleProblem === null ? '' : `bundle: unknown: ${bundleProblem}\n`
  return `${formatAuthorities(authorities)}${formatNext(next)}${problem}`
}

function formatNext(next: CaDocument['next']): string {
  if (next === null) return ''
  const { step, at, authority } = next
  const due = Date.parse(at) <= Date.now() ? 'due since' : 'at'
  return `next by schedule: ${step}${authority === null ? '' : ` ${authority}`}, ${due} ${at}\n`
}

function formatAuthorities(authorities: CaDocument['authorities']): string {
  if (authorities.length === 0) return 'no CA yet: a signer makes the first one when it starts\n'
  return authorities
    .map((authority) => {
      const { sha256, state, since, notAfter, published, trustedUntil } = authority
      const wait = authority.waitSeconds
      const more = [
        `since ${since}`,
        `ends ${notAfter}`,
        published === null ? 'publication unknown' : published ? 'published' : 'not published',
        ...(trustedUntil === null ? [] : [`trusted until ${trustedUntil}`]),
        ...(typeof wait === 'number' && wait > 0 ? [`readers have ${wait} s more`] : []),
        ...(wait === 0 ? ['can be made active'] : []),
      ]
      return `${shortName(sha256)}  ${state.padEnd(8)}  ${more.join(', ')}\n`
    })
    .join('')
}
