import { applyEdits, removeMembers, type Edit } from '../mcp/edits.ts'
import { octet, skipSpace } from '../mcp/lex.ts'
import type { Message } from '../mcp/message.ts'
import { membersOf } from '../mcp/spans.ts'
import type { Span } from '../mcp/levels.ts'
import type { VerifiedCaller } from '../toolserver/caller.ts'

/** The member of `params._meta` that tells the server inside who calls, where there are no headers. */
const callerMember = 'countersign.dev/caller'

/** Every member of that prefix is ours (MCP 2025-11-25 and 2026-07-28, `_meta`): from outside nothing of it is anybody's word. */
const isOurs = (name: string): boolean => name.toLowerCase().startsWith('countersign.dev/')

export interface Inward {
  readonly octets: Buffer
  /** As the caller wrote it: inside it is the id of the request, so that no two are the same. */
  readonly progressToken: string | undefined
}

/** What was verified, as the server inside gets it: with who calls, under an id of the guard's own; every other octet is kept. */
export function inward(
  message: Message,
  { caller, id }: { readonly caller: VerifiedCaller; readonly id: number },
): Inward {
  const { body, offsets } = message
  if (message.kind === 'response') {
    const meta = offsets.result && membersOf(body, offsets.result)?.get('_meta')
    return { octets: applyEdits(body, withoutOurs(body, meta)), progressToken: undefined }
  }
  const token = offsets.meta && membersOf(body, offsets.meta)?.get('progressToken')
  const replaced = [message.kind === 'request' ? offsets.id : undefined, token]
    .filter((span) => span !== undefined)
    .map(({ start, end }): Edit => ({ start, end, text: String(id) }))
  return {
    octets: applyEdits(body, [
      tellCaller(message, caller),
      ...withoutOurs(body, offsets.meta),
      ...replaced,
    ]),
    progressToken: token && body.toString('utf8', token.start, token.end),
  }
}

function withoutOurs(body: Buffer, meta: Span | undefined): readonly Edit[] {
  return meta === undefined ? [] : removeMembers(body, meta, isOurs)
}

/** The caller as the first member of `_meta`, which is made where there is none, as `params` is. */
function tellCaller({ body, offsets }: Message, caller: VerifiedCaller): Edit {
  const told = `${JSON.stringify(callerMember)}:${JSON.stringify(caller)}`
  const { meta, params, method } = offsets
  if (meta !== undefined) {
    const others = [...(membersOf(body, meta)?.keys() ?? [])].some((name) => !isOurs(name))
    return insert(meta.start + 1, others ? `${told},` : told)
  }
  if (params !== undefined) {
    const isEmpty = body[skipSpace(body, params.start + 1)] === octet.objectClose
    return insert(params.start + 1, `"_meta":{${told}}${isEmpty ? '' : ','}`)
  }
  return insert(method?.end ?? 0, `,"params":{"_meta":{${told}}}`)
}

function insert(at: number, text: string): Edit {
  return { start: at, end: at, text }
}
