import type { BlockList } from 'node:net'
import type { KeyType } from '../pki/subject-key.ts'
import { canonicalSpelling } from './spelling.ts'

/** What an administrator has said of the requests that are approved. */
export interface ApprovalRules {
  readonly keyTypes: readonly KeyType[]
  /** Of what is asked for; who asks for nothing has what the signer gives. */
  readonly expirationSecondsMax: number
  /** Where nodes may be; anywhere unless told. */
  readonly addressRanges: BlockList | undefined
  /** Such as `.nodes.example`: what a node's names end with, beside its own name; nothing unless told. */
  readonly dnsSuffixes: readonly string[] | undefined
  /** By name. */
  readonly nodes: ReadonlyMap<string, ConfiguredNode>
  /** Who may ask for the first certificate of which nodes; nobody unless told. */
  readonly bootstrap: BootstrapRule | undefined
}

/** What is known of one node without asking it. */
export interface ConfiguredNode {
  /** Who else asks in its name. */
  readonly serviceAccount: BoundAccount | undefined
  readonly dnsNames: readonly string[]
  /** As `parseAddress` gives them. */
  readonly addresses: readonly string[]
}

export interface BoundAccount {
  readonly namespace: string
  readonly name: string
  /** Whether its token has to be that of a pod that runs. */
  readonly ofPod: boolean
}

export interface BootstrapRule {
  readonly groups: readonly string[]
  readonly nodes: readonly string[]
}

/** The node to which configuration gives a name or an address, by its canonical spelling. */
export type Owners = ReadonlyMap<string, string>

/** Whose each is by an administrator's word, whether there is a Node object that says so or not. */
export function configuredOwners({
  nodes,
  bootstrap,
}: Pick<ApprovalRules, 'nodes' | 'bootstrap'>): Owners {
  const owners = new Map((bootstrap?.nodes ?? []).map((name) => [name, name]))
  for (const [name, { dnsNames, addresses }] of nodes) {
    for (const each of [name, ...dnsNames, ...addresses]) owners.set(canonicalSpelling(each), name)
  }
  return owners
}
