import { createTracer, type Tracer } from '../../gateway/trace/tracer.ts'
import { openSpanExporter } from '../../trace/open-exporter.ts'
import type { GatewayConfig } from './gateway-configuration.ts'

/** The tracer that is configured, if there is one. */
export function openTracer(
  { tracing }: GatewayConfig,
  parts: Parameters<typeof openSpanExporter>[1],
): Tracer | undefined {
  if (tracing === undefined) return undefined
  const { endpoint, sampleRatio } = tracing
  const exporter = openSpanExporter({ endpoint, service: 'countersign-gateway' }, parts)
  return createTracer({ exporter, sampleRatio })
}
