import * as z from 'zod'
import type { LogLevel } from '../log.ts'
import { signatureAlgorithms, type SignatureAlgorithm } from '../policy/bundle-signature.ts'
import type { EngineName } from '../policy/engine.ts'
import { pathIn } from './configuration.ts'
import { faultOfResource, serviceSchema, type ServiceConfig } from './service-configuration.ts'

export interface PolicyConfig {
  /** Folder of the policy bundle; the one we ship when absent. */
  readonly bundle?: string | undefined
  /** Where the bundle comes from instead; it is signed. */
  readonly service?: ServiceConfig | undefined
  /** Folder that keeps the last good bundle of the service. */
  readonly persistenceDirectory?: string | undefined
  /** The bundle that is asked beside it what it would decide; none when absent. */
  readonly candidate?: CandidateConfig | undefined
  /** Bundles of tenants, asked beside it about calls of their own; none when absent. */
  readonly tenants?: Readonly<Record<string, TenantConfig>> | undefined
  /** Who has to have signed the bundle, and the candidate; nobody when absent. */
  readonly signature?: SignatureConfig | undefined
  /** JSON documents merged beside the bundle's data; a member that two of them give is refused. */
  readonly data: readonly string[]
  /** What runs the rules; their plan when absent. */
  readonly engine?: EngineName | undefined
}

export interface TenantConfig {
  /** Folder or archive. */
  readonly bundle: string
  /** Who has to have signed it; nobody when absent. */
  readonly signature?: SignatureConfig | undefined
}

/** One of both. */
export interface CandidateConfig {
  /** Folder or archive. */
  readonly bundle?: string | undefined
  /** Of the same service. */
  readonly resource?: string | undefined
}

export interface SignatureConfig {
  readonly keys: readonly {
    readonly id: string
    readonly algorithm: SignatureAlgorithm
    /** PEM file. */
    readonly publicKey: string
  }[]
  readonly scope: string
}

export interface AdminConfig {
  readonly host: string
  readonly port: number
}

export interface LogConfig {
  readonly level: LogLevel
}

export function policySchema(folder: string): z.ZodType<PolicyConfig> {
  return z
    .strictObject({
      bundle: pathIn(folder).optional(),
      service: serviceSchema(folder).optional(),
      persistenceDirectory: pathIn(folder).optional(),
      candidate: candidateSchema(folder).optional(),
      tenants: tenantsSchema(folder).optional(),
      signature: signatureSchema(folder).optional(),
      data: z.array(pathIn(folder)).default([]),
      engine: z.enum(['plan', 'wasm']).default('plan'),
    })
    .superRefine((policy, context) => {
      for (const [field, message] of contradictionsOf(policy)) {
        context.addIssue({ code: 'custom', path: [field], message })
      }
    })
    .prefault({})
}

function contradictionsOf({
  bundle,
  service,
  persistenceDirectory,
  candidate,
  signature,
}: PolicyConfig): readonly (readonly [field: keyof PolicyConfig, message: string])[] {
  if (service === undefined) {
    return [
      ...(candidate?.resource === undefined
        ? []
        : [['candidate', 'resource: want=service, too'] as const]),
      ...(signature !== undefined && bundle === undefined
        ? [['signature', 'want=bundle or service, too: what is shipped is not signed'] as const]
        : []),
      ...(persistenceDirectory === undefined
        ? []
        : [['persistenceDirectory', 'want=service, too'] as const]),
    ]
  }
  const fault = candidate?.resource && faultOfResource(candidate.resource, service)
  return [
    ...(bundle === undefined ? [] : [['bundle', 'want=bundle or service, not both'] as const]),
    ...(fault === undefined ? [] : [['candidate', `resource: ${fault}`] as const]),
    ...(signature === undefined
      ? [['signature', 'required with service: what comes over a network is signed'] as const]
      : []),
    ...(persistenceDirectory === undefined
      ? [['persistenceDirectory', 'required with service: it keeps the last good bundle'] as const]
      : []),
  ]
}

/** A label's value, in lower case. */
const slugPattern = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/

/** Each has an engine of its own, in every worker. */
const tenantsMax = 100

function tenantsSchema(folder: string): z.ZodType<Readonly<Record<string, TenantConfig>>> {
  return z
    .record(
      z.string().regex(slugPattern, 'want=a tenant, as its namespaces are labelled'),
      z.strictObject({ bundle: pathIn(folder), signature: signatureSchema(folder).optional() }),
    )
    .refine((tenants) => Object.keys(tenants).length <= tenantsMax, `want=..${tenantsMax} tenants`)
}

function candidateSchema(folder: string): z.ZodType<CandidateConfig> {
  return z
    .strictObject({ bundle: pathIn(folder).optional(), resource: z.string().max(1024).optional() })
    .refine(({ bundle, resource }) => (bundle === undefined) !== (resource === undefined), {
      message: 'want=bundle or resource, one of them',
    })
}

function signatureSchema(folder: string): z.ZodType<SignatureConfig> {
  return z.strictObject({
    keys: z
      .array(
        z.strictObject({
          id: z.string().min(1).max(253),
          algorithm: z.enum(signatureAlgorithms).default('RS256'),
          publicKey: pathIn(folder),
        }),
      )
      .min(1),
    scope: z.string().max(253).default(''),
  })
}

/** Where health and metrics are served: plain HTTP, so on loopback unless said otherwise. */
export function adminSchema(port: number): z.ZodType<AdminConfig> {
  return z
    .strictObject({
      host: z.string().min(1).default('127.0.0.1'),
      port: z.int().min(0).max(65_535).default(port),
    })
    .prefault({})
}

export const logSchema: z.ZodType<LogConfig> = z
  .strictObject({ level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info') })
  .prefault({})
