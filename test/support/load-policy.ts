import type { DataDocument } from '../../src/policy/data-document.ts'
import {
  openPolicyBase,
  type EngineName,
  type PolicyBase,
  type PolicyEngine,
} from '../../src/policy/engine.ts'

interface Wanted {
  readonly folder?: string
  readonly memoryPagesMax?: number
  readonly engine?: EngineName
}

/**
 * What has been opened, by what was wanted. To compile the shipped policy and to ask it about samples takes longer than most tests do,
 * and an engine keeps nothing of what it evaluates, so the worlds of a process share them. Each has a memory of some megabytes.
 */
const bases = new Map<string, Promise<PolicyBase>>()
const engines = new Map<string, Promise<PolicyEngine>>()
const enginesMax = 16

async function engineOf(base: Promise<PolicyBase>, data?: object): Promise<PolicyEngine> {
  const documents = [{ name: 'data', value: data as DataDocument['value'] }]
  return (await base).engineWith(data === undefined ? [] : documents)
}

/**
 * A bundle, the shipped one unless a folder is given, with data that is in memory. The promise is the caller's own: the runner takes
 * what comes after a promise for a part of the test, or the file, that made it.
 */
export async function loadPolicyBundle(
  options: Wanted & { readonly data?: object } = {},
): Promise<PolicyEngine> {
  const { data, ...wanted } = options
  // What is in a folder may change.
  if (wanted.folder !== undefined) return await engineOf(openPolicyBase(wanted), data)
  const name = JSON.stringify(wanted)
  const base = bases.get(name) ?? openPolicyBase(wanted)
  bases.set(name, base)
  const key = JSON.stringify([wanted, data])
  const engine = engines.get(key) ?? engineOf(base, data)
  // The newest is last.
  engines.delete(key)
  engines.set(key, engine)
  const [oldest] = engines.keys()
  if (engines.size > enginesMax && oldest !== undefined) engines.delete(oldest)
  return await engine
}
