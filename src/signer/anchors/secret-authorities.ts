import { CountersignError } from '../../errors.ts'
import { realDelay, type Delay } from '../../kubernetes/backoff.ts'
import { createListeners } from '../../listeners.ts'
import type { Log } from '../../log.ts'
import { activeOf, isTrusted, type Journal } from '../../pki/authority-journal.ts'
import { journalSecondsMax, shortName, withdrawn } from '../../pki/authority-steps.ts'
import { parseAuthority, type Authority, type AuthoritySource } from '../../pki/authority.ts'
import {
  openAuthority,
  readAuthority,
  type AuthorityContents,
  type AuthoritySecretOptions,
} from './authority-secret.ts'

/** A step reaches every replica in so much. */
const pollSeconds = 5

export interface SecretAuthorities extends AuthoritySource, AsyncDisposable {
  journal(): Journal
}

/**
 * The authorities of a Secret as its journal has them now: read again every few seconds. What cannot be read leaves the last one in
 * force for as long as others reckon with it, and then nothing is signed.
 */
export async function openSecretAuthorities(
  options: AuthoritySecretOptions & {
    readonly log: Log
    /** A clock that only goes forward, in milliseconds. */
    readonly steadyNow?: () => number
    readonly delay?: Delay
  },
): Promise<SecretAuthorities> {
  const { log, now, trustDomain, dnsSuffixes, delay = realDelay } = options
  const { steadyNow = () => performance.now() } = options
  const listeners = createListeners()
  const closing = new AbortController()
  const { signal } = closing
  let contents = await openAuthority(options)
  let readAt = steadyNow()
  let authority = loaded(contents)
  let problem: CountersignError | undefined

  function loaded({ journal, activeKeyPem }: AuthorityContents): Authority {
    const certificatePem = activeOf(journal)?.certificatePem ?? ''
    return parseAuthority({
      certificatePem,
      privateKeyPem: activeKeyPem,
      trustDomain,
      dnsSuffixes,
      now,
    })
  }

  async function readAgain(): Promise<void> {
    const begun = steadyNow()
    const next = await readAuthority(options)
    if (next.journal === undefined) {
      throw new CountersignError('pki/authority', 'secret of the authority is empty', {
        hint: 'put back what it held; to begin with another CA, start the signers anew',
      })
    }
    const { uid, resourceVersion } = contents.metadata
    if (next.metadata.uid !== uid || next.metadata.resourceVersion !== resourceVersion) {
      const active = loaded(next)
      // The same one stays the same value: whoever compares sees no change where there is none.
      if (active.certificate.sha256 !== authority.certificate.sha256) authority = active
      contents = next
      log.info({ authorities: told(next.journal) }, 'authorities are read')
      listeners.tell()
    }
    // Counted from before it was asked for: what was answered is no younger than that.
    readAt = begun
    problem = undefined
  }

  async function follow(): Promise<void> {
    while (!signal.aborted) {
      await delay(pollSeconds * 1000, signal).catch(() => {})
      if (signal.aborted) return
      await readAgain().catch((error: unknown) => {
        const message = error instanceof Error ? error.message : String(error)
        if (problem === undefined) log.warn({ error }, 'authorities are not read again')
        problem = new CountersignError('pki/authority-unavailable', message, { cause: error })
      })
    }
  }
  const done = follow()
  return {
    current() {
      if (steadyNow() - readAt <= journalSecondsMax * 1000) return authority
      const why = problem === undefined ? 'nothing was answered' : problem.message
      throw new CountersignError(
        'pki/authority-unavailable',
        `authorities were not read for ${journalSecondsMax} s, and one may have been replaced: ${why}`,
      )
    },
    // The one that signs comes first: when there are too many, others are left out.
    anchors: () => [
      ...authority.anchors,
      ...contents.journal
        .filter((entry) => entry.state !== 'active' && isTrusted(entry, now()))
        .map(({ certificate }) => certificate.der),
    ],
    withdrawn: () => withdrawn(contents.journal, now()),
    maySign: ({ certificate }) => certificate.sha256 === authority.certificate.sha256,
    // A step has put it there, and the step has waited.
    isDelivered: () =>
      contents.journal.some(({ state }) => state !== 'active' && state !== 'prepared'),
    journal: () => contents.journal,
    get problem() {
      return problem
    },
    onChange: listeners.onChange,
    async [Symbol.asyncDispose]() {
      closing.abort()
      listeners.clear()
      await done
    },
  }
}

function told(journal: Journal): Readonly<Record<string, string>> {
  return Object.fromEntries(journal.map((entry) => [shortName(entry), entry.state]))
}
