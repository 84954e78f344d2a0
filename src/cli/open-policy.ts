import { readFile } from 'node:fs/promises'
import { CountersignError, quoted } from '../errors.ts'
import { loadPolicyBundle, type PolicyEngine } from '../policy/engine.ts'
import type { PolicyConfig } from './shared-configuration.ts'

/** Loads the policy bundle with the configured data documents beside its own. Throws `cli/configuration` or `policy/bundle`. */
export async function openPolicy(config: PolicyConfig): Promise<PolicyEngine> {
  const documents = await Promise.all(config.data.map(readDocument))
  return loadPolicyBundle({
    ...(config.bundle === undefined ? {} : { folder: config.bundle }),
    ...(documents.length === 0 ? {} : { data: documents }),
  })
}

async function readDocument(file: string): Promise<object> {
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch (cause) {
    throw new CountersignError(
      'cli/configuration',
      `policy.data: cannot read ${quoted(file, 300)}`,
      {
        cause,
        hint: 'each entry is the path of a JSON document',
      },
    )
  }
  throw new CountersignError(
    'cli/configuration',
    `policy.data: ${quoted(file, 300)}: want=an object`,
  )
}
