import * as z from 'zod'

export interface TracingConfig {
  /** Of OTLP over HTTP, such as http://collector.monitoring.svc:4318/v1/traces. */
  readonly endpoint: string
  /** Of a gateway, how many of the calls that are in nobody's trace begin one; of a signer, how many of the requests are followed. 0 to 1. */
  readonly sampleRatio: number
}

export const tracingSchema: z.ZodType<TracingConfig> = z.strictObject({
  endpoint: z.url({ protocol: /^https?$/, error: 'want=an http or https URL' }),
  sampleRatio: z.number().min(0).max(1).default(0.1),
})
