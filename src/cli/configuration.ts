import { readFile, stat } from 'node:fs/promises'
import { dirname, isAbsolute, resolve } from 'node:path'
import { parseDocument, type Document } from 'yaml'
import * as z from 'zod'
import { CountersignError, cut, quoted, type ErrorCode } from '../errors.ts'
import { suggestField } from './known-fields.ts'

const fileOctetsMax = 1024 * 1024
const code: ErrorCode = 'cli/configuration'

/**
 * Reads a YAML file and validates it. Relative paths in it are relative to the file (see `pathIn`).
 * Throws `cli/configuration` with the name of the field that is wrong.
 */
export async function readConfiguration<S extends z.ZodType>(
  file: string,
  schemaIn: (folder: string) => S,
): Promise<z.output<S>> {
  return parseConfiguration(await readBounded(file), schemaIn, file)
}

/** The same of a text that was read from there. */
export function parseConfiguration<S extends z.ZodType>(
  text: string,
  schemaIn: (folder: string) => S,
  file: string,
): z.output<S> {
  // Without `uniqueKeys` a second `trustDomain:` would silently win.
  const document = parseDocument(text, { uniqueKeys: true, strict: true, version: '1.2' })
  const problem = document.errors[0] ?? document.warnings[0]
  if (problem !== undefined) {
    throw new CountersignError(
      code,
      `${file}: ${problem.message.split('\n', 1)[0]?.replace(/:$/, '')}`,
    )
  }
  return validate(valueOf(document, file), schemaIn(dirname(resolve(file))), file)
}

/** No aliases: nothing here needs them, and nested ones expand without bound. */
function valueOf(document: Document.Parsed, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 })
  } catch (cause) {
    throw new CountersignError(code, `${file}: want=no aliases`, { cause })
  }
}

/** Validates a value. Throws `cli/configuration`, one line a wrong field. */
export function validate<S extends z.ZodType>(
  value: unknown,
  schema: S,
  what: string,
): z.output<S> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const lines = parsed.error.issues
    .flatMap(branchOf)
    .map((issue) => describe(issue, { value, schema }))
  throw new CountersignError(code, `${what}: ${lines.join('; ')}`, {
    hint: 'every field is described in docs/OPERATING.md',
  })
}

/** A path in a configuration file: relative to the file's own folder. */
export function pathIn(folder: string): z.ZodType<string, string> {
  return z
    .string()
    .min(1)
    .transform((path) => (isAbsolute(path) ? path : resolve(folder, path)))
}

/** Text that one of the rooms' parsers accepts; its error is the field's error. */
export function parsedBy<T>(parse: (text: string) => T): z.ZodType<T, string> {
  return parsed(z.string(), parse)
}

/** The same of a list of texts. */
export function parsedListBy<T>(parse: (texts: readonly string[]) => T): z.ZodType<T, string[]> {
  return parsed(z.array(z.string()), parse)
}

function parsed<T, I>(read: z.ZodType<I, I>, parse: (value: I) => T): z.ZodType<T, I> {
  return read.transform((text, context) => {
    try {
      return parse(text)
    } catch (error) {
      context.addIssue({
        code: 'custom',
        message: error instanceof Error ? error.message : 'invalid',
      })
      return z.NEVER
    }
  })
}

async function readBounded(file: string): Promise<string> {
  try {
    const { size } = await stat(file)
    if (size <= fileOctetsMax) return await readFile(file, 'utf8')
  } catch (cause) {
    throw new CountersignError(code, `cannot read configuration ${quoted(file, 300)}`, {
      cause,
      hint: 'check the path given with --config and its permissions',
    })
  }
  throw new CountersignError(code, `${file}: larger than ${fileOctetsMax} octets`)
}

/** Of the forms that a field may have, the one that was meant: that which fits deepest, then that with the fewest faults. */
function branchOf(issue: z.core.$ZodIssue): readonly z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const depth = (issues: readonly z.core.$ZodIssue[]): number =>
    Math.max(0, ...issues.map(({ path }) => path.length))
  const [best = []] = issue.errors.toSorted(
    (left, right) => depth(right) - depth(left) || left.length - right.length,
  )
  if (best.length === 0) return [issue]
  return best.flatMap((each) => branchOf({ ...each, path: [...issue.path, ...each.path] }))
}

function describe(
  issue: z.core.$ZodIssue,
  { value, schema }: { readonly value: unknown; readonly schema: z.ZodType },
): string {
  const field = issue.path.map(String).join('.') || '(top level)'
  if (issue.code === 'unrecognized_keys') {
    const prefix = issue.path.length === 0 ? '' : `${field}.`
    return issue.keys
      .map((key) => `${prefix}${cut(key)}: no such field${suggestField(schema, issue.path, key)}`)
      .join('; ')
  }
  const got = issue.path.reduce<unknown>(
    (at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key],
    value,
  )
  // What contradicts something else may stand at its default.
  if (got === undefined && issue.code !== 'custom') return `${field}: required`
  return `${field}: ${issue.message[0]?.toLowerCase()}${issue.message.slice(1)}`
}
