import type { AnswerBody } from '../../mcp/answer.ts'
import { listFormOf, type ListMember } from '../../mcp/lists.ts'
import type { Call, OfferKind } from '../call.ts'
import { parseOffer } from '../catalogue/offer.ts'
import type { Log } from '../../log.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { Listed } from './list.ts'
import { offerText } from './resource.ts'

/** What each kind of list is of, as policy knows it. */
const kinds: Readonly<Record<Exclude<ListMember, 'tools'>, OfferKind>> = {
  prompts: 'prompt',
  resources: 'resource',
  resourceTemplates: 'resource_template',
}

/** What a page lists of prompts, resources or templates, as far as it is fit; what is not is logged once a page. */
export function offersOf(
  { message }: Call,
  log: Log,
  { upstream, answer }: { readonly upstream: Upstream; readonly answer: AnswerBody },
): readonly Listed[] {
  const form = listFormOf(message.method)
  const { octets, list } = answer
  if (form === undefined || form.member === 'tools' || !Array.isArray(list?.elements)) return []
  const kind = kinds[form.member]
  const { server } = upstream.config
  const listed: Listed[] = []
  let unfit: string | undefined
  for (const { start, end } of list.elements) {
    const offer = parseOffer(octets.subarray(start, end), form)
    if (typeof offer === 'string') unfit ??= offer
    else listed.push({ upstream, item: offer, told: offerText(kind, server, offer.name) })
  }
  if (unfit !== undefined)
    log.warn({ server, detail: unfit }, `something is left out of ${form.member}`)
  return listed
}
