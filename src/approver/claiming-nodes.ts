import { addressedNodes } from '../kubernetes/node-addresses.ts'
import type { KubernetesObject, Resource } from '../kubernetes/resource.ts'
import { canonicalSpelling } from './spelling.ts'

/** What one node says of itself, to be held against the others: all of it, whatever its type, in its canonical spelling. */
export interface ClaimingNode extends KubernetesObject {
  readonly claims: ReadonlySet<string>
}

/** The spellings are made when a node changes, not for each request that is compared with it. */
export const claimingNodes: Resource<ClaimingNode> = {
  ...addressedNodes,
  parse(raw) {
    const { metadata, addresses } = addressedNodes.parse(raw)
    const claims = [metadata.name, ...addresses.map(({ address }) => address)]
    return { metadata, claims: new Set(claims.map(canonicalSpelling)) }
  },
}

/** The nodes beside one's own that say they have a name or an address, by its canonical spelling. */
export function claimantsOf(
  spellings: readonly string[],
  options: { readonly nodes: readonly ClaimingNode[]; readonly except: string },
): ReadonlyMap<string, readonly string[]> {
  const claimants = new Map<string, string[]>()
  for (const { metadata, claims } of options.nodes) {
    if (metadata.name === options.except) continue
    for (const spelling of spellings) {
      if (!claims.has(spelling)) continue
      const found = claimants.get(spelling) ?? []
      claimants.set(spelling, found)
      found.push(metadata.name)
    }
  }
  return claimants
}
