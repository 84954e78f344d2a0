import * as z from 'zod'
import type { UploadConfig } from '../policy/upload/upload.ts'
import { pathIn } from './configuration.ts'
import {
  bearerSchema,
  clientTlsSchema,
  faultOfResource,
  serviceUrlSchema,
} from './service-configuration.ts'

/** As OPA's names of partitions, which become a segment of a path. */
const partitionPattern = /^(?!\.\.?$)[\w.~-]{1,256}$/

const reportingSchema = z
  .strictObject({
    minDelaySeconds: z.int().min(1).max(86_400).default(10),
    maxDelaySeconds: z.int().min(1).max(86_400).default(20),
    uploadSizeLimitBytes: z.int().min(1024).max(16_777_216).default(32_768),
  })
  .refine((reporting) => reporting.minDelaySeconds <= reporting.maxDelaySeconds, {
    path: ['minDelaySeconds'],
    message: 'want=..maxDelaySeconds',
  })

/** Where decisions are sent, in OPA's own words. */
export function uploadSchema(folder: string): z.ZodType<UploadConfig> {
  return z
    .strictObject({
      url: serviceUrlSchema,
      partitionName: z.string().regex(partitionPattern, 'want=one segment of a path').optional(),
      resource: z.string().max(1024).optional(),
      tls: z.strictObject({ caCert: pathIn(folder) }).optional(),
      credentials: z
        .strictObject({
          bearer: bearerSchema(folder).optional(),
          clientTls: clientTlsSchema(folder).optional(),
        })
        .optional(),
      responseHeaderTimeoutSeconds: z.int().min(1).max(300).default(10),
      reporting: reportingSchema.prefault({}),
    })
    .superRefine(({ resource, partitionName }, context) => {
      const fault = resource === undefined ? undefined : faultOfResource(resource, {})
      const twice = 'want=partitionName or resource, not both'
      const message = resource !== undefined && partitionName !== undefined ? twice : fault
      if (message !== undefined) context.addIssue({ code: 'custom', path: ['resource'], message })
    })
    .transform(({ partitionName, resource, ...upload }) => ({
      ...upload,
      resource:
        resource ?? ['logs', ...(partitionName === undefined ? [] : [partitionName])].join('/'),
    }))
}
