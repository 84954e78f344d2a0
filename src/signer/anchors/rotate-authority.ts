import { CountersignError } from '../../errors.ts'
import { ApiError, isConflict } from '../../kubernetes/api-error.ts'
import type { Metadata } from '../../kubernetes/resource.ts'
import {
  activeOf,
  entryOf,
  formatJournal,
  parseJournal,
  preparedOf,
  type Journal,
} from '../../pki/authority-journal.ts'
import { activate, prepare, revoke, shortName, taint } from '../../pki/authority-steps.ts'
import { createSelfSignedAuthority, parseAuthority } from '../../pki/authority.ts'
import {
  readAuthority,
  writeAuthority,
  type AuthorityContents,
  type AuthoritySecretOptions,
} from './authority-secret.ts'
import { deliveredSeconds, type Delivery } from './delivery.ts'

export type RotationStep =
  | { readonly kind: 'prepare' }
  /** Readers are not waited for, and the one before is tainted. */
  | { readonly kind: 'activate'; readonly leaked: true }
  | WaitingStep
  | { readonly kind: 'taint'; readonly name: string }
  | { readonly kind: 'revoke'; readonly name: string }

interface WaitingStep {
  readonly kind: 'activate'
  readonly leaked: false
  readonly delivery: Delivery
  readonly propagationSeconds: number
  /** Whoever gives the step says that readers have the anchor: counts where the cluster serves no bundles alone. */
  readonly delivered: boolean
}

/**
 * Takes one step of the rotation of a self-signed CA, and gives the journal that follows; where `seen` is given, only while the Secret
 * has that journal. Throws `pki/authority-step` when it is out of order, when its proof is missing, or when somebody else took one
 * meanwhile; then nothing was changed. Where the answer was lost and the Secret does not tell, the error says that the step may have
 * been taken.
 */
export async function rotateAuthority(
  step: RotationStep,
  options: AuthoritySecretOptions,
  seen?: Journal,
): Promise<{ readonly journal: Journal; readonly metadata: Metadata }> {
  const contents = await readAuthority(options)
  if (contents.journal === undefined) {
    const hint = 'start a signer: it makes the first one'
    throw new CountersignError('pki/authority-step', 'authority: none is active yet', { hint })
  }
  const { metadata } = contents
  if (seen !== undefined) checkSeen(seen, contents.journal)
  const next = follow(step, contents, options)
  checkReadable(next.journal, options)
  try {
    await writeAuthority(next, options)
  } catch (error) {
    if (isConflict(error)) throw takenMeanwhile()
    if (!mayHaveHappened(error)) throw error
    await lookFor(next.journal, options, error)
  }
  return { journal: next.journal, metadata }
}

/** Who decides by what was read a while ago decides nothing when it is not so any more. Throws `pki/authority-step`. */
export function checkSeen(seen: Journal, found: Journal): void {
  if (formatJournal(seen) !== formatJournal(found)) throw takenMeanwhile()
}

/** For a write over what is not there any more. */
export function takenMeanwhile(): CountersignError {
  const message = 'authority: somebody else took a step meanwhile'
  return new CountersignError('pki/authority-step', message, { hint: 'countersign ca status' })
}

/** A journal that no replica could read is not written: a CA that people have put there may be more than one root. */
export function checkReadable(
  journal: Journal,
  { trustDomain, kind = 'selfSigned' }: Pick<AuthoritySecretOptions, 'trustDomain' | 'kind'>,
): void {
  try {
    parseJournal(formatJournal(journal), trustDomain, kind)
  } catch (error) {
    const message = 'authority: what is in the Secret is no CA that can be rotated step by step'
    const hint = 'rotate it by another Secret, or in files: docs/OPERATING.md, Another CA'
    throw new CountersignError('pki/authority-step', message, { hint, cause: error })
  }
}

/** No answer, one that cannot be used, or one of a proxy or server that does not know itself. */
function mayHaveHappened(error: unknown): boolean {
  if (error instanceof ApiError) return error.status >= 500
  if (!(error instanceof CountersignError)) return false
  return error.code === 'kubernetes/unreachable' || error.code === 'kubernetes/answer'
}

/** Only what stands in the Secret tells: what is not there yet may still be on its way. */
async function lookFor(
  journal: Journal,
  options: AuthoritySecretOptions,
  cause: unknown,
): Promise<void> {
  const found = await readAuthority(options).catch(() => undefined)
  if (found?.journal !== undefined && formatJournal(found.journal) === formatJournal(journal)) {
    return
  }
  const message = 'authority: the step may have been taken: its answer was lost'
  const hint = 'before you try again: countersign ca status'
  throw new CountersignError('pki/authority-step', message, { hint, cause })
}

