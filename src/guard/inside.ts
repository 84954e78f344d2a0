import { CountersignError, quoted } from '../errors.ts'

/** Where the server is that is guarded: always this host's 127.0.0.1, so that no name can be made to mean another one. */
export interface Inside {
  readonly port: number
  /** The one request target that is served, outside as inside, by its exact text. */
  readonly path: string
}

export const insideHost = '127.0.0.1'

/** Parses `http://127.0.0.1:<port>/<path>`. Throws `guard/inside`. */
export function parseInside(url: string): Inside {
  const found = /^http:\/\/127\.0\.0\.1:([1-9][0-9]{0,4})(\/[!"$-~]*)$/.exec(url)
  const port = Number(found?.[1])
  const path = found?.[2]
  if (path !== undefined && port <= 65_535) return { port, path }
  throw new CountersignError(
    'guard/inside',
    `to: want=http://${insideHost}:<port>/<path> got=${quoted(url)}`,
    { hint: `such as --to http://${insideHost}:8000/mcp; no name and no other address is taken` },
  )
}
