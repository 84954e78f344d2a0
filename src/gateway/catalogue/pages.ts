import { quoted } from '../../errors.ts'
import { passList, type Element, type ListSpan, type Recognizer } from '../../mcp/listed.ts'
import type { Room } from '../../mcp/skip.ts'
import { whenThere, type Soon } from '../soon.ts'
import type { Account, OctetRoom } from '../../shares.ts'
import { createPace } from './pace.ts'
import type { Turns } from '../turns.ts'
import { oneList, type Definition } from './definition.ts'

/** So many pages are kept, as long as they are no larger: an upstream may list in pages, and each at every call. */
const pagesMax = 8
const pageOctetsMax = 512 * 1024

/** The octets of what may be a definition. */
export interface Candidate {
  readonly octets: Buffer
  /** The members and elements in it, where it was passed over. */
  readonly values: number
}

export type ReadDefinition = (candidate: Candidate, compared: Room) => Definition | undefined

/** Reads what is new in one list. Its names are compared within one bound; a list that is new takes a few turns of the loop. */
export function readEach(
  candidates: readonly Candidate[],
  read: ReadDefinition,
  takeTurn: () => Soon<void>,
): Soon<readonly (Definition | undefined)[]> {
  return candidates.length === 0 ? [] : readNew(candidates, read, takeTurn)
}

async function readNew(
  candidates: readonly Candidate[],
  read: ReadDefinition,
  takeTurn: () => Soon<void>,
): Promise<readonly (Definition | undefined)[]> {
  const compared = oneList()
  const found: (Definition | undefined)[] = []
  const pace = createPace(takeTurn)
  for (const candidate of candidates) {
    const turn = pace(candidate.octets.length)
    if (turn !== undefined) await turn
    found.push(read(candidate, compared))
  }
  return found
}

/** An array of tools that was read. */
interface Page {
  readonly tools: Buffer
  readonly values: number
  /** Where they stand in what the array was a part of, and what they are. */
  readonly elements: readonly Element[]
  /** The octets before the array there. */
  readonly before: number
  readonly definitions: readonly Definition[]
}

interface Opened {
  readonly tools: Buffer
  readonly tenant: string
  readonly definitions: Promise<readonly Definition[]>
}

/** The arrays of tools that were read last. */
export interface Pages {
  /** Knows them in an answer. */
  recognizer(): Recognizer
  /**
   * The definitions in an array of tools that are fit, in their order. What has the octets of one of the last is not read again; what is
   * new is read in the turns of this account.
   */
  read(octets: Buffer, list: ListSpan, account: Account): Soon<readonly Definition[]>
}

export interface PagesOptions {
  /** Gives the definition in the octets of one tool. */
  readonly read: ReadDefinition
  readonly complain: (detail: string) => void
  readonly turns: Turns
  /** What is kept takes of it: where there is none a list is read each time. */
  readonly room: OctetRoom
}

export function createPages({ read, complain, turns, room }: PagesOptions): Pages {
  const pages: Page[] = []
  /** Those that are being read: who of the same tenant is given the same meanwhile waits for them. Nobody waits in the line of another. */
  const open: Opened[] = []

  function keep(tools: Buffer, page: Omit<Page, 'tools'>): void {
    if (tools.length > pageOctetsMax) return
    const oldest = pages.length >= pagesMax ? pages.pop() : undefined
    if (oldest !== undefined) room.give(octetsOf(oldest))
    if (room.take(octetsOf({ tools })) !== undefined) return
    // A copy: the octets are a part of a whole answer, which nobody needs any more.
    pages.unshift({ tools: Buffer.from(tools), ...page })
  }
  function readAll(tools: Buffer, list: ListSpan, account: Account): Soon<readonly Definition[]> {
    const { values, elements, before } = elementsIn(tools, list)
    const candidates = elements
      .filter(({ known }) => known === undefined)
      .map((element) => candidateAt(tools, element, before))
    const takeTurn = (): Soon<void> => turns.take(account)
    return whenThere(readEach(candidates, read, takeTurn), (found) => {
      const news = found.values()
      // Of a long list most is known, and stays as it is.
      const known = elements.map((element) =>
        element.known === undefined ? { ...element, known: news.next().value } : element,
      )
      const fit = known
        .map((element) => element.known as Definition | undefined)
        .filter((definition) => definition !== undefined)
      const definitions = singleOf(fit, complain)
      keep(tools, { values, elements: known, before, definitions })
      return definitions
    })
  }
  function readOnce(tools: Buffer, list: ListSpan, account: Account): Soon<readonly Definition[]> {
    const definitions = readAll(tools, list, account)
    if (!(definitions instanceof Promise)) return definitions
    const [tenant] = account
    const reading = { tools, tenant, definitions }
    open.push(reading)
    return definitions.finally(() => open.splice(open.indexOf(reading), 1))
  }
  return {
    recognizer: () => createRecognizer(pages),
    read(octets, list, account) {
      const tools = octets.subarray(list.start, list.end)
      const page = pages.find((each) => each.tools.equals(tools))
      if (page !== undefined) {
        moveToFront(pages, page)
        return page.definitions
      }
      const [tenant] = account
      const reading = open.find((each) => each.tenant === tenant && each.tools.equals(tools))
      return reading === undefined ? readOnce(tools, list, account) : reading.definitions
    },
  }
}

