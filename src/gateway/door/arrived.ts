import type { IncomingMessage, ServerResponse } from 'node:http'

/** `/mcp` is all upstreams together, `/mcp/<server>` is one upstream as it is. */
export type Door =
  | { readonly kind: 'all'; readonly name: 'mcp' }
  | { readonly kind: 'one'; readonly name: `mcp/${string}`; readonly server: string }

/** A POST at one of the doors, or a GET or DELETE that names a session, before anything of it is judged. */
export interface Arrived {
  readonly door: Door
  readonly request: IncomingMessage
  readonly response: ServerResponse
}
