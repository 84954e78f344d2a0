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
import type { Gatherer } from './gather.ts'
import type { IssuancePorts, PublishAnswer } from '../issue/ports.ts'
import { judgeRefusal } from '../issue/publish-answer.ts'

/** So many events may be on their way at once; in a storm the others are not worth a write each. */
const eventsMax = 64

/** The life of a request, wired to one API server. */
export function clusterPorts(options: {
  readonly client: ApiClient
  readonly version: PodCertificateVersion
  readonly gatherer: Pick<Gatherer, 'gather' | 'changed'>
  readonly now: () => number
  readonly log: Log
}): IssuancePorts {
  const { client, version, gatherer, now, log } = options
  const resource = podCertificateRequests(version)
  let eventsOpen = 0
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
    async publish({ metadata }, status, signal) {
      try {
        await patchPodCertificateStatus(client, { version, metadata, status, signal })
        return { kind: 'written' }
      } catch (error) {
        signal.throwIfAborted()
        return answerOf(error)
      }
    },
    emitEvent({ pod, type, reason, message }) {
      if (eventsOpen >= eventsMax) return
      eventsOpen += 1
      recordEvent(client, {
        regarding: { apiVersion: 'v1', kind: 'Pod', ...pod },
        type,
        reason,
        message,
        component: 'countersign-signer',
        now,
      })
        .catch((error: unknown) => log.debug({ error, pod: pod.name }, 'event was not written'))
        .finally(() => {
          eventsOpen -= 1
        })
    },
  }
}

function answerOf(error: unknown): PublishAnswer {
  if (error instanceof ApiError) return judgeRefusal(error)
  // An answer that cannot be read, or none: the write may have happened.
  if (error instanceof CountersignError) {
    return judgeRefusal({ status: undefined, reason: '', message: error.message, causes: [] })
  }
  throw error
}
