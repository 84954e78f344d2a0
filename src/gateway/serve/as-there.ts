import { replaceTarget } from '../../mcp/edits.ts'
import { isMirrored } from '../../mcp/target.ts'
import type { Call, Target } from '../call.ts'

/** What a header of the request repeats of what it is about, as the upstream knows it. */
export function nameHeaderThere({ message, target }: Call): string | undefined {
  return isMirrored(message.named) ? nameThere(target) : undefined
}

/** The octets of the request: those that were decided on. Behind the door of all, what it is about has another name there. */
export function bodyThere({ message, target, arrived }: Call): Buffer {
  const { body, offsets, named } = message
  const value = nameThere(target)
  return arrived.door.kind === 'one' || named === undefined || value === undefined
    ? body
    : replaceTarget(body, offsets, { member: named, value })
}

function nameThere(target: Target): string | undefined {
  if (target.kind === 'server') return undefined
  return target.kind === 'tool' ? target.tool : target.name
}
