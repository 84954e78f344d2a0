import { hash } from 'node:crypto'
import { targetSpan, type TargetMember } from './target.ts'
import type { Offsets, Span } from './levels.ts'

export interface Edit extends Span {
  readonly text: string | Buffer
}

/** The octets with the edits made; those between them are kept. Edits do not overlap. */
export function applyEdits(octets: Buffer, edits: readonly Edit[]): Buffer {
  const parts: Buffer[] = []
  let from = 0
  for (const edit of edits.toSorted((left, right) => left.start - right.start)) {
    parts.push(octets.subarray(from, edit.start))
    parts.push(typeof edit.text === 'string' ? Buffer.from(edit.text) : edit.text)
    from = edit.end
  }
  parts.push(octets.subarray(from))
  return Buffer.concat(parts)
}

/** The body with the octets of one span replaced and every other octet kept: nothing is serialised again. */
export function splice(body: Buffer, span: Span, replacement: string): Buffer {
  return Buffer.concat([
    body.subarray(0, span.start),
    Buffer.from(replacement),
    body.subarray(span.end),
  ])
}

/** Another name or URI for what the body is about, as the upstream behind the federated door knows it. */
export function targetEdits(
  offsets: Offsets,
  target: { readonly member: TargetMember; readonly value: string },
): readonly Edit[] {
  const span = targetSpan(offsets, target.member)
  return span === undefined ? [] : [{ ...span, text: JSON.stringify(target.value) }]
}

/** SHA-256 in base64url of the exact octets of `params.arguments`; of no octets where the body has none. */
export function argumentsSha256(body: Buffer, offsets: Offsets): string {
  const { start, end } = offsets.arguments ?? { start: 0, end: 0 }
  return hash('sha256', body.subarray(start, end), 'base64url')
}
