/*
 * What things are called at the door of all upstreams: `<server>_<name>` and, since a resource has a URI, `<server>+<uri>`. Names of
 * servers have neither mark, so the first one parts the two.
 */

/** What is meant by a name at the door of all. */
export interface FederatedName {
  /** Empty where the name has no mark. */
  readonly server: string
  /** As the server knows it. */
  readonly name: string
}

export function joinName(server: string, name: string): string {
  return `${server}_${name}`
}

export function joinUri(server: string, uri: string): string {
  return `${server}+${uri}`
}

export function splitName(text: string): FederatedName {
  return split(text, '_')
}

export function splitUri(text: string): FederatedName {
  return split(text, '+')
}

function split(text: string, mark: string): FederatedName {
  const at = text.indexOf(mark)
  return { server: text.slice(0, Math.max(at, 0)), name: text.slice(at + 1) }
}
