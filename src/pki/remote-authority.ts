import type { KeyObject } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { CountersignError } from '../errors.ts'
import type { TrustDomain } from '../identity/trust-domain.ts'
import { createListeners } from '../listeners.ts'
import type { Log } from '../log.ts'
import { authorityOf, notEnded, parseAuthorityPath } from './authority.ts'
import type { Authority, AuthorityPath, AuthoritySource } from './authority.ts'
import { proveKey } from './ca-key.ts'
import type { CaKey } from './ca-key.ts'
import { openReloadingFiles } from './reloading-files.ts'
import type { Reloading } from './reloading-files.ts'

/** Between two looks at a key that does not answer, or is another one. */
const retrySecondsDefault = 5

export interface RemoteAuthorityOptions {
  /** The CA's certificate first, then those above it to the root. */
  readonly certificateFile: string
  /** The key of a certificate, kept elsewhere: nothing is asked of it before it is used. */
  readonly keyOf: (publicKey: KeyObject) => CaKey
  readonly trustDomain: TrustDomain
  /** Below which every DNS name is that it has to sign for. */
  readonly dnsSuffixes?: readonly string[]
  readonly now: () => number
  readonly log: Log
  /** Told of each change of the file. */
  readonly onReload?: (outcome: 'taken' | 'refused') => void
  readonly pollSeconds?: number
  readonly retrySeconds?: number
}

/**
 * A CA whose certificate is in a file, which is followed, and whose key is kept elsewhere. It signs once the key has proved to be the one of
 * the certificate, and while it answers: a key that fails is asked again every few seconds, and nothing is prepared for it
 * meanwhile. A certificate whose key does not prove itself leaves the one before in force.
 */
export async function openRemoteAuthority(
  options: RemoteAuthorityOptions,
): Promise<AuthoritySource & AsyncDisposable> {
  const { certificateFile, trustDomain, now, log, pollSeconds, dnsSuffixes, onReload } = options
  const path = { trustDomain, now, ...(dnsSuffixes === undefined ? {} : { dnsSuffixes }) }
  const files = await openReloadingFiles({
    files: [certificateFile],
    code: 'pki/authority',
    parse: ([certificatePem = '']) => parseAuthorityPath({ certificatePem, ...path }),
    log,
    awaited: true,
    ...(onReload === undefined ? {} : { onReload }),
    ...(pollSeconds === undefined ? {} : { pollSeconds }),
  })
  return new RemoteAuthority(options, files)
}

interface Proved {
  readonly path: AuthorityPath
  readonly authority: Authority
}

class RemoteAuthority implements AuthoritySource, AsyncDisposable {
  readonly #options: RemoteAuthorityOptions
  readonly #files: Reloading<AuthorityPath>
  readonly #listeners = createListeners()
  readonly #closing = new AbortController()
  readonly #done: Promise<void>
  #wake = new AbortController()
  /** Whose key has proved itself last. */
  #proved: Proved | undefined
  /** Why that key is not asked now. */
  #lost: CountersignError | undefined
  /** Why what is in the file is not what is in force. */
  #problem: CountersignError | undefined

  constructor(options: RemoteAuthorityOptions, files: Reloading<AuthorityPath>) {
    this.#options = options
    this.#files = files
    files.onChange(() => this.#wake.abort())
    this.#done = this.#run()
  }

  get problem(): CountersignError | undefined {
    return this.#files.problem ?? this.#problem
  }

  current(): Authority {
    if (this.#lost !== undefined) throw this.#lost
    return notEnded(this.#last(), this.#options.now())
  }

  anchors(): readonly Buffer[] {
    return this.#last().anchors
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.onChange(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    this.#listeners.clear()
    await this.#files[Symbol.asyncDispose]()
    await this.#done
  }

  #last(): Authority {
    if (this.#proved !== undefined) return this.#proved.authority
    throw unavailable(this.problem ?? new Error('key of the authority has not answered yet'))
  }

  async #run(): Promise<void> {
    const { retrySeconds = retrySecondsDefault, log } = this.#options
    while (!this.#closing.signal.aborted) {
      // Before the file is looked at, so that no change falls between.
      this.#wake = new AbortController()
      const signal = AbortSignal.any([this.#closing.signal, this.#wake.signal])
      let seconds = 24 * 3600
      try {
        await this.#prove()
      } catch (error) {
        const problem = asProblem(error)
        if (problem.message !== this.#problem?.message) {
          log.warn({ error }, 'key of the authority is not in use')
        }
        this.#problem = problem
        seconds = retrySeconds
      }
      await sleep(seconds * 1000, undefined, { signal }).catch(() => {})
    }
  }

  async #prove(): Promise<void> {
    const path = this.#files.current()
    const before = this.#proved
    // One that has failed signs again, whatever becomes of the one after it.
    if (before !== undefined && before.path !== path) await this.#proveAgain(before).catch(() => {})
    if (before?.path === path) await this.#proveAgain(before)
    else await this.#proveNext(path)
    this.#problem = undefined
  }

  async #proveAgain({ path, authority }: Proved): Promise<void> {
    if (this.#lost === undefined) return
    await proveKey(this.#options.keyOf(path[0].publicKey))
    this.#use({ path, authority })
  }

  async #proveNext(path: AuthorityPath): Promise<void> {
    const { keyOf, trustDomain } = this.#options
    const key = keyOf(path[0].publicKey)
    await proveKey(key)
    this.#use({ path, authority: authorityOf(path, this.#watched(key), trustDomain) })
  }

  #use(proved: Proved): void {
    this.#proved = proved
    this.#lost = undefined
    this.#problem = undefined
    this.#options.log.info(
      { authority: proved.authority.certificate.sha256 },
      'key of the authority has proved itself',
    )
    this.#listeners.tell()
  }

  /** The key, with a word to us when it fails: it has to prove itself again. */
  #watched(key: CaKey): CaKey {
    return {
      ...key,
      sign: async (octets) => {
        try {
          return await key.sign(octets)
        } catch (error) {
          this.#lost = unavailable(error)
          this.#wake.abort()
          throw error
        }
      },
    }
  }
}

function asProblem(error: unknown): CountersignError {
  return error instanceof CountersignError ? error : unavailable(error)
}

function unavailable(cause: unknown): CountersignError {
  const message = cause instanceof Error ? cause.message : String(cause)
  const hint = cause instanceof CountersignError ? cause.hint : undefined
  const more = hint === undefined ? { cause } : { cause, hint }
  return new CountersignError('pki/authority-unavailable', message, more)
}
