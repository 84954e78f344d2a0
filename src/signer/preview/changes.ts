import { CountersignError, quoted } from '../../errors.ts'
import { isGovernanceKey } from '../../identity/governance-key.ts'
import type { KubernetesObject, Metadata } from '../../kubernetes/resource.ts'
import type { Snapshot } from './snapshot.ts'

/** A label or an annotation that is yet to be written, or taken away. */
export interface Change {
  readonly namespace: string
  /** Undefined: of the namespace itself. */
  readonly serviceAccount: string | undefined
  readonly field: 'labels' | 'annotations'
  readonly key: string
  /** Undefined: taken away. */
  readonly value: string | undefined
}

/**
 * Reads `<namespace>[/<service account>]:<key>=<value>`, or `<key>-` as kubectl takes it away. Throws `cli/usage` where nothing of ours
 * would change.
 */
export function parseChange(text: string, field: Change['field']): Change {
  const option = field === 'labels' ? '--label' : '--annotation'
  const match =
    /^(?<namespace>[^/:=]+)(?:\/(?<account>[^/:=]+))?:(?<key>[^:=]+?)(?:=(?<value>.*)|-)$/s.exec(
      text,
    )
  const { namespace, account, key, value } = match?.groups ?? {}
  if (namespace === undefined || key === undefined) {
    const want = '<namespace>[/<service account>]:<key>=<value>, or <key>- to take it away'
    throw new CountersignError('cli/usage', `${option}: want=${want} got=${quoted(text)}`)
  }
  if (field === 'annotations' && account === undefined) {
    const rule = 'want=<namespace>/<service account>, annotations of namespaces prove nothing'
    throw new CountersignError('cli/usage', `${option} ${quoted(text)}: ${rule}`)
  }
  if (!isGovernanceKey(key)) {
    const message = `${option}: ${quoted(key)} proves nothing`
    const hint = 'the keys that do are in docs/ISSUANCE.md'
    throw new CountersignError('cli/usage', message, { hint })
  }
  return { namespace, serviceAccount: account, field, key, value }
}

/** The objects as they would be. Throws `cli/usage` where one of them is not there. */
export function withChanges(snapshot: Snapshot, changes: readonly Change[]): Snapshot {
  return changes.reduce((before, change) => {
    const { namespace, serviceAccount: name } = change
    return name === undefined
      ? {
          ...before,
          namespaces: changed(before.namespaces, change, { name: namespace }),
        }
      : {
          ...before,
          serviceAccounts: changed(before.serviceAccounts, change, { namespace, name }),
        }
  }, snapshot)
}

function changed<T extends KubernetesObject>(
  objects: readonly T[],
  change: Change,
  of: { readonly name: string; readonly namespace?: string },
): readonly T[] {
  const isMeant = ({ metadata }: T): boolean =>
    metadata.name === of.name && metadata.namespace === of.namespace
  if (!objects.some(isMeant)) {
    const what = of.namespace === undefined ? 'namespace' : 'service account'
    const name = of.namespace === undefined ? of.name : `${of.namespace}/${of.name}`
    const hint = 'only what is there already can be previewed'
    throw new CountersignError('cli/usage', `no ${what} ${quoted(name)}`, { hint })
  }
  return objects.map((object) =>
    isMeant(object) ? { ...object, metadata: withChange(object.metadata, change) } : object,
  )
}

function withChange(metadata: Metadata, { field, key, value }: Change): Metadata {
  const { [key]: _, ...others } = metadata[field]
  return { ...metadata, [field]: value === undefined ? others : { ...others, [key]: value } }
}
