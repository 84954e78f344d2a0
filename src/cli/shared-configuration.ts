import * as z from 'zod'
import type { LogLevel } from '../log.ts'
import { signatureAlgorithms, type SignatureAlgorithm } from '../policy/bundle-signature.ts'
import type { EngineName } from '../policy/engine.ts'
import { pathIn } from './configuration.ts'

export interface PolicyConfig {
  /** Folder of the policy bundle; the one we ship when absent. */
  readonly bundle?: string | undefined
  /** Who has to have signed the bundle; nobody when absent. */
  readonly signature?: SignatureConfig | undefined
  /** JSON documents merged beside the bundle's data; a member that two of them give is refused. */
  readonly data: readonly string[]
  /** What runs the rules; their plan when absent. */
  readonly engine?: EngineName | undefined
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
      signature: signatureSchema(folder).optional(),
      data: z.array(pathIn(folder)).default([]),
      engine: z.enum(['plan', 'wasm']).default('plan'),
    })
    .refine(
      ({ bundle, signature }) => signature === undefined || bundle !== undefined,
      'signature: want=bundle, too: what is shipped is not signed',
    )
    .prefault({})
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
