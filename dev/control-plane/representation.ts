/** What a client wants to be shown of an object or a list: all of it, its metadata alone, or a table. */
export type Representation = 'object' | 'metadata' | 'table'

export const discoveryMediaType =
  'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'

interface MediaRange {
  readonly type: string
  readonly parameters: Readonly<Record<string, string>>
}

function parseAccept(header: string): readonly MediaRange[] {
  return header.split(',').map((range) => {
    const [type = '', ...pairs] = range.split(';').map((part) => part.trim())
    const parameters = pairs.map((pair): [string, string] => {
      const [name = '', value = ''] = pair.split('=')
      return [name.trim(), value.trim()]
    })
    return { type: type.toLowerCase(), parameters: Object.fromEntries(parameters) }
  })
}

const representations: Readonly<Record<string, Representation>> = {
  Table: 'table',
  PartialObjectMetadata: 'metadata',
  PartialObjectMetadataList: 'metadata',
}

/** The first representation of the header's list that this server makes; an object where the header asks for none. */
export function parseRepresentation(accept: string | undefined): Representation {
  for (const { type, parameters } of parseAccept(accept ?? '')) {
    if (!['application/json', 'application/*', '*/*'].includes(type)) continue
    const { as = '', g = '', v = '' } = parameters
    if (as === '') return 'object'
    const known = Object.hasOwn(representations, as) ? representations[as] : undefined
    if (known !== undefined && g === 'meta.k8s.io' && v === 'v1') return known
  }
  return 'object'
}

/** Whether the client takes discovery as one document. */
export function takesAggregated(accept: string | undefined): boolean {
  return parseAccept(accept ?? '').some(
    ({ type, parameters }) =>
      type === 'application/json' &&
      parameters['as'] === 'APIGroupDiscoveryList' &&
      parameters['g'] === 'apidiscovery.k8s.io' &&
      parameters['v'] === 'v2',
  )
}
