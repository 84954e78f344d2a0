import type { LedgerRecord } from '../record.ts'
import type { Placed } from './read-ledgers.ts'

/** The creation of a request, as the API server's audit log has it (audit.k8s.io/v1). */
export interface Creation {
  readonly namespace: string
  readonly name: string
  /** Empty where the policy logs no response objects and the name was given by the API server. */
  readonly uid: string
  readonly user: string
  readonly groups: readonly string[]
  readonly time: string
}

/** One request that has a record, with who made it. */
export interface Joined {
  readonly request: LedgerRecord['request']
  readonly pod: string
  readonly node: string
  readonly by: string
  /** `kubelet` of the pod's own node; `other` is anybody else, and `unknown` is in no event. */
  readonly maker: 'kubelet' | 'other' | 'unknown'
  readonly ledger: string
  readonly index: number
}

/** A longer line of an audit log is passed over, and counted. */
export const auditLineOctetsMax = 4_194_304

/** The creation that a line tells of; undefined for any other event, `unreadable` for what is no event. */
export function parseAuditLine(line: string): Creation | undefined | 'unreadable' {
  let event: unknown
  try {
    event = JSON.parse(line)
  } catch {
    return 'unreadable'
  }
  const verb = textIn(event, 'verb')
  if (verb === '') return 'unreadable'
  const reference = memberOf(event, 'objectRef')
  if (verb !== 'create' || textIn(reference, 'resource') !== 'podcertificaterequests')
    return undefined
  if (textIn(reference, 'subresource') !== '' || textIn(event, 'stage') !== 'ResponseComplete') {
    return undefined
  }
  const code = memberOf(memberOf(event, 'responseStatus'), 'code')
  if (typeof code === 'number' && (code < 200 || code > 299)) return undefined
  const metadata = memberOf(memberOf(event, 'responseObject'), 'metadata')
  // Whoever acts for another is who acted: what counts is who the API server believed it was.
  const acting = memberOf(event, 'impersonatedUser')
  const user = acting === undefined ? memberOf(event, 'user') : acting
  const impersonator = acting === undefined ? '' : ` as ${textIn(acting, 'username')}`
  const groups = memberOf(user, 'groups')
  return {
    namespace: textIn(reference, 'namespace'),
    name: textIn(reference, 'name') || textIn(metadata, 'name'),
    uid: textIn(metadata, 'uid') || textIn(reference, 'uid'),
    user: `${textIn(memberOf(event, 'user'), 'username')}${impersonator}`,
    groups: Array.isArray(groups) ? groups.filter((group) => typeof group === 'string') : [],
    time: textIn(event, 'requestReceivedTimestamp'),
  }
}

/** Each request of the records that is to come from a kubelet, once, with its maker. An event of another request of the same name does not count for it. */
export async function joinAuditLog(
  records: AsyncIterable<Placed>,
  creations: readonly Creation[],
): Promise<readonly Joined[]> {
  const byUid = new Map(creations.map((creation) => [creation.uid, creation]))
  const byName = Map.groupBy(creations, ({ namespace, name }) => `${namespace}/${name}`)
  const joined = new Map<string, Joined>()
  for await (const { ledger, index, record } of records) {
    if (!('pod' in record) || joined.has(record.request.uid)) continue
    // Of what a pod asks by itself the API server states the maker, and the record says it.
    if (record.request.kind !== undefined) continue
    const { request, pod, node } = record
    const named = byName.get(`${request.namespace}/${request.name}`) ?? []
    // Names are made by the API server and do not come again; of two creations of one name neither is believed.
    const only = named.length === 1 && named[0]?.uid === '' ? named[0] : undefined
    const creation = byUid.get(request.uid) ?? only
    joined.set(request.uid, {
      request,
      pod: pod.name,
      node: node.name,
      by: creation?.user ?? '',
      maker: makerOf(creation, node.name),
      ledger,
      index,
    })
  }
  return [...joined.values()]
}

/** The node authorizer's name of a kubelet, and the group that comes with it. */
function makerOf(creation: Creation | undefined, node: string): Joined['maker'] {
  if (creation === undefined) return 'unknown'
  const isKubelet =
    creation.user === `system:node:${node}` && creation.groups.includes('system:nodes')
  return isKubelet ? 'kubelet' : 'other'
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return (value as Record<string, unknown>)[name]
}

function textIn(value: unknown, name: string): string {
  const member = memberOf(value, name)
  return typeof member === 'string' ? member : ''
}
