import * as z from 'zod'
import type { Polling } from '../policy/bundle-follower.ts'
import { parseReference, referenceWant } from '../policy/oci/reference.ts'
import type { RegistryConfig } from '../policy/oci/registry.ts'
import { pathIn } from './configuration.ts'

/** In OPA's own words. */
export interface ServiceConfig extends RegistryConfig {
  /** An OCI registry; a bundle server when absent. */
  readonly type?: 'oci' | undefined
  readonly polling: Polling
}

export function serviceSchema(folder: string): z.ZodType<ServiceConfig> {
  return z
    .strictObject({
      type: z.literal('oci').optional(),
      url: serviceUrlSchema,
      resource: z.string().max(1024),
      tls: z.strictObject({ caCert: pathIn(folder) }).optional(),
      credentials: credentialsSchema(folder).optional(),
      tokenUrl: serviceUrlSchema.optional(),
      blobHosts: z.array(hostSchema).max(blobHostsMax).optional(),
      responseHeaderTimeoutSeconds: z.int().min(1).max(300).default(10),
      polling: pollingSchema.prefault({}),
    })
    .superRefine((service, context) => {
      for (const [path, message] of contradictionsOf(service)) {
        context.addIssue({ code: 'custom', path: path.split('.'), message })
      }
    })
}

const serviceUrlWant = 'want=https, or http on loopback, without user, query and fragment'

/** Of a server that has no certificate of ours to show. */
export const serviceUrlSchema: z.ZodType<string> = z
  .string()
  .max(2048)
  .refine(isServiceUrl, serviceUrlWant)

/** Of one registry: it keeps its layers in one place, or in one of each region. */
const blobHostsMax = 16

const hostSchema = z
  .string()
  .max(300)
  .refine((text) => URL.parse(`https://${text}`)?.host === text, 'want=<host> or <host>:<port>')

function credentialsSchema(folder: string): z.ZodType<RegistryConfig['credentials']> {
  return z.strictObject({
    bearer: bearerSchema(folder).optional(),
    basic: z
      .strictObject({
        // RFC 7617 §2: a colon ends it.
        username: z
          .string()
          .max(256)
          .regex(/^[^:\p{C}]+$/u, 'want=a name without a colon'),
        passwordPath: pathIn(folder),
      })
      .optional(),
    dockerConfig: z.strictObject({ path: pathIn(folder) }).optional(),
    clientTls: clientTlsSchema(folder).optional(),
  })
}

export function bearerSchema(folder: string): z.ZodType<{ tokenPath: string }> {
  return z.strictObject({ tokenPath: pathIn(folder) })
}

export function clientTlsSchema(folder: string): z.ZodType<{ cert: string; privateKey: string }> {
  return z.strictObject({ cert: pathIn(folder), privateKey: pathIn(folder) })
}

const pollingSchema = z
  .strictObject({
    minDelaySeconds: z.int().min(1).max(86_400).default(60),
    maxDelaySeconds: z.int().min(1).max(86_400).default(120),
    longPollingTimeoutSeconds: z.int().min(1).max(3600).optional(),
  })
  .refine((polling) => polling.minDelaySeconds <= polling.maxDelaySeconds, {
    path: ['minDelaySeconds'],
    message: 'want=..maxDelaySeconds',
  })

const resourcePattern = /^(?!\.\.?(?:\/|$))[\w.~-]+(?:\/(?!\.\.?(?:\/|$))[\w.~-]+)*$/

/** Why this is no bundle of such a service. */
export function faultOfResource(
  resource: string,
  { type }: Pick<ServiceConfig, 'type'>,
): string | undefined {
  if (type === 'oci')
    return parseReference(resource) === undefined ? `want=${referenceWant}` : undefined
  return resourcePattern.test(resource) ? undefined : 'want=a path below the URL, without . and ..'
}

function contradictionsOf(
  service: ServiceConfig,
): readonly (readonly [field: string, message: string])[] {
  const { type, resource, credentials, tokenUrl, blobHosts, polling } = service
  const fault = faultOfResource(resource, service)
  const faults = fault === undefined ? [] : [['resource', fault] as const]
  if (type === 'oci') {
    const isHeld = polling.longPollingTimeoutSeconds !== undefined
    const { bearer, basic, dockerConfig } = credentials ?? {}
    const named = [bearer, basic, dockerConfig].filter((each) => each !== undefined)
    return [
      ...faults,
      ...(isHeld ? [['polling.longPollingTimeoutSeconds', notHeld] as const] : []),
      ...(named.length > 1 ? [['credentials', oneOfThem] as const] : []),
    ]
  }
  const ofRegistries = {
    'credentials.basic': credentials?.basic,
    'credentials.dockerConfig': credentials?.dockerConfig,
    tokenUrl,
    blobHosts,
  }
  return [
    ...faults,
    ...Object.entries(ofRegistries)
      .filter(([, value]) => value !== undefined)
      .map(([field]) => [field, 'want=type: oci, too'] as const),
  ]
}

const oneOfThem = 'want=one of bearer, basic and dockerConfig'
const notHeld = 'has to be absent with type: oci: a registry holds no request'

function isServiceUrl(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || url.href.includes('?') || url.href.includes('#')) return false
  if (url.username !== '' || url.password !== '') return false
  if (url.protocol === 'https:') return true
  return url.protocol === 'http:' && /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
}
