import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import type { moveAside } from '../rotate.ts'
import { createPoster, type UploadTarget } from './post.ts'
import { openSpool } from './spool.ts'
import { createUploader, type Reporting } from './uploader.ts'

/** Where a decision log is sent, and how. */
export interface UploadConfig extends UploadTarget {
  readonly reporting: Reporting
}

/** As OPA's Status API tells of its decision log. */
export type UploadStatus =
  | Readonly<Record<string, never>>
  | {
      readonly code: 'decision_log_error'
      readonly message: string
      readonly http_code?: number
    }

export interface Upload extends AsyncDisposable {
  /** Of the log that is sent: it keeps what is not sent yet. */
  readonly moveAside: typeof moveAside
  /** From now on what the log holds is sent, and for a bounded time when it ends. */
  start(): void
  /** Why the last chunk was not taken; undefined where all is well. */
  readonly problem: Error | undefined
  status(): UploadStatus
}

/** Opens what a log is sent by, before the log itself is opened. Throws `policy/upload`. */
export async function openUpload(
  config: UploadConfig,
  parts: { readonly file: string; readonly log: Log; readonly metrics: Metrics },
): Promise<Upload> {
  const { reporting } = config
  const spool = await openSpool(parts)
  const uploader = createUploader({ ...parts, spool, reporting, poster: createPoster(config) })
  return {
    async moveAside(file, files) {
      uploader.wake()
      await spool.moveAside(file, files)
    },
    start: () => uploader.start(),
    get problem() {
      return uploader.problem
    },
    status() {
      const { problem } = uploader
      if (problem === undefined) return {}
      const { message, httpCode } = problem
      const code = 'decision_log_error'
      return { code, message, ...(httpCode === undefined ? {} : { http_code: httpCode }) }
    },
    [Symbol.asyncDispose]: () => uploader[Symbol.asyncDispose](),
  }
}
