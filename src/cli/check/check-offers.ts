import { plural } from '../../doctor/check.ts'
import { listOffers } from '../../gateway/catalogue/list-upstream.ts'
import { parseOffer } from '../../gateway/catalogue/offer.ts'
import { defaultLimits } from '../../gateway/limits.ts'
import { servesOffer, type Upstream, type UpstreamConfig } from '../../gateway/upstream/upstream.ts'
import { coversOffer, type ScopedKind } from '../../identity/offer-scope.ts'
import { listFormOf } from '../../mcp/lists.ts'

const kinds: readonly { readonly kind: ScopedKind; readonly method: string }[] = [
  { kind: 'prompt', method: 'prompts/list' },
  { kind: 'resource', method: 'resources/list' },
  { kind: 'resource_template', method: 'resources/templates/list' },
]

/** What a tool server offers beside its tools. */
export interface SeenOffers {
  readonly names: Readonly<Record<ScopedKind, ReadonlySet<string>>>
  /** Lists that it does not give, and why. One that it does not know is empty. */
  readonly faults: readonly string[]
  /** What these are of: nobody knows all that there is of it. */
  readonly unread: ReadonlySet<ScopedKind>
}

/** Lists prompts, resources and templates in each era, on the gateway's own account. Nothing is read. */
export async function listAllOffers(
  upstream: Upstream,
  { eras }: UpstreamConfig,
): Promise<SeenOffers> {
  const { answerBytesMax } = defaultLimits
  const names = {
    prompt: new Set<string>(),
    resource: new Set<string>(),
    resource_template: new Set<string>(),
  }
  const faults: string[] = []
  const unread = new Set<ScopedKind>()
  for (const { kind, method } of kinds) {
    const form = listFormOf(method)
    for (const era of form === undefined ? [] : eras) {
      const { definitions, failure } = await listOffers({ upstream, era, method, answerBytesMax })
      if (failure !== undefined) {
        unread.add(kind)
        faults.push(`${era}: ${method}: ${failure.failed}: ${failure.detail}`)
      }
      for (const { octets } of definitions) {
        const offer = form && parseOffer(octets, form)
        if (typeof offer === 'object') names[kind].add(offer.name)
      }
    }
  }
  return { names, faults, unread }
}

export interface JudgedOffers {
  /** Behind the summary of its tools; empty where it offers nothing else. */
  readonly summary: string
  /** Scopes that cover nothing of what it lists. */
  readonly idle: readonly string[]
  /** What it offers and nobody is served. */
  readonly outside: readonly string[]
}

/**
 * A scope that covers nothing is misspelt, or of something that is not there any more; where a list could not be read, it may cover what is
 * in that.
 */
export function judgeOffers(config: UpstreamConfig, { names, unread }: SeenOffers): JudgedOffers {
  const listed = kinds.flatMap(({ kind }) => [...names[kind]].map((name) => ({ kind, name })))
  const outside = listed.filter(({ kind, name }) => !servesOffer(config, kind, name))
  const idle = (['prompts', 'resources'] as const).flatMap((field) => {
    const isOfField = (kind: ScopedKind): boolean => (kind === 'prompt') === (field === 'prompts')
    if ([...unread].some(isOfField)) return []
    const among = listed.filter(({ kind }) => isOfField(kind))
    return (config[field] ?? [])
      .filter((scope) => !among.some(({ kind, name }) => coversOffer([scope], kind, name)))
      .map(({ name, prefix }) => `${field} cover nothing: ${name}${prefix ? '*' : ''}`)
  })
  const counts = kinds
    .filter(({ kind }) => names[kind].size > 0)
    .map(({ kind }) => `, ${plural(names[kind].size, words[kind])}`)
  const within = `, ${listed.length - outside.length} of these within its scopes`
  return {
    summary: `${counts.join('')}${outside.length === 0 ? '' : within}`,
    idle,
    outside: outside.map(({ kind, name }) => `outside of its scopes: ${words[kind]} ${name}`),
  }
}

const words: Readonly<Record<ScopedKind, string>> = {
  prompt: 'prompt',
  resource: 'resource',
  resource_template: 'template',
}
