import { CountersignError } from '../../errors.ts'
import { realDelay, type Delay } from '../../kubernetes/backoff.ts'
import { createListeners } from '../../listeners.ts'
import type { Log } from '../../log.ts'
import {
  activeOf,
  isTrusted,
  type AuthorityState,
  type Journal,
} from '../../pki/authority-journal.ts'
import { checkForward, journalSecondsMax, shortName, withdrawn } from '../../pki/authority-steps.ts'
import {
  parseAuthority,
  type Authority,
  type AuthoritySource,
  type Rotation,
} from '../../pki/authority.ts'
import type { Bundle } from '../../pki/bundle.ts'
import type { CaCertificate } from '../../pki/ca-certificate.ts'
import type { Reloading } from '../../pki/reloading-files.ts'
import {
  openAuthority,
  readAuthority,
  type AuthorityContents,
  type AuthoritySecretOptions,
  type NoAuthority,
  type SecretPlace,
} from './authority-secret.ts'

/** A step reaches every replica in so much. */
const pollSeconds = 5

/**
 * Two looks. Shorter than a lease of the bundle, so that nobody who takes one over has missed what its holder took out.
 */
const freshSeconds = 2 * pollSeconds

interface FollowOptions extends SecretPlace {
  /** Below which every DNS name is that its certificates have. */
  readonly dnsSuffixes: readonly string[]
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Where CAs are requested: the anchors that they have to lead to. */
  readonly configured?: ConfiguredAnchors
  readonly log: Log
  /** A clock that only goes forward, in milliseconds. */
  readonly steadyNow?: () => number
  readonly delay?: Delay
}

/** As somebody has put them into a file. */
export type ConfiguredAnchors = Pick<Reloading<Bundle>, 'current' | 'problem' | 'onChange'>

/**
 * The authorities of a Secret as its journal has them now: read again every few seconds. What cannot be read leaves the last one in
 * force for as long as others reckon with it, and then nothing is signed.
 */
export async function openSecretAuthorities(
  options: AuthoritySecretOptions & FollowOptions,
): Promise<AuthoritySource & AsyncDisposable> {
  return new SecretAuthorities(options, await openAuthority(options))
}

/**
 * The same of CAs that are requested of one above them, of which there may be none yet. Only those sign that lead to an anchor which is
 * configured, and these are published before anything is signed below them: what comes with an answer vouches for nothing.
 */
export async function openRequestedAuthorities(
  options: FollowOptions & { readonly configured: ConfiguredAnchors },
): Promise<AuthoritySource & AsyncDisposable> {
  const requested = { ...options, kind: 'requested' } as const
  return new SecretAuthorities(requested, await readAuthority(requested))
}

class SecretAuthorities implements AuthoritySource, Rotation, AsyncDisposable {
  readonly #options: FollowOptions
  readonly #steadyNow: () => number
  readonly #listeners = createListeners()
  readonly #closing = new AbortController()
  readonly #stopListening: () => void
  readonly #done: Promise<void>
  #contents: AuthorityContents | NoAuthority
  #authority: Authority | undefined
  /** Of those that are configured no more nothing else may tell: no CA was ever below them, or none that the journal has still. */
  readonly #everConfigured = new Set<string>()
  /** Why there is none, where CAs are requested. */
  #why: CountersignError | undefined
  /** When what is in force was asked for, by the steady clock. */
  #readAt: number
  #problem: CountersignError | undefined

  constructor(options: FollowOptions, contents: AuthorityContents | NoAuthority) {
    this.#options = options
    this.#steadyNow = options.steadyNow ?? ((): number => performance.now())
    this.#readAt = this.#steadyNow()
    this.#contents = contents
    this.#put(contents)
    this.#stopListening = options.configured?.onChange(() => this.#judgeAgain()) ?? ((): void => {})
    this.#done = this.#follow()
  }

  get rotation(): Rotation {
    return this
  }

  get problem(): CountersignError | undefined {
    return this.#problem ?? this.#options.configured?.problem
  }