/** With its definitions, which have octets of their own and may be known here alone. */
function octetsOf({ tools }: Pick<Page, 'tools'>): number {
  return 2 * tools.length
}

/** The one that is left alone for longest goes first. */
function moveToFront(pages: Page[], page: Page): void {
  if (pages[0] === page) return
  pages.splice(pages.indexOf(page), 1)
  pages.unshift(page)
}

/** The elements of an array, and how many octets there are before it where they stand. */
function elementsIn(
  tools: Buffer,
  { start, elements, values }: ListSpan,
): {
  readonly values: number
  readonly elements: readonly Element[]
  readonly before: number
} {
  if (elements === 'no list') return { values, elements: [], before: 0 }
  if (elements !== 'known') return { values, elements, before: start }
  // It was known when its answer was read, and is not any more.
  const list = spanOf(tools)
  return list.elements === 'known' ? { values, elements: [], before: 0 } : elementsIn(tools, list)
}

/** The array that is the whole of these octets; they are JSON. */
function spanOf(tools: Buffer): ListSpan {
  const boundless = { room: { left: Number.MAX_SAFE_INTEGER }, elementsMax: tools.length }
  const list = passList(tools, 0, boundless)
  if (typeof list === 'number') throw new TypeError('octets that were JSON are none')
  return list
}

function candidateAt(tools: Buffer, { start, end, values }: Element, before: number): Candidate {
  return { octets: tools.subarray(start - before, end - before), values }
}

/** Definitions keep their order from one list to the next, most often: each is looked for after the one before it. */
function createRecognizer(pages: readonly Page[]): Recognizer {
  let page: Page | undefined
  let expected = 0

  function knownAt(octets: Buffer, at: number, index: number): Element | undefined {
    const element = page?.elements[index]
    if (page === undefined || element === undefined) return undefined
    const { start, end } = element
    const { tools, before } = page
    return standsAt(octets, at, tools, start - before, end - before) ? element : undefined
  }
  return {
    whole(octets, at) {
      const known = pages.find(({ tools }) => standsAt(octets, at, tools, 0, tools.length))
      // The page that begins in the same way is most likely the one that has changed.
      page = pages.find((each) => beginsAlike(octets, at, each)) ?? pages[0]
      return known && { octets: known.tools.length, values: known.values }
    },
    next(octets, at) {
      // One after it where one is gone, and one before where one is new.
      for (const index of [expected, expected + 1, expected - 1]) {
        const element = knownAt(octets, at, index)
        if (element === undefined) continue
        expected = index + 1
        const { start, end, values, known } = element
        return { octets: end - start, values, known }
      }
      expected += 1
      return undefined
    },
  }
}

function beginsAlike(
  octets: Buffer,
  at: number,
  { tools, elements: [first], before }: Page,
): boolean {
  return first !== undefined && standsAt(octets, at, tools, 0, first.end - before)
}

/** Whether the octets of a text that is known from `start` to `end` stand there. */
// oxlint-disable-next-line max-params -- for each definition of a list: no object is made
function standsAt(octets: Buffer, at: number, known: Buffer, start: number, end: number): boolean {
  const stop = at + end - start
  return stop <= octets.length && octets.compare(known, start, end, at, stop) === 0
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
