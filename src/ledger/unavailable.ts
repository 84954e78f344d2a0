import { CountersignError, quoted } from '../errors.ts'

export async function orUnavailable<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise
  } catch (error) {
    throw unavailable(error)
  }
}

/** What the disk says, as 'ledger/unavailable'. */
export function unavailable(cause: unknown): CountersignError {
  if (cause instanceof CountersignError) return cause
  const code = cause instanceof Error && 'code' in cause ? cause.code : 'unknown'
  const rule = `ledger is not available: want=durable writes got=${quoted(String(code))}`
  return new CountersignError('ledger/unavailable', rule, { cause })
}

export function lost(rule: string): CountersignError {
  return new CountersignError('ledger/unavailable', rule)
}
