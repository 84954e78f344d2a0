import { CountersignError } from '../../errors.ts'
import type { ApiClient } from '../../kubernetes/api-client.ts'
import { ApiError, isNotFound } from '../../kubernetes/api-error.ts'
import { recordEvent } from '../../kubernetes/event.ts'
import { resourcePath } from '../../kubernetes/resource.ts'
import {
  patchPodCertificateStatus,
  podCertificateRequests,
} from '../../kubernetes/pod-certificate-request.ts'
import type { PodCertificateVersion } from '../../kubernetes/pod-certificate-request.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import type { Gatherer } from './gather.ts'
import type { IssuancePorts, PodEvent, UnwrittenAnswer } from '../issue/ports.ts'
import { judgeRefusal } from '../issue/publish-answer.ts'
import { createPodEvents } from './pod-events.ts'

/** The life of a request, wired to one API server. */
export function clusterPorts(options: {
  readonly client: ApiClient
  readonly version: PodCertificateVersion
  readonly gatherer: Pick<Gatherer, 'gather' | 'changed' | 'knows'>
  readonly now: () => number
  readonly log: Log
  readonly metrics: Metrics
  /** Who tells events; the signer unless told. */
  readonly component?: string
  /** How many requests wait; none unless told. */
  readonly depth?: () => number
  /** Milliseconds of a clock that only goes forward. */
  readonly clock?: () => number
}): IssuancePorts {
  const { client, version, gatherer, now, log, metrics } = options
  const {
    component = 'countersign-signer',
    depth = () => 0,
    clock = () => performance.now(),
  } = options
  const resource = podCertificateRequests(version)
  const write = ({ pod, type, reason, message }: PodEvent): Promise<void> =>
    recordEvent(client, {
      regarding: { apiVersion: 'v1', kind: 'Pod', ...pod },
      type,
      reason,
      message,
      component,
      now,
    })
  return {
    gather: (asked, how) => gatherer.gather(asked, how),
    changed: (verdict) => gatherer.changed(verdict),
    async read({ namespace, name, uid }, signal) {
      try {
        const path = resourcePath(resource, { namespace, name })
        const request = resource.parse(await client.request({ method: 'GET', path, signal }))
        return request.metadata.uid === uid ? request : undefined
      } catch (error) {
        if (isNotFound(error)) return undefined
        throw error
      }
    },
    publish: ({ metadata }, status, signal) =>
      writeAnswer(signal, async () => {
        await patchPodCertificateStatus(client, { version, metadata, status, signal })
        return { kind: 'written' }
      }),
    emitEvent: createPodEvents({
      write,
      knows: (pod) => gatherer.knows(pod),
      depth,
      clock,
      log,
      metrics,
    }),
  }
}

/** What a write gave, or what it means that it was refused. Rejects when the signal aborts, or for a defect. */
export async function writeAnswer<T>(
  signal: AbortSignal,
  write: () => Promise<T>,
): Promise<T | UnwrittenAnswer> {
  try {
    return await write()
  } catch (error) {
    signal.throwIfAborted()
    return answerOf(error)
  }
}

function answerOf(error: unknown): UnwrittenAnswer {
  if (error instanceof ApiError) return judgeRefusal(error)
  // An answer that cannot be read, or none: the write may have happened.
  if (error instanceof CountersignError) {
    return judgeRefusal({ status: undefined, reason: '', message: error.message, causes: [] })
  }
  throw error
}
