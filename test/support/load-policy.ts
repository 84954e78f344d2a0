import type { DataDocument } from '../../src/policy/data-document.ts'
import { openPolicyBase, type EngineName, type PolicyEngine } from '../../src/policy/engine.ts'

/** A bundle, the shipped one unless a folder is given, with data that is in memory. */
export async function loadPolicyBundle(
  options: {
    readonly folder?: string
    readonly data?: object
    readonly memoryPagesMax?: number
    readonly engine?: EngineName
  } = {},
): Promise<PolicyEngine> {
  const { data, ...bundle } = options
  const base = await openPolicyBase(bundle)
  if (data === undefined) return base.engineWith([])
  return base.engineWith([{ name: 'data', value: data as DataDocument['value'] }])
}
