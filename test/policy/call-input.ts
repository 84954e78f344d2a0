import type { DecisionInput, DecisionResource, ListInput } from '../../src/policy/authorizer.ts'

/** What a call of these tests says; every member has a default. */
export interface CallOptions {
  readonly id?: string
  readonly role?: string
  readonly tenant?: string | undefined
  readonly toolScopes?: readonly string[]
  readonly server?: string
  readonly tool?: string
  readonly arguments?: unknown
  readonly door?: string
}

/** An agent's call of `files:read`. */
export function callInput(options: CallOptions = {}): DecisionInput {
  const { server = 'files', tool = 'read', door = `mcp/${server}` } = options
  return {
    subject: subjectOf(options),
    action: { name: 'tools/call' },
    resource: toolResource(server, tool),
    context: {
      ...('arguments' in options ? { arguments: options.arguments } : {}),
      era: 'modern',
      time: '2026-11-22T09:00:00Z',
      door,
      phase: 'request',
    },
  }
}

/** A list of these tools, as the same agent asks for it. */
export function listInput(
  resources: readonly DecisionResource[],
  options: CallOptions = {},
): ListInput {
  const { subject, context } = callInput(options)
  const phase = 'list' as const
  return { subject, action: { name: 'tools/list' }, resources, context: { ...context, phase } }
}

export function toolResource(server: string, tool: string): DecisionResource {
  return { type: 'tool', id: tool, properties: { server } }
}

function subjectOf(options: CallOptions): DecisionInput['subject'] {
  const tenant = 'tenant' in options ? options.tenant : 'acme'
  return {
    type: 'identity',
    id: options.id ?? 'spiffe://example.test/ns/research/sa/reader',
    properties: {
      role: options.role ?? 'agent',
      ...(tenant === undefined ? {} : { tenant }),
      models: [],
      toolScopes: options.toolScopes ?? ['files:*'],
      namespace: 'research',
      serviceAccount: 'reader',
      pod: { name: 'reader-0', uid: '4fd2' },
      certificate: { sha256: 'ab'.repeat(32), notAfter: '2026-11-22T10:00:00Z' },
    },
  }
}
