/** What the contestants share: the call, its answer, and what each is told. */
import type { EngineName } from '../../src/policy/engine.ts'
import { constants } from 'node:crypto'
import type { ServerOptions } from 'node:https'
import { parseCredentialBundle } from '../../src/pki/credential.ts'

/** What a contestant is told by whoever starts it. */
export interface Setting {
  /** Where it may write. */
  readonly folder: string
  /** The contestants, bundled. */
  readonly program: string
  readonly credentialPem: string
  readonly bundlePem: string
  readonly trustDomain: string
  readonly upstreamPort: number
  readonly upstreamSpiffeId: string
  /** What runs the rules; their plan unless told. */
  readonly engine?: EngineName
  /** The longest that a caller may keep a list, in seconds; the gateway's own unless told. */
  readonly listSecondsMax?: number
  /** Those of the tool server; modern unless told. */
  readonly eras?: readonly ('modern' | 'legacy')[]
  /** The most streams of changes; the gateway's own unless told. */
  readonly upstreamStreamsMax?: number
  /** Those of a call unless told. */
  readonly grants?: object
}

/** What runs: each says where it listens, and closes in order. */
export interface Running {
  readonly port: number
  close(): Promise<void>
}

/** Argument policy: the region is what a caller may say. */
export const regions = ['north', 'south'] as const

export const grants: object = {
  tenants: {
    acme: {
      tools: {
        tools: { search: { arguments: { region: regions } } },
        prefixes: { tool_: {} },
      },
    },
  },
  subjects: {},
}

export const answerText: string = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  result: {
    resultType: 'complete',
    content: [{ type: 'text', text: 'three results: a field guide, a map of it, and a warning' }],
    structuredContent: {
      results: [
        { id: 17, title: 'a field guide' },
        { id: 23, title: 'a map' },
      ],
    },
  },
})

/**
 * Of the methods that are not called but asked for by gateways; the list has so many tools beside the one that is called, each with more
 * at the end of its description.
 */
export function answersOf(
  tools: number,
  more: (index: number) => string = () => '',
): Readonly<Record<string, string>> {
  const capabilities = { tools: {} }
  const result = { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities }
  const discovered = { ...result, ttlMs: 0, cacheScope: 'public' }
  return {
    'tools/list': listText(tools, more),
    'server/discover': JSON.stringify({ jsonrpc: '2.0', id: 1, result: discovered }),
  }
}

function listText(others: number, more: (index: number) => string): string {
  const search = { name: 'search', inputSchema: { type: 'object' } }
  const tools = Array.from({ length: others }, (_, index) => ({
    name: `${index % 2 === 0 ? 'tool' : 'drop'}_${index}`,
    description: `The tool of number ${index}, which reads what it is told and changes nothing.${more(index)}`,
    inputSchema: {
      type: 'object',
      properties: { path: { type: 'string' }, depth: { type: 'integer', minimum: 0 } },
      required: ['path'],
    },
    annotations: { readOnlyHint: true },
  }))
  const result = { resultType: 'complete', tools: [search, ...tools], ttlMs: 0 }
  return JSON.stringify({ jsonrpc: '2.0', id: 1, result: { ...result, cacheScope: 'public' } })
}

export function request(method: string, params: object): string {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  return JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: meta } })
}

const headers = {
  host: 'gateway.bench',
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  'mcp-protocol-version': '2026-07-28',
}

/** One call, as a caller sends it. */
export const call: { readonly headers: Record<string, string>; readonly body: string } = {
  headers: { ...headers, 'mcp-method': 'tools/call', 'mcp-name': 'search' },
  body: request('tools/call', {
    name: 'search',
    arguments: { query: 'where the paths meet', limit: 3, region: 'north' },
  }),
}

export const list: typeof call = {
  headers: { ...headers, 'mcp-method': 'tools/list' },
  body: request('tools/list', {}),
}

/** TLS as the gateway's own door has it. */
export function tlsOptions({ credentialPem, bundlePem }: Setting): ServerOptions {
  const { chainPem, privateKeyPem } = parseCredentialBundle(credentialPem)
  return {
    cert: chainPem,
    key: privateKeyPem,
    ca: bundlePem,
    minVersion: 'TLSv1.3',
    requestCert: true,
    rejectUnauthorized: true,
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
}
