import { CountersignError } from '../errors.ts'
import type { Condition } from '../readiness.ts'
import type { ApiClient } from './api-client.ts'
import { ApiError } from './api-error.ts'
import type { JsonLine } from './json-lines.ts'

/** A client that notes whether the API server answers. */
export interface ObservedClient extends ApiClient {
  condition(): Condition
}

/** One request that got no answer is no news: connections end, servers are replaced. */
const silentSecondsMax = 15

/** Every answer counts, a refusal as well: only what came from nobody does not. */
export function observeClient(client: ApiClient, now: () => number): ObservedClient {
  let answered = false
  /** Since when nothing came, and why. */
  let silent: { readonly since: number; readonly why: string } | undefined
  let refused: string | undefined

  function note(error: unknown): void {
    if (!(error instanceof CountersignError)) return
    const { code, message } = error
    if (code === 'kubernetes/unreachable' || code === 'kubernetes/configuration') {
      silent = { since: silent?.since ?? now(), why: message }
    } else if (code !== 'kubernetes/closed' && code !== 'kubernetes/silent') heard(error)
  }
  function heard(error?: unknown): void {
    answered = true
    silent = undefined
    refused = error instanceof ApiError && error.status === 401 ? error.message : undefined
  }
  async function request<T>(asked: Parameters<ApiClient['request']>[0]): Promise<T> {
    try {
      const answer = await client.request<T>(asked)
      heard()
      return answer
    } catch (error) {
      note(error)
      throw error
    }
  }
  async function* stream(asked: Parameters<ApiClient['stream']>[0]): AsyncIterable<JsonLine> {
    const onOpen = (): void => {
      heard()
      asked.onOpen?.()
    }
    try {
      yield* client.stream({ ...asked, onOpen })
    } catch (error) {
      note(error)
      throw error
    }
  }
  return {
    ...client,
    server: client.server,
    request,
    stream,
    condition() {
      const name = 'kubernetes'
      if (refused !== undefined) {
        const reason = `our credential is not accepted: ${refused}. Look at the kubeconfig, or at the token of the service account`
        return { name, ok: false, reason }
      }
      if (silent !== undefined) {
        const since = new Date(silent.since).toISOString()
        const reason = `${client.server} gives no answer since ${since}: ${silent.why}`
        const isLong = !answered || now() - silent.since > silentSecondsMax * 1000
        return { name, ok: !isLong, reason }
      }
      return { name, ok: answered, reason: `${client.server} ${answered ? 'answers' : 'is asked'}` }
    },
  }
}
