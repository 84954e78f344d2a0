import { applyEdits, type Edit } from './edits.ts'
import { skipSpace } from './lex.ts'
import type { Span } from './levels.ts'
import type { ListSpan } from './listed.ts'
import { elementsOf } from './spans.ts'

/** A JSON-RPC answer, with the places of what a gateway reads or replaces; everything else stays octets. */
export interface AnswerBody {
  readonly octets: Buffer
  /** The members of `result`; undefined for an error. */
  readonly result: ReadonlyMap<string, Span> | undefined
  readonly resultSpan: Span | undefined
  /** The tools of the result, unread, where it was to a list. */
  readonly list: ListSpan | undefined
}

/** The value of a member of the result. */
export function valueOf(answer: AnswerBody, name: string): unknown {
  const span = answer.result?.get(name)
  return span === undefined ? undefined : parseSpan(answer.octets, span)
}

export function parseSpan(octets: Buffer, span: Span): unknown {
  return JSON.parse(octets.toString('utf8', span.start, span.end))
}

/** The elements of a list in the result; undefined when there is no such list. */
export function listOf(answer: AnswerBody, name: string): readonly Span[] | undefined {
  const span = answer.result?.get(name)
  return span === undefined ? undefined : elementsOf(answer.octets, span)
}

/** The result anew: these members as the upstream wrote them, and those with these JSON texts; no other. */
export function rewriteResult(
  answer: AnswerBody,
  kept: readonly string[],
  members: Readonly<Record<string, string>>,
): Buffer {
  const { octets, result, resultSpan } = answer
  if (result === undefined || resultSpan === undefined) return octets
  const own = Object.entries(members).map(([name, text]) => `${JSON.stringify(name)}:${text}`)
  const theirs = kept.flatMap((name) => {
    const span = result.get(name)
    const text = span && octets.toString('utf8', span.start, span.end)
    return text === undefined ? [] : [`${JSON.stringify(name)}:${text}`]
  })
  return applyEdits(octets, [{ ...resultSpan, text: `{${[...theirs, ...own].join(',')}}` }])
}

/** Edits that give members of the result these JSON texts, whether they are there or not. */
export function setMembers(
  answer: AnswerBody,
  members: Readonly<Record<string, string | Buffer>>,
): readonly Edit[] {
  const { result, resultSpan } = answer
  if (result === undefined || resultSpan === undefined) return []
  const edits: Edit[] = []
  const missing: string[] = []
  for (const [name, text] of Object.entries(members)) {
    const span = result.get(name)
    if (span === undefined) missing.push(`${JSON.stringify(name)}:${text.toString()}`)
    else edits.push({ ...span, text })
  }
  if (missing.length === 0) return edits
  const at = resultSpan.start + 1
  const text = `${missing.join(',')}${result.size === 0 ? '' : ','}`
  return [{ start: at, end: at, text }, ...edits]
}

/** The edit that takes a member out of the result; none where it is not there. */
export function removeMember(answer: AnswerBody, name: string): readonly Edit[] {
  const { octets, result, resultSpan } = answer
  const removed = result?.get(name)
  if (result === undefined || resultSpan === undefined || removed === undefined) return []
  const spans = [...result.values()]
  const before = spans[spans.indexOf(removed) - 1]
  // With the comma before it; the first one with that after it.
  if (before !== undefined) return [{ start: before.end, end: removed.end, text: '' }]
  const comma = skipSpace(octets, removed.end)
  const end = result.size === 1 ? resultSpan.end - 1 : comma + 1
  return [{ start: resultSpan.start + 1, end, text: '' }]
}
