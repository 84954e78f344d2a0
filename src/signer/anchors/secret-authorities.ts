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
import {
  openAuthority,
  readAuthority,
  type AuthorityContents,
  type AuthoritySecretOptions,
} from './authority-secret.ts'

/** A step reaches every replica in so much. */
const pollSeconds = 5

/**
 * Two looks. Shorter than a lease of the bundle, so that nobody who takes one over has missed what its holder took out.
 */
const freshSeconds = 2 * pollSeconds

interface SecretAuthoritiesOptions extends AuthoritySecretOptions {
  readonly log: Log
  /** A clock that only goes forward, in milliseconds. */
  readonly steadyNow?: () => number
  readonly delay?: Delay
}

/**
 * The authorities of a Secret as its journal has them now: read again every few seconds. What cannot be read leaves the last one in
 * force for as long as others reckon with it, and then nothing is signed.
 */
export async function openSecretAuthorities(
  options: SecretAuthoritiesOptions,
): Promise<AuthoritySource & AsyncDisposable> {
  return new SecretAuthorities(options, await openAuthority(options))
}

class SecretAuthorities implements AuthoritySource, Rotation, AsyncDisposable {
  readonly #options: SecretAuthoritiesOptions
  readonly #steadyNow: () => number
  readonly #listeners = createListeners()
  readonly #closing = new AbortController()
  readonly #done: Promise<void>
  #contents: AuthorityContents
  #authority: Authority
  /** When what is in force was asked for, by the steady clock. */
  #readAt: number
  #problem: CountersignError | undefined

  constructor(options: SecretAuthoritiesOptions, contents: AuthorityContents) {
    this.#options = options
    this.#steadyNow = options.steadyNow ?? ((): number => performance.now())
    this.#readAt = this.#steadyNow()
    this.#contents = contents
    this.#authority = this.#load(contents)
    this.#done = this.#follow()
  }

  get rotation(): Rotation {
    return this
  }

  get problem(): CountersignError | undefined {
    return this.#problem
  }

  current(): Authority {
    if (this.#steadyNow() - this.#readAt <= journalSecondsMax * 1000) {
      const { notAfter } = this.#authority
      if (this.#options.now() <= notAfter.getTime()) return this.#authority
      throw new CountersignError(
        'pki/authority-unavailable',
        `authority has ended, notAfter=${notAfter.toISOString()}`,
        { hint: 'docs/OPERATING.md, A CA that has ended' },
      )
    }
    const why = this.#problem === undefined ? 'nothing was answered' : this.#problem.message
    throw new CountersignError(
      'pki/authority-unavailable',
      `authorities were not read for ${journalSecondsMax} s, and one may have been replaced: ${why}`,
    )
  }

  anchors(): readonly Buffer[] {
    const now = this.#options.now()
    // The one that signs comes first: when there are too many, others are left out.
    return [
      ...this.#authority.anchors,
      ...this.#contents.journal
        .filter((entry) => entry.state !== 'active' && isTrusted(entry, now))
        .map(({ certificate }) => certificate.der),
    ]
  }

  journal(): Journal {
    return this.#contents.journal
  }

  states(): ReadonlyMap<string, AuthorityState> {
    return statesOf(this.#contents.journal)
  }

  withdrawn(): readonly string[] {
    return withdrawn(this.#contents.journal, this.#options.now())
  }

  /** The one before signs until its successor is in force here, too, and no longer than others reckon with. */
  maySign({ certificate: { sha256 } }: Authority): boolean {
    const entry = this.#contents.journal.find(({ certificate }) => certificate.sha256 === sha256)
    if (entry?.state !== 'old') return entry?.state === 'active'
    return this.#options.now() <= entry.since + journalSecondsMax * 1000
  }

  /** A step has put it there, and the step has waited. */
  isDelivered({ certificate: { sha256 } }: Authority): boolean {
    const active = activeOf(this.#contents.journal)
    return active?.certificate.sha256 === sha256 && active.delivered === true
  }

  isFresh(): boolean {
    return this.#problem === undefined && this.#steadyNow() - this.#readAt <= freshSeconds * 1000
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.onChange(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
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
        this.#problem = new CountersignError('pki/authority-unavailable', message, { cause: error })
      })
    }
  }

  async #readAgain(): Promise<void> {
    const begun = this.#steadyNow()
    const next = await readAuthority(this.#options)
    if (next.journal === undefined) {
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

  #take(next: AuthorityContents): void {
    checkForward(this.#contents.journal, next.journal, this.#options.now())
    const active = this.#load(next)
    // The same one stays the same value: whoever compares sees no change where there is none.
    if (active.certificate.sha256 !== this.#authority.certificate.sha256) this.#authority = active
    this.#contents = next
    this.#options.log.info(
      { authorities: Object.fromEntries(statesOf(next.journal)) },
      'authorities are read',
    )
    this.#listeners.tell()
  }

  #load({ journal, activeKeyPem: privateKeyPem }: AuthorityContents): Authority {
    const { trustDomain, dnsSuffixes, now } = this.#options
    const active = activeOf(journal)
    const certificatePem = active?.certificatePem ?? ''
    const ends = active?.certificate.notAfter.getTime() ?? Infinity
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
