import * as z from 'zod'
import type { DecisionLog, Drops, WhenFull } from '../policy/decision-log.ts'
import type { UploadConfig } from '../policy/upload/upload.ts'
import type { Condition } from '../readiness.ts'
import { isKeyName } from '../tlog/note.ts'
import { pathIn } from './configuration.ts'
import { uploadSchema } from './upload-configuration.ts'

/** Where decisions are written, and how much of them is kept. */
export interface DecisionLogConfig {
  readonly file: string
  /** A file that would become larger is put aside, as `<file>.1` and so on. */
  readonly fileBytesMax: number
  /** One that lines have gone to for so long is put aside, too; as long as they fit when absent. */
  readonly fileSecondsMax?: number | undefined
  /** How many there are in all. */
  readonly files: number
  /** Whether nothing is decided while decisions cannot be recorded, or what is lost is counted. */
  readonly whenFull: WhenFull
  /** Whether the rules of the policy may leave decisions out. */
  readonly drops: Drops
  /** Undefined: it is kept here alone. */
  readonly upload?: UploadConfig | undefined
  /** Signed in `<file>.log` for others to check; not at all when absent. */
  readonly checkpoints?:
    | {
        /** PKCS#8 PEM, Ed25519. */
        readonly keyFile: string
        /** Makes a key where there is none. */
        readonly makeKey: boolean
        /** The log's name: unlike any other's, for ever. */
        readonly origin?: string | undefined
        readonly everySeconds: number
      }
    | undefined
}

/** The fields of it, with what holds without them. */
export function decisionLogFields(
  folder: string,
  whenFull: WhenFull,
): { readonly [Field in keyof DecisionLogConfig]-?: z.ZodType<DecisionLogConfig[Field]> } {
  return {
    file: pathIn(folder),
    // More than may wait in memory, so that what is written at once always fits.
    fileBytesMax: z.int().min(16_777_216).max(17_179_869_184).default(67_108_864),
    fileSecondsMax: z.int().min(60).max(31_536_000).optional(),
    files: z.int().min(2).max(100).default(8),
    whenFull: z.enum(['block', 'shed-and-count']).default(whenFull),
    drops: z.enum(['forbid', 'by-policy']).default('forbid'),
    upload: uploadSchema(folder).optional(),
    checkpoints: z
      .strictObject({
        keyFile: pathIn(folder),
        makeKey: z.boolean().default(false),
        origin: z.string().max(240).refine(isKeyName, 'no spaces and no +').optional(),
        everySeconds: z.int().min(1).max(3600).default(10),
      })
      .optional(),
  }
}

export function decisionLogState({
  available,
  keeping,
}: Pick<DecisionLog, 'available' | 'keeping'>): Omit<Condition, 'name'> {
  if (available && keeping) return { ok: true, reason: 'takes decisions' }
  if (available) {
    const reason = 'decisions are taken, and those that cannot be written are lost and counted'
    return { ok: false, optional: true, reason }
  }
  return { ok: false, reason: 'cannot be written, or not fast enough: see the log, and the disk' }
}
