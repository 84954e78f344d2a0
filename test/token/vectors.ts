import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What is wrong with a token; the words of `token/…`. */
export type Fault =
  'malformed' | 'signature' | 'binding' | 'issuer' | 'audience' | 'expired' | 'call'

export const faults: readonly Fault[] = [
  'malformed',
  'signature',
  'binding',
  'issuer',
  'audience',
  'expired',
  'call',
]

export interface Vector {
  readonly name: string
  /** Whose certificate the connection has, by its name in `peers`. */
  readonly peer: string
  /** The request as it was received. */
  readonly body: string
  readonly token: string
  /** Seconds since the epoch, where it is not that of all. */
  readonly now?: number
  /** The name of the server, where it is not that of all; null where none is asked for. */
  readonly server?: string | null
  readonly want: 'valid' | Fault
}

export interface VectorFile {
  readonly version: 1
  readonly trustDomain: string
  /** SPIFFE ID of the tool server that verifies. */
  readonly audience: string
  readonly server: string
  readonly now: number
  /** PEM of the gateways' certificates. */
  readonly peers: Readonly<Record<string, string>>
  readonly vectors: readonly Vector[]
}

/** Those of docs/TXN-TOKEN.md. */
export function readVectors(): VectorFile {
  const path = join(import.meta.dirname, '../../examples/verifiers/vectors.json')
  return JSON.parse(readFileSync(path, 'utf8')) as VectorFile
}
