import { CountersignError, quoted } from '../errors.ts'
import type { TreeHead } from './merkle-tree.ts'
import { strictBase64 } from './note.ts'

/** What a log says of itself (C2SP tlog-checkpoint): its name and its tree. The text of a signed note. */
export interface Checkpoint extends TreeHead {
  readonly origin: string
}

export function formatCheckpoint({ origin, size, rootHash }: Checkpoint): string {
  return `${origin}\n${size}\n${Buffer.from(rootHash, 'hex').toString('base64')}\n`
}

/** Throws 'ledger/note'. Lines after the third are extensions, which we neither write nor read. */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = '', decimal = '', base64 = ''] = text.split('\n')
  const root = strictBase64(base64)
  const size = Number(decimal)
  const plain = /^(?:0|[1-9]\d{0,15})$/.test(decimal) && Number.isSafeInteger(size)
  if (origin === '' || !plain || root?.length !== 32) {
    throw new CountersignError('ledger/note', `no checkpoint: got=${quoted(text)}`)
  }
  return { origin, size, rootHash: root.toString('hex') }
}