function follow(
  step: RotationStep,
  contents: AuthorityContents,
  options: AuthoritySecretOptions,
): AuthorityContents {
  const { journal } = contents
  const now = options.now()
  const requested = options.kind === 'requested'
  if (step.kind === 'prepare') {
    if (requested) throw askedByItself()
    const made = createSelfSignedAuthority(options)
    const entry = entryOf(made.certificatePem, { state: 'prepared', since: now })
    const preparedKeyPem = made.privateKeyPem
    return { ...contents, journal: prepare(journal, entry, now), preparedKeyPem }
  }
  if (step.kind === 'activate') {
    const next = activate(journal, now, step.leaked)
    const activeKeyPem = usableKey(contents, options)
    if (!step.leaked) checkDelivery(journal, step, now)
    return { metadata: contents.metadata, journal: next, activeKeyPem }
  }
  if (step.kind === 'taint') return { ...contents, journal: taint(journal, step.name) }
  const take = requested ? revokeBelowAnchor : revoke
  return withoutLostKey({ ...contents, journal: take(journal, step.name, now) })
}

function askedByItself(): CountersignError {
  const message =
    'authority: the CA is requested by the signer itself, before the one before it ends'
  return new CountersignError('pki/authority-step', message, {
    hint: 'docs/OPERATING.md, A CA from cert-manager',
  })
}

/**
 * What has signed is refused only when its anchor goes. That stays while another CA signs below it, or is to; those that sign no more
 * go with it.
 */
function revokeBelowAnchor(journal: Journal, name: string, now: number): Journal {
  const revoked = revoke(journal, name, now)
  const chosen = journal.find((entry, index) => revoked[index]?.state !== entry.state)
  if (chosen === undefined || chosen.state === 'prepared') return revoked
  const { anchor, certificate } = chosen
  const others = revoked.filter(
    (entry) => entry.state !== 'revoked' && entry.anchor.sha256 === anchor.sha256,
  )
  if (others.every(({ state }) => state === 'old' || state === 'tainted')) {
    return others.reduce((left, other) => revoke(left, other.certificate.sha256, now), revoked)
  }
  const message = `authority: ${shortName(certificate.sha256)} has the anchor of another CA here, so readers would take its certificates all the same`
  throw new CountersignError('pki/authority-step', message, {
    hint: 'configure another anchor, and a CA below it: docs/OPERATING.md, A CA from cert-manager',
  })
}

/** Of a prepared one that is revoked the key goes, too. */
function withoutLostKey(next: AuthorityContents): AuthorityContents {
  if (preparedOf(next.journal) !== undefined) return next
  return { ...next, preparedKeyPem: undefined }
}

/** What cannot sign is not put in force: its key, its path and its end are judged as signers will. */
function usableKey(contents: AuthorityContents, options: AuthoritySecretOptions): string {
  const privateKeyPem = contents.preparedKeyPem ?? ''
  const certificatePem = preparedOf(contents.journal)?.certificatePem ?? ''
  const { trustDomain, dnsSuffixes, now } = options
  parseAuthority({ certificatePem, privateKeyPem, trustDomain, dnsSuffixes, now })
  return privateKeyPem
}

function checkDelivery(journal: Journal, step: WaitingStep, now: number): void {
  const prepared = preparedOf(journal)
  if (prepared === undefined) return
  const { delivery, delivered } = step
  const { bundle } = delivery
  // What readers verify the active one by, they verify this one by.
  const same = activeOf(journal)?.anchor.sha256 === prepared.anchor.sha256
  if (same) return
  const name = shortName(prepared.certificate.sha256)
  if (bundle === undefined) {
    if (delivered) return
    throw notProved(
      `this cluster serves no ClusterTrustBundles, so nobody can prove that readers have the anchor of ${name}`,
      'give it to them, and say so: countersign ca activate --delivered',
    )
  }
  const seconds = deliveredSeconds(delivery, prepared, now)
  if (seconds === undefined) {
    throw notProved(
      `the anchor of ${name} is not in the trust bundle ${bundle}`,
      'a running signer publishes it within seconds: see its /readyz and log',
    )
  }
  const left = Math.ceil(step.propagationSeconds - seconds)
  if (left > 0) {
    throw notProved(
      `the anchor of ${name} was published ${Math.floor(seconds)} s ago, and readers have ${left} s more to take it up`,
      `try again in ${left} s; what is not proved before is that every kubelet has written it`,
    )
  }
}

function notProved(message: string, hint: string): CountersignError {
  return new CountersignError('pki/authority-step', `authority: ${message}`, { hint })
}
