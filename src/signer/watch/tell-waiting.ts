import type { Condition } from '../../readiness.ts'
import type { Delay } from '../../kubernetes/backoff.ts'
import type { Informer } from '../../kubernetes/informer.ts'
import { askingPod, type PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import type { IssuancePorts } from '../issue/ports.ts'

/** A start that takes no longer is not worth an event on every pod. */
const patienceMilliseconds = 2000

const reasonCharactersMax = 900

/**
 * While the signer cannot start, nobody looks at requests: the people of their pods are told what is in the way, once for each
 * request and each obstacle.
 */
export function tellWaiting(options: {
  readonly requests: Pick<Informer<PodCertificateRequest>, 'list'>
  readonly conditions: () => readonly Condition[]
  readonly emitEvent: IssuancePorts['emitEvent']
  readonly delay: Delay
}): AsyncDisposable {
  const { requests, conditions, emitEvent, delay } = options
  const closing = new AbortController()
  /** By the request's UID: the names of what it was told. */
  let told = new Map<string, string>()

  function tell(): void {
    const unmet = conditions().filter(({ ok, optional }) => !ok && optional !== true)
    if (unmet.length === 0) return
    const why = unmet.map(({ name, reason }) => `${name}: ${reason}`).join('; ')
    const message = `the signer is not ready: ${why}`.slice(0, reasonCharactersMax)
    const obstacles = unmet.map(({ name }) => name).join(' ')
    const now = new Map<string, string>()
    for (const request of requests.list()) {
      const { metadata, status } = request
      if (status.terminal !== undefined) continue
      now.set(metadata.uid, obstacles)
      if (told.get(metadata.uid) === obstacles) continue
      emitEvent({ pod: askingPod(request), type: 'Warning', reason: 'CertificatePending', message })
    }
    told = now
  }
  async function run(): Promise<void> {
    while (!closing.signal.aborted) {
      await delay(patienceMilliseconds, closing.signal).catch(() => {})
      if (!closing.signal.aborted) tell()
    }
  }
  const done = run()
  return {
    async [Symbol.asyncDispose]() {
      closing.abort()
      await done
    },
  }
}
