import { applyEdits, removeMembers } from '../../mcp/edits.ts'
import { skipSpace } from '../../mcp/lex.ts'
import { membersOf } from '../../mcp/spans.ts'

/*
 * What a server wants to know of its client in the middle of a call: a request of its own in the legacy eras, a member of a result and of the
 * next request since MCP 2026-07-28 (multi round-trip requests). The octets of what is asked, and of what is answered, are their senders'.
 */

/** What a modern server asks, as a request to a legacy client. */
export function askOfClient(
  octets: Buffer,
  {
    id,
    isPage,
    newId,
  }: { readonly id: string; readonly isPage: boolean; readonly newId: () => string },
): Buffer {
  const members = membersOf(octets, { start: skipSpace(octets, 0), end: octets.length })
  const method = members?.get('method')
  const params = members?.get('params')
  if (method === undefined) throw new TypeError('what is asked has a method')
  const named = `"method":${octets.toString('utf8', method.start, method.end)}`
  const head = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},${named}`
  if (params === undefined) return Buffer.from(`${head}}`)
  const text = octets.subarray(params.start, params.end)
  const has = membersOf(octets, params)
  // A page has a name there by which its server would say that it is done with (MCP 2025-11-25 elicitation); nobody says it of this one.
  const isNameless = isPage && has?.has('elicitationId') === false
  const whole = isNameless
    ? applyEdits(text, [{ start: 1, end: 1, text: `"elicitationId":${JSON.stringify(newId())},` }])
    : text
  return Buffer.concat([Buffer.from(`${head},"params":`), whole, Buffer.from('}')])
}

/** What a legacy server asks, as a modern client is asked it. */
export function inputRequestOf(octets: Buffer): Buffer {
  const members = membersOf(octets, { start: skipSpace(octets, 0), end: octets.length })
  const parts: Buffer[] = []
  for (const name of ['method', 'params']) {
    const span = members?.get(name)
    if (span === undefined) continue
    parts.push(
      Buffer.from(`${parts.length === 0 ? '{' : ','}"${name}":`),
      octets.subarray(span.start, span.end),
    )
  }
  return Buffer.concat([...parts, Buffer.from('}')])
}

/** What a client brings back: its answers by the server's names, and the server's own state, as JSON. */
export interface Input {
  readonly answers: ReadonlyMap<string, Buffer>
  readonly state: string | undefined
}

const members: ReadonlySet<string> = new Set(['inputResponses', 'requestState'])

/** A request that goes on with a call, in the place of the one before it. It has been judged before, so it has params. */
export function withInput(body: Buffer, { answers, state }: Input): Buffer {
  const whole = membersOf(body, { start: skipSpace(body, 0), end: body.length })
  const params = whole?.get('params')
  if (params === undefined) throw new TypeError('what goes on with a call has params')
  const parts: Buffer[] = []
  if (state !== undefined) parts.push(Buffer.from(`"requestState":${state},`))
  if (answers.size > 0) {
    const named = [...answers].flatMap(([key, octets], at) => [
      Buffer.from(`${at === 0 ? '' : ','}${JSON.stringify(key)}:`),
      octets,
    ])
    parts.push(Buffer.from('"inputResponses":{'), ...named, Buffer.from('},'))
  }
  const start = params.start + 1
  const added = { start, end: start, text: Buffer.concat(parts) }
  return applyEdits(body, [added, ...removeMembers(body, params, (name) => members.has(name))])
}
