import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CountersignError } from '../../../errors.ts'
import type { BundleContent } from '../../../policy/bundle-content.ts'

/** Rules and the data that they read, before anything is made of them. */
export interface OpenedPlan {
  /** `plan.json`, as JSON has it. */
  readonly plan: unknown
  readonly dataText: string
}

/** A bundle that has a plan needs no compiler. */
export async function isCompiled(places: readonly string[]): Promise<boolean> {
  const [place = '', ...more] = places
  if (more.length > 0) return false
  if (/\.(tar\.gz|tgz)$/.test(place)) return true
  return stat(join(place, 'plan.json')).then(
    () => true,
    () => false,
  )
}

/** What of a bundle is run. Throws `policy/bundle`. */
export function planIn({ files }: BundleContent): OpenedPlan {
  const plan = files.get('plan.json')
  if (plan === undefined) throw new CountersignError('policy/bundle', 'bundle has no plan.json')
  const dataText = files.get('data.json')?.toString('utf8') ?? '{}'
  return { plan: readJson(plan), dataText }
}

function readJson(octets: Buffer): unknown {
  try {
    return JSON.parse(octets.toString('utf8'))
  } catch (cause) {
    throw new CountersignError('policy/bundle', 'plan.json is not JSON', { cause })
  }
}