  current(): Authority {
    if (this.#steadyNow() - this.#readAt <= journalSecondsMax * 1000) {
      if (this.#authority === undefined) throw this.#why ?? noneYet()
      const { notAfter } = this.#authority
      if (this.#options.now() <= notAfter.getTime()) return this.#authority
      throw unavailable(`authority has ended, notAfter=${notAfter.toISOString()}`, {
        hint: 'docs/OPERATING.md, A CA that has ended',
      })
    }
    const why = this.#problem === undefined ? 'nothing was answered' : this.#problem.message
    throw unavailable(
      `authorities were not read for ${journalSecondsMax} s, and one may have been replaced: ${why}`,
    )
  }

  anchors(): readonly Buffer[] {
    const now = this.#options.now()
    const journal = this.journal()
    // The one that signs comes first: when there are too many, others are left out.
    return [
      ...(this.#authority?.anchors ?? []),
      ...this.#configuredAnchors().map(({ der }) => der),
      ...journal
        .filter((entry) => entry.state !== 'active' && isTrusted(entry, now))
        .map(({ anchor }) => anchor)
        // What is published already stays there until it is withdrawn. A journal alone adds none: whoever may write the Secret could.
        .filter((anchor) => this.#maySignBelow(anchor))
        .map(({ der }) => der),
    ]
  }

  journal(): Journal {
    return this.#contents.journal ?? []
  }

  states(): ReadonlyMap<string, AuthorityState> {
    return statesOf(this.journal())
  }

  withdrawn(): readonly string[] {
    const now = this.#options.now()
    const journal = this.journal()
    const trusted = journal.filter((entry) => isTrusted(entry, now)).map(({ anchor }) => anchor)
    const kept = new Set([...trusted, ...this.#configuredAnchors()].map(({ sha256 }) => sha256))
    const gone = [...withdrawn(journal, now), ...this.#everConfigured]
    return [...new Set(gone)].filter((each) => !kept.has(each))
  }

  /** The one before signs until its successor is in force here, too, and no longer than others reckon with; never below an anchor that was taken away. */
  maySign({ certificate: { sha256 } }: Authority): boolean {
    const entry = this.journal().find(({ certificate }) => certificate.sha256 === sha256)
    if (entry === undefined || !this.#maySignBelow(entry.anchor)) return false
    if (entry.state !== 'old') return entry.state === 'active'
    return this.#options.now() <= entry.since + journalSecondsMax * 1000
  }

  /** A step has put it there, and the step has waited. */
  isDelivered({ certificate: { sha256 } }: Authority): boolean {
    const active = activeOf(this.journal())
    return active?.certificate.sha256 === sha256 && active.delivered === true
  }

  isFresh(): boolean {
    return this.#problem === undefined && this.#steadyNow() - this.#readAt <= freshSeconds * 1000
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.onChange(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopListening()
    this.#closing.abort()
    this.#listeners.clear()
    await this.#done
  }

  async #follow(): Promise<void> {
    const { delay = realDelay, log } = this.#options
    const { signal } = this.#closing
    while (!signal.aborted) {
      await delay(pollSeconds * 1000, signal).catch(() => {})
      if (signal.aborted) return
      await this.#readAgain().catch((error: unknown) => {
        const message = error instanceof Error ? error.message : String(error)
        if (this.#problem === undefined) log.warn({ error }, 'authorities are not read again')
        this.#problem = unavailable(message, { cause: error })
      })
    }
  }

  async #readAgain(): Promise<void> {
    const begun = this.#steadyNow()
    const next = await readAuthority(this.#options)
    if (next.journal === undefined && this.#contents.journal !== undefined) {
      throw new CountersignError('pki/authority', 'secret of the authority is empty', {
        hint: 'put back what it held; to begin with another CA, start the signers anew',
      })
    }
    const { uid, resourceVersion } = this.#contents.metadata
    const changed = next.metadata.uid !== uid || next.metadata.resourceVersion !== resourceVersion
    if (changed) this.#take(next)
    // Counted from before it was asked for: what was answered is no younger than that.
    this.#readAt = begun
    this.#problem = undefined
  }

  #take(next: AuthorityContents | NoAuthority): void {
    const journal = next.journal ?? []
    checkForward(this.journal(), journal, this.#options.now())
    this.#put(next)
    this.#contents = next
    this.#options.log.info(
      { authorities: Object.fromEntries(statesOf(journal)) },
      'authorities are read',
    )
    this.#listeners.tell()
  }

  /** Other anchors are configured: the CA in force may be below none of them, and another one may be wanted. */
  #judgeAgain(): void {
    this.#put(this.#contents)
    this.#listeners.tell()
  }

  #put(contents: AuthorityContents | NoAuthority): void {
    const why = this.#unfit(contents)
    const authority =
      why === undefined && contents.journal !== undefined ? this.#load(contents) : undefined
    this.#why = why
    for (const { sha256 } of this.#configuredAnchors()) this.#everConfigured.add(sha256)
    // The same one stays the same value: whoever compares sees no change where there is none.
    if (authority?.certificate.sha256 !== this.#authority?.certificate.sha256)
      this.#authority = authority
  }

  /** Why nothing signs by what the Secret says, though it says it well: only where CAs are requested. */
  #unfit({ journal = [] }: AuthorityContents | NoAuthority): CountersignError | undefined {
    const { configured } = this.#options
    if (configured === undefined) return undefined
    const active = activeOf(journal)
    if (active === undefined) return noneYet()
    if (this.#maySignBelow(active.anchor)) return undefined
    const why = configured.problem?.message ?? 'another one is asked for'
    return unavailable(
      `authority ${shortName(active.certificate.sha256)} leads to no anchor that is configured: ${why}`,
    )
  }

  #maySignBelow({ sha256 }: CaCertificate): boolean {
    if (this.#options.configured === undefined) return true
    return this.#configuredAnchors().some((anchor) => anchor.sha256 === sha256)
  }

  /** None while the file cannot be read, and none where nobody configures any. */
  #configuredAnchors(): readonly CaCertificate[] {
    try {
      return this.#options.configured?.current().anchors ?? []
    } catch {
      return []
    }
  }

  #load({ journal, activeKeyPem: privateKeyPem }: AuthorityContents): Authority {
    const { trustDomain, dnsSuffixes, now } = this.#options
    const active = activeOf(journal)
    const certificatePem = active?.certificatePem ?? ''
    const ends = active?.notAfter.getTime() ?? Infinity
    return parseAuthority({
      certificatePem,
      privateKeyPem,
      trustDomain,
      dnsSuffixes,
      // One that has ended is held, too: its successor has to be published and followed.
      now: () => Math.min(now(), ends),
    })
  }
}

function statesOf(journal: Journal): ReadonlyMap<string, AuthorityState> {
  return new Map(journal.map(({ state, certificate }) => [shortName(certificate.sha256), state]))
}

function unavailable(
  message: string,
  more: { readonly hint?: string; readonly cause?: unknown } = {},
): CountersignError {
  return new CountersignError('pki/authority-unavailable', message, more)
}

function noneYet(): CountersignError {
  return unavailable('no CA was issued to this signer yet')
}
