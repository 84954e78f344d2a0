import { skipSpace } from '../../mcp/lex.ts'
import type { Span } from '../../mcp/levels.ts'
import type { ListForm } from '../../mcp/lists.ts'
import { scanOffer } from '../../mcp/scan.ts'
import type { Room } from '../../mcp/skip.ts'
import { membersOf } from '../../mcp/spans.ts'
import { oneList } from './definition.ts'

/** A prompt, a resource or a template as its server lists it; the definition of a tool is one too. */
export interface Offer {
  /** What it is known by: its name, its URI, or the text of its template. */
  readonly name: string
  /** As they came, and where that stands in them. */
  readonly octets: Buffer
  nameSpan(): Span
}

const scanLimits = { depthMax: 32, membersMax: 10_000 }
const offerOctetsMax = 64 * 1024

/** The longest that a prompt and a resource may be called by. */
export const promptCharactersMax = 256
export const uriCharactersMax = 2048

/**
 * What these octets offer, or a sentence that says why nothing: what two readers read differently or what cannot be asked for is left
 * out, and spoils no list.
 */
export function parseOffer(
  octets: Buffer,
  { named }: ListForm,
  compared: Room = oneList(),
): Offer | string {
  if (octets.length > offerOctetsMax) return `it is too large, want=..${offerOctetsMax}`
  const read = readNamed(
    octets,
    { start: skipSpace(octets, 0), end: octets.length },
    named,
    compared,
  )
  if (typeof read === 'string') return read
  const { name, span } = read
  const most = named === 'name' ? promptCharactersMax : uriCharactersMax
  if (name.length > most) return `its ${named} is too long, want=..${most}`
  if (named !== 'name' && notInUris.test(name)) return `its ${named} is none`
  return { name, octets, nameSpan: () => span }
}

/** What an object says it is called by, and where that stands, or a sentence that says why it says nothing. */
export function readNamed(
  octets: Buffer,
  object: Span,
  named: ListForm['named'],
  compared: Room,
): { readonly name: string; readonly span: Span } | string {
  const scanned = scanOffer(octets.subarray(object.start, object.end), { ...scanLimits, compared })
  if ('rule' in scanned) return scanned.message
  const name = scanned.value[named]
  const span = membersOf(octets, object)?.get(named)
  if (typeof name !== 'string' || name === '' || span === undefined) return `it has no ${named}`
  return { name, span }
}

/** Some readers of a URI leave these out (WHATWG URL, basic URL parser: tab and newline). */
export const notInUris: RegExp = /[\s\p{C}]/u
