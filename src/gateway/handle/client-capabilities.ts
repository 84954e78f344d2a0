import { isJsonObject } from '../../mcp/envelope.ts'

/** What a client offers to servers, as far as it is carried to it: MCP 2025-11-25 schema, ClientCapabilities. */
export interface ClientCapabilities {
  readonly roots?: { readonly listChanged?: true }
  readonly sampling?: { readonly context?: object; readonly tools?: object }
  readonly elicitation?: { readonly form?: object; readonly url?: object }
}

/** Each with its parts. Tasks and whatever is experimental are carried to nobody, so nobody is told of them. */
const carried: Readonly<Record<keyof ClientCapabilities, Readonly<Record<string, object | true>>>> =
  {
    roots: { listChanged: true },
    sampling: { context: {}, tools: {} },
    elicitation: { form: {}, url: {} },
  }

/** In MCP 2025-06-18 neither sampling nor elicitation has parts: a page is nothing that it knows. */
const carriedFirst: typeof carried = { ...carried, sampling: {}, elicitation: {} }

/** Reads what a client offers. Of its own words nothing is kept, so that what is kept of all of them is of one size. */
export function clientCapabilitiesOf(offered: unknown, version?: string): ClientCapabilities {
  if (!isJsonObject(offered)) return {}
  const known = version === '2025-06-18' ? carriedFirst : carried
  const read = Object.entries(known).flatMap(([name, parts]) => {
    const own = Object.hasOwn(offered, name) ? offered[name] : undefined
    return isJsonObject(own) ? [[name, partsOf(own, parts)]] : []
  })
  return Object.fromEntries(read) as ClientCapabilities
}

function partsOf(
  offered: Readonly<Record<string, unknown>>,
  parts: Readonly<Record<string, object | true>>,
): object {
  return Object.fromEntries(
    Object.entries(parts).filter(([name, as]) => {
      const own = Object.hasOwn(offered, name) ? offered[name] : undefined
      return as === true ? own === true : isJsonObject(own)
    }),
  )
}
