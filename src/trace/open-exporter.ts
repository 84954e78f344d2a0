import { hostname } from 'node:os'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { version } from '../version.ts'
import { createSpanExporter, type SpanExporter } from './export-spans.ts'
import { createPost } from './post-spans.ts'

/** Sends the spans of this process to a collector; what is left is sent when it is disposed. */
export function openSpanExporter(
  { endpoint, service }: { readonly endpoint: string; readonly service: string },
  parts: {
    readonly log: Log
    readonly metrics: Metrics
    readonly opened: AsyncDisposableStack
  },
): SpanExporter {
  const { log, metrics, opened } = parts
  const post = opened.use(createPost(endpoint))
  const resource = {
    'service.name': service,
    'service.version': version,
    'service.instance.id': `${hostname()} ${process.pid}`,
  }
  const exporter = createSpanExporter({ post, resource, log, metrics })
  opened.defer(() => exporter.close())
  return exporter
}
