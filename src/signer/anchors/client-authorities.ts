import { CountersignError } from '../../errors.ts'
import type { ApiClient } from '../../kubernetes/api-client.ts'
import { ApiError } from '../../kubernetes/api-error.ts'
import { backoffMilliseconds, realDelay, type Delay } from '../../kubernetes/backoff.ts'
import { configMaps } from '../../kubernetes/config-map.ts'
import { readObject } from '../../kubernetes/objects.ts'
import { createListeners } from '../../listeners.ts'
import type { Log } from '../../log.ts'
import type { AuthoritySource } from '../../pki/authority.ts'
import { publicKeysIn, publicKeySha256 } from '../../pki/public-keys.ts'
import { lookAgain } from './look-again.ts'

/** Where the API server itself says by which CAs it knows its clients. */
export const clientAuthoritiesPlace = {
  namespace: 'kube-system',
  name: 'extension-apiserver-authentication',
} as const

/** Those of its users, and those of proxies that speak for any user. */
const members = ['client-ca-file', 'requestheader-client-ca-file'] as const

/** A cluster has another one every few years. */
const lookMilliseconds = 60_000

const backoff = { baseSeconds: 0.25, maxSeconds: 30 }

/**
 * A source of authorities of which none signs, and none is published, that is a CA by which the API server knows its clients, or is below one:
 * its key would make any user of the cluster, and every certificate of the cluster would be verified by what pods mount. Nothing signs
 * before that is known, also where this signer may not read it; what was read once counts until it is read again.
 */
export function withoutClientAuthorities(
  source: AuthoritySource,
  options: { readonly client: ApiClient; readonly log: Log; readonly delay?: Delay },
): AuthoritySource & AsyncDisposable {
  const { client, log, delay = realDelay } = options
  const closing = new AbortController()
  const { signal } = closing
  const listeners = createListeners()
  let known: ReadonlySet<string> | undefined
  let why: unknown = 'not yet'
  let failures = 0
  const isClients = (der: Buffer): boolean => known?.has(publicKeySha256(der) ?? '') ?? false

  function take(keys: readonly string[]): void {
    const isNews = known === undefined || keys.join() !== [...known].join()
    known = new Set(keys)
    failures = 0
    if (isNews) listeners.tell()
  }

  async function look(): Promise<number> {
    try {
      const found = await readObject(client, configMaps, { ...clientAuthoritiesPlace, signal })
      take(members.flatMap((member) => publicKeysIn(found?.data[member] ?? '')))
      return lookMilliseconds
    } catch (error) {
      if (signal.aborted) return lookMilliseconds
      failures += 1
      why = error
      if (failures === 1) log.warn({ error }, 'client CAs of the cluster are not read')
      return backoffMilliseconds(backoff, failures, Math.random)
    }
  }

  const done = lookAgain(look, { delay, signal })
  const stopListening = source.onChange(listeners.tell)
  return {
    current() {
      // What the source itself lacks is said first: it does not mend by waiting for the cluster.
      const authority = source.current()
      if (known === undefined) throw notRead(why)
      const odd = authority.path.findIndex(({ der }) => isClients(der))
      if (odd === -1) return authority
      throw unavailable(
        `${odd === 0 ? 'authority' : `CA ${odd} above the authority`} is one by which the API server knows its clients: whoever has its key is any user of the cluster`,
        'give the signer a CA of its own, below a root of its own: docs/OPERATING.md, The authority',
      )
    },
    anchors: () =>
      known === undefined ? [] : source.anchors().filter((anchor) => !isClients(anchor)),
    get rotation() {
      return source.rotation
    },
    get problem() {
      return source.problem
    },
    onChange: listeners.onChange,
    async [Symbol.asyncDispose]() {
      stopListening()
      closing.abort()
      listeners.clear()
      await done
    },
  }
}

function notRead(why: unknown): CountersignError {
  const said = why instanceof Error ? why.message : String(why)
  const message = `client CAs of the cluster are not read: ${said}`
  const isForbidden = why instanceof ApiError && why.status === 403
  return unavailable(message, isForbidden ? toBeGiven : undefined)
}

const toBeGiven = `give the signer the right to get ConfigMap ${clientAuthoritiesPlace.namespace}/${clientAuthoritiesPlace.name}: docs/ISSUANCE.md, Rights`

function unavailable(message: string, hint?: string): CountersignError {
  return new CountersignError(
    'pki/authority-unavailable',
    message,
    hint === undefined ? {} : { hint },
  )
}
