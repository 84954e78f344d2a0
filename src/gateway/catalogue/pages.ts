import { quoted } from '../../errors.ts'
import { parseSpan } from '../../mcp/answer.ts'
import { elementsOf, membersOf } from '../../mcp/spans.ts'
import { oneList, type Definition } from './definition.ts'

/** So many pages are kept, as long as they are no larger: an upstream may list in pages, and each at every call. */
const pagesMax = 8
const pageOctetsMax = 512 * 1024

type ReadDefinition = (octets: Buffer, compared: { left: number }) => Definition | undefined

/** The definitions of one list that are fit: their names are compared within one bound. */
export function readEach(listed: readonly Buffer[], read: ReadDefinition): readonly Definition[] {
  const compared = oneList()
  return listed
    .map((octets) => read(octets, compared))
    .filter((definition) => definition !== undefined)
}

/**
 * Reads arrays of tools: the definitions that are fit, in their order. An array of the same octets as one of the last is not read
 * again; `read` gives the definition in the octets of one tool.
 */
export function createPages(
  read: ReadDefinition,
  complain: (detail: string) => void,
): (tools: Buffer) => readonly Definition[] {
  const pages: { readonly tools: Buffer; readonly definitions: readonly Definition[] }[] = []
  function readAll(tools: Buffer): readonly Definition[] {
    const spans = elementsOf(tools, { start: 0, end: tools.length }) ?? []
    const listed = spans.map(({ start, end }) => tools.subarray(start, end))
    return singleOf(readEach(listed, read), complain)
  }
  return (tools) => {
    const known = pages.find((page) => page.tools.equals(tools))
    if (known !== undefined) return known.definitions
    const definitions = readAll(tools)
    if (tools.length > pageOctetsMax) return definitions
    // A copy: the octets are a part of a whole answer, which nobody needs any more.
    pages.unshift({ tools: Buffer.from(tools), definitions })
    pages.length = Math.min(pages.length, pagesMax)
    return definitions
  }
}

/**
 * Names are unique within a server (MCP 2026-07-28 tools). Of several tools of one name nobody could say which of them is called, nor
 * which was decided on: none of them is one. The same definition again is the same tool.
 */
export function singleOf(
  definitions: readonly Definition[],
  complain: (detail: string) => void,
): readonly Definition[] {
  const byName = new Map<string, Definition>()
  const twins = new Set<string>()
  for (const definition of definitions) {
    const { name, digest } = definition
    const known = byName.get(name)
    if (known === undefined) byName.set(name, definition)
    else if (known.digest !== digest) twins.add(name)
  }
  for (const name of twins) {
    byName.delete(name)
    complain(`several tools have one name, got=${quoted(name)}`)
  }
  return byName.size === definitions.length ? definitions : [...byName.values()]
}

/** The name of what may be no definition at all. */
export function nameIn(octets: Buffer): string | undefined {
  try {
    const span = membersOf(octets, { start: 0, end: octets.length })?.get('name')
    const name = span === undefined ? undefined : parseSpan(octets, span)
    return typeof name === 'string' ? name : undefined
  } catch {
    return undefined
  }
}
