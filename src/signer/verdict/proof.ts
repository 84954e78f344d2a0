import { CountersignError, quoted } from '../../errors.ts'
import type { NamespaceEvidence } from './evidence.ts'

/** A proof that cannot be read proves nothing; `problem` says so to whoever can mend it. */
export interface Proof<T> {
  readonly value: T | undefined
  readonly problem: string
}

/** Why what was asked for is not proved, and what would prove it. */
export interface Gap {
  readonly proved: string
  readonly change: string
}

/** Reads a label or an annotation as a proof. */
export function readProof<T>(text: string | undefined, parse: (text: string) => T): Proof<T> {
  if (text === undefined) return { value: undefined, problem: 'is not set' }
  try {
    return { value: parse(text), problem: '' }
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    return { value: undefined, problem: `cannot be read, so it proves nothing: ${error.message}` }
  }
}

/** What the namespace lacks to allow something: its label must be there, and be exactly `allow`. */
export function allowanceGap(namespace: NamespaceEvidence, label: string): Gap | undefined {
  const got = Object.hasOwn(namespace.labels, label) ? namespace.labels[label] : undefined
  if (got === 'allow') return undefined
  const name = quoted(namespace.name)
  return {
    proved: `label ${label} of namespace ${name} ${got === undefined ? 'is not set' : `is ${quoted(got)}`}`,
    change: `label namespace ${name} with ${label}=allow`,
  }
}

/** The gaps of an intersection as one; undefined when there are none, so that everything is proved. */
export function joinedGaps(gaps: readonly (Gap | undefined)[]): Gap | undefined {
  const open = gaps.filter((gap) => gap !== undefined)
  if (open.length === 0) return undefined
  return {
    proved: open.map((gap) => gap.proved).join(' and '),
    change: open.map((gap) => gap.change).join(' and '),
  }
}
