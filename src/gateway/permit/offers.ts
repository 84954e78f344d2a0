import type { AnswerBody } from '../../mcp/answer.ts'
import { listFormOf, type ListMember } from '../../mcp/lists.ts'
import type { Call, OfferKind } from '../call.ts'
import type { Catalogues } from '../catalogue/catalogues.ts'
import { oneList } from '../catalogue/definition.ts'
import { parseOffer } from '../catalogue/offer.ts'
import { eraThere } from '../translate/era.ts'
import type { Turns } from '../turns.ts'
import { servesOffer, type Upstream } from '../upstream/upstream.ts'
import { inTurns } from './in-turns.ts'
import type { Listed } from './list.ts'
import { offerText } from './resource.ts'

/** What each kind of list is of, as policy knows it. */
export const offerKinds: Readonly<Record<Exclude<ListMember, 'tools'>, OfferKind>> = {
  prompts: 'prompt',
  resources: 'resource',
  resourceTemplates: 'resource_template',
}

/**
 * What a page lists of prompts, resources or templates, as far as it is fit. A long one is read in several turns of the loop.
 */
export async function offersOf(
  call: Call,
  { catalogueOf, turns }: { readonly catalogueOf: Catalogues; readonly turns: Turns },
  { upstream, answer }: { readonly upstream: Upstream; readonly answer: AnswerBody },
): Promise<readonly Listed[]> {
  const { message } = call
  const form = listFormOf(message.method)
  const { octets, list } = answer
  if (form === undefined || form.member === 'tools' || !Array.isArray(list?.elements)) return []
  const kind = offerKinds[form.member]
  const { server } = upstream.config
  const listed: Listed[] = []
  const compared = oneList()
  const catalogue = catalogueOf(upstream, eraThere(message.era, upstream.config))
  const mayRead = inTurns(list.elements, call, turns)
  for (const span of list.elements) {
    const may = mayRead(span)
    if (!(may instanceof Promise ? await may : may)) break
    const { start, end } = span
    const offer = parseOffer(octets.subarray(start, end), form, compared)
    if (typeof offer === 'string') catalogue.complain(offer)
    else if (servesOffer(upstream.config, kind, offer.name))
      listed.push({ upstream, item: offer, told: offerText(kind, server, offer.name) })
  }
  return listed
}
