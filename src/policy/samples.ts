/** A question that a bundle is asked before it is put into force. */
export interface Sample {
  readonly entrypoint: string
  readonly input: object
}

type Entrypoints = Readonly<Record<'issuance' | 'decision' | 'list' | 'mask', string>>

/** Grants that are asked about: a platform may have a hundred thousand. */
const grantsMax = 16

type Json = Readonly<Record<string, unknown>>

/** Questions for data: nothing at all, a certificate, and for some of the grants calls that they allow and calls that they do not. */
export function samplesOf(data: Json, entrypoints: Entrypoints): readonly Sample[] {
  const empty = Object.values(entrypoints).map((entrypoint) => ({ entrypoint, input: {} }))
  const issuance = { entrypoint: entrypoints.issuance, input: certificateInput() }
  return [
    ...empty,
    issuance,
    ...grantsIn(data).flatMap((grant) => samplesOfGrant(grant, entrypoints)),
  ]
}

interface Grant {
  readonly id: string
  readonly tenant: string | undefined
  readonly server: string
  readonly tool: string
  readonly conditions: unknown
}

/** The first grants of tenants and of subjects, tools as they are and prefixes with a letter more. */
function grantsIn(data: Json): readonly Grant[] {
  const found: Grant[] = []
  const grants = membersOf(data['grants'])
  for (const [kind, holders] of grants) {
    for (const [holder, servers] of membersOf(holders).slice(0, grantsMax)) {
      const isSubject = kind === 'subjects'
      const id = isSubject ? holder : 'spiffe://sample.invalid/ns/sample/sa/sample'
      const tenant = isSubject ? undefined : holder
      for (const [server, granted] of membersOf(servers).slice(0, grantsMax)) {
        for (const [tool, conditions] of toolsIn(granted)) {
          found.push({ id, tenant, server, tool, conditions })
        }
      }
    }
  }
  const step = Math.max(1, Math.floor(found.length / grantsMax))
  return found.filter((_, index) => index % step === 0).slice(0, grantsMax)
}

function toolsIn(granted: unknown): readonly (readonly [string, unknown])[] {
  const { tools, prefixes } = Object.fromEntries(membersOf(granted))
  return [
    ...membersOf(tools).slice(0, grantsMax),
    ...membersOf(prefixes)
      .slice(0, grantsMax)
      .map(([prefix, conditions]) => [`${prefix}x`, conditions] as const),
  ]
}

function membersOf(value: unknown): readonly (readonly [string, unknown])[] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : []
}

function samplesOfGrant(grant: Grant, entrypoints: Entrypoints): readonly Sample[] {
  const { server, tool } = grant
  const given = Object.fromEntries(
    membersOf(Object.fromEntries(membersOf(grant.conditions))['arguments']).map(
      ([name, values]) => [name, Array.isArray(values) ? (values as unknown[])[0] : null],
    ),
  )
  const asked = { subject: subjectOf(grant), action: { name: 'tools/call' } }
  const context = { era: 'modern', time: '2026-01-01T00:00:00Z', door: 'mcp', phase: 'request' }
  const resources = [tool, `${tool}y`, 'other'].map((id) => toolOf(server, id))
  const calls = resources.flatMap((resource) =>
    [given, {}].map((words) => ({ ...asked, resource, context: { ...context, arguments: words } })),
  )
  const list = { ...asked, action: { name: 'tools/list' }, resources, context }
  const digests = { arguments: { sha256: '0'.repeat(64), octets: 2 } }
  return [
    ...calls.map((input) => ({ entrypoint: entrypoints.decision, input })),
    { entrypoint: entrypoints.list, input: list },
    { entrypoint: entrypoints.mask, input: { input: calls[0], result: { allow: true }, digests } },
  ]
}

function subjectOf({ id, tenant, server }: Grant): object {
  return {
    type: 'identity',
    id,
    properties: {
      role: 'agent',
      ...(tenant === undefined ? {} : { tenant }),
      models: [],
      toolScopes: [`${server}:*`],
      namespace: 'sample',
      serviceAccount: 'sample',
      pod: { name: 'sample', uid: '00000000-0000-0000-0000-000000000000' },
      certificate: { sha256: '0'.repeat(64), notAfter: '2026-01-01T01:00:00Z' },
    },
  }
}

function toolOf(server: string, id: string): object {
  return { type: 'tool', id, properties: { server, definitionDigest: '0'.repeat(64) } }
}

function certificateInput(): object {
  return {
    subject: {
      type: 'identity',
      id: 'spiffe://sample.invalid/ns/sample/sa/sample',
      properties: {
        namespace: 'sample',
        serviceAccount: 'sample',
        pod: { name: 'sample', uid: '00000000-0000-0000-0000-000000000000' },
        node: 'sample',
        role: 'agent',
        models: [],
        toolScopes: [],
      },
    },
    action: { name: 'issue' },
    resource: {
      type: 'certificate',
      id: 'sample.invalid/signer',
      properties: { keyType: 'ECDSAP256', lifetimeSeconds: 3600, dnsNames: [] },
    },
    context: { time: '2026-01-01T00:00:00Z' },
  }
}
