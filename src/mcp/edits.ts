import { hash } from 'node:crypto'
import { skipSpace } from './lex.ts'
import { membersOf } from './spans.ts'
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

/**
 * Takes members out of the object that starts here: each with the comma before it, those at the beginning with the comma after them. What
 * is left stands as it was.
 */
export function removeMembers(
  octets: Buffer,
  { start }: Span,
  isRemoved: (name: string) => boolean,
): readonly Edit[] {
  const members = [...(membersOf(octets, { start, end: octets.length }) ?? [])]
  const kept = members.findIndex(([name]) => !isRemoved(name))
  const leading = kept === -1 ? members : members.slice(0, kept)
  const edits = members.slice(leading.length).flatMap(([name, { end }], at, rest) => {
    const before = rest[at - 1]?.[1]
    return before !== undefined && isRemoved(name) ? [{ start: before.end, end, text: '' }] : []
  })
  const last = leading.at(-1)?.[1]
  if (last === undefined) return edits
  const next = skipSpace(octets, last.end)
  return [{ start: start + 1, end: kept === -1 ? next : next + 1, text: '' }, ...edits]
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
