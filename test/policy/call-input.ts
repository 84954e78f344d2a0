import { argumentsText } from '../../src/policy/asked.ts'
import type { AskedResource, CallTexts, ListTexts } from '../../src/policy/asked.ts'
import type { DecisionInput, DecisionResource, ListInput } from '../../src/policy/authorizer.ts'
import { valueOf } from '../../src/policy/document.ts'
import { formatInput } from '../../src/policy/input.ts'

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

/** The texts of a call, as the gateway has them. */
export function callTexts(options: CallOptions = {}): CallTexts {
  return textsOf(callInput(options))
}

/** The texts that give this input; the arguments as `written`, or as JSON writes them. */
export function textsOf(input: DecisionInput, written?: string): CallTexts {
  const { arguments: given, ...context } = input.context
  const text = written ?? (given === undefined ? undefined : JSON.stringify(given))
  return {
    subject: formatInput(input.subject),
    action: input.action.name,
    resource: formatInput(input.resource),
    arguments: text === undefined ? undefined : argumentsText(Buffer.from(text)),
    context,
  }
}

/** The texts of a list. */
export function listTexts(
  resources: readonly DecisionResource[],
  options: CallOptions = {},
): ListTexts {
  const { subject, action, context } = listInput(resources, options)
  const { arguments: _, ...rest } = context
  return {
    subject: formatInput(subject),
    action: action.name,
    resources: resources.map(askedResource),
    context: rest,
  }
}

export function askedResource(resource: object): AskedResource {
  const text = formatInput(resource)
  return { text, octets: Buffer.byteLength(text), value: valueOf(text) }
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
