import { hostname } from 'node:os'
import { createSpanExporter } from '../../gateway/trace/export-spans.ts'
import { createPost } from '../../gateway/trace/post-spans.ts'
import { createTracer, type Tracer } from '../../gateway/trace/tracer.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import { version } from '../../version.ts'
import type { GatewayConfig } from './gateway-configuration.ts'

/** The tracer that is configured, if there is one; what is left of its spans is sent when it is disposed. */
export function openTracer(
  { tracing }: GatewayConfig,
  {
    log,
    metrics,
    opened,
  }: { readonly log: Log; readonly metrics: Metrics; readonly opened: AsyncDisposableStack },
): Tracer | undefined {
  if (tracing === undefined) return undefined
  const post = opened.use(createPost(tracing.endpoint))
  const resource = {
    'service.name': 'countersign-gateway',
    'service.version': version,
    'service.instance.id': `${hostname()} ${process.pid}`,
  }
  const exporter = createSpanExporter({ post, resource, log, metrics })
  opened.defer(() => exporter.close())
  return createTracer({ exporter, sampleRatio: tracing.sampleRatio })
}
