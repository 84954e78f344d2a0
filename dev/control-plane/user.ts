/** Who asks, as authentication found out. */
export interface User {
  readonly name: string
  readonly uid?: string
  readonly groups: readonly string[]
  /** What a bound token says besides: pod and node, a list of one each. */
  readonly extra?: Readonly<Record<string, readonly string[]>>
}

const nodePrefix = 'system:node:'

/** The node's name for a node's user (name and group must both say so), '' for a node without a name. */
export function nodeNameOf(user: User): string | undefined {
  if (!user.name.startsWith(nodePrefix) || !user.groups.includes('system:nodes')) return undefined
  return user.name.slice(nodePrefix.length)
}
