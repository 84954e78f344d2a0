import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { encodeHeaderValue } from '../../../src/mcp/header-value.ts'
import {
  initializeParams,
  legacy,
  modern,
  modernMeta,
  type Reply,
  type TestClient,
} from './client.ts'
import { sendJson, type Answer, type JsonMessage, type Received } from './upstream.ts'
import { openWorld, type World, type WorldOptions } from './world.ts'

/*
 * Servers of one era each, which take nothing of the other, and agents of the era that their server is not of.
 */

/** As each server is asked, without `initialize` and what follows it. */
export function asked(world: World, server: string, method: string): readonly Received[] {
  return (world.upstreams[server]?.received ?? []).filter(
    ({ body }) => body !== '' && (JSON.parse(body) as JsonMessage).method === method,
  )
}

/** Of resources below `test://open/`, and of every tool. */
export const grantsOfOpen = {
  tenants: {
    acme: {
      files: { tools: {}, prefixes: { '': {} }, resources: { prefixes: { 'test://open/': {} } } },
    },
  },
  subjects: {},
}

export const echoTool: string =
  '{"name":"echo","inputSchema":{"type":"object","properties":{"city":{"type":"string","x-mcp-header":"City"}}}}'
export const listTool: string =
  '{"outputSchema" : {"type":"array","items":{"type":"integer"}},"name":"list","inputSchema":{"type":"object"}}'
export const taskTool =
  '{"name":"task","inputSchema":{"type":"object"},"execution":{"taskSupport":"required"}}'

type Say = (text: string, headers?: object) => void
export type Script = (
  message: JsonMessage,
  say: { readonly result: Say; readonly error: Say; readonly response: ServerResponse },
) => void

export const ok: Script = (_, { result }) => result('{"content":[]}')

/** A server of 2026-07-28 that takes nothing of another era. */
export function modernOnly(
  script: Script,
  tools: readonly string[] = [echoTool, listTool],
): Answer {
  return (message, response, { headers }) => {
    const { id, method, params = {} } = message
    const say = saying(response, id, 'modern')
    const meta = (params['_meta'] ?? {}) as Record<string, unknown>
    const name = params['name'] ?? params['uri']
    const isFine =
      meta['io.modelcontextprotocol/protocolVersion'] === '2026-07-28' &&
      headers['mcp-protocol-version'] === '2026-07-28' &&
      headers['mcp-method'] === method &&
      headers['mcp-session-id'] === undefined &&
      (name === undefined || headers['mcp-name'] === name || method === 'completion/complete')
    if (!isFine) response.writeHead(400).end()
    else if (method === 'server/discover') {
      say.result(
        '{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"logging":{}},"ttlMs":0,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"new one","version":"9"}}}',
      )
    } else if (method === 'tools/list') {
      say.result(`{"ttlMs":5000,"tools":[${tools.join(',')}],"cacheScope":"public","x-kept":1e400}`)
    } else script(message, say)
  }
}

interface LegacyServer {
  readonly answer: Answer
  readonly sessions: Set<string>
  readonly ids: string[]
}

/** A server of one legacy revision with sessions that takes nothing of another era, and no id twice. */
export function legacyOnly(
  script: Script,
  tools: readonly string[] = [echoTool, taskTool],
  version = '2025-11-25',
): LegacyServer {
  const sessions = new Set<string>()
  const ids: string[] = []
  let opened = 0
  const answer: Answer = (message, response, { headers }) => {
    const { id, method, params = {} } = message
    const say = saying(response, id, 'legacy')
    if (method === 'initialize') {
      opened += 1
      sessions.add(`s${opened}`)
      say.result(
        `{"protocolVersion":"${version}","capabilities":{"tools":{},"logging":{},"tasks":{}},"serverInfo":{"name":"old one","version":"1"},"instructions":"do"}`,
        { 'mcp-session-id': `s${opened}` },
      )
      return
    }
    if (!sessions.has(String(headers['mcp-session-id']))) {
      response.writeHead(404).end()
      return
    }
    const meta = (params['_meta'] ?? {}) as Record<string, unknown>
    const idHere = `${String(headers['mcp-session-id'])} ${String(id)}`
    const isStrange =
      Object.keys(meta).some((name) => name.startsWith('io.modelcontextprotocol/')) ||
      Object.keys(headers).some((name) => /^mcp-(method|name|param)/.test(name)) ||
      headers['mcp-protocol-version'] !== version ||
      ids.includes(idHere)
    if (isStrange) response.writeHead(400).end()
    else if (id === undefined) response.writeHead(202).end()
    else {
      ids.push(idHere)
      if (method === 'tools/list') say.result(`{"tools":[${tools.join(',')}],"x-kept":1e400}`)
      else script(message, say)
    }
  }
  return { answer, sessions, ids }
}

function saying(
  response: ServerResponse,
  id: unknown,
  era: 'modern' | 'legacy',
): Parameters<Script>[1] {
  const complete = era === 'modern' ? '"resultType":"complete",' : ''
  const raw = JSON.stringify(id)
  return {
    response,
    result: (text, headers) =>
      sendJson(
        response,
        `{"jsonrpc":"2.0","id":${raw},"result":{${complete}${text.slice(1)}}`,
        headers,
      ),
    error: (text, headers) =>
      sendJson(response, `{"jsonrpc":"2.0","error":${text},"id":${raw}}`, headers),
  }
}

const grants = {
  tenants: {
    acme: Object.fromEntries(
      ['files', 'web'].map((server) => [
        server,
        {
          tools: {},
          prefixes: { '': {} },
          prompts: { names: {}, prefixes: { '': {} } },
          resources: { uris: {}, prefixes: { 'file:///': {} } },
        },
      ]),
    ),
  },
  subjects: {},
}

export type Era = 'modern' | 'legacy'

/** `files` is of one era, and nothing else is there. */
export function openOne(era: Era, answer: Answer, more: WorldOptions = {}): Promise<World> {
  return openWorld({
    answers: { files: answer },
    upstreams: (configs) => configs.map((config) => ({ ...config, eras: [era] })),
    grants,
    ...more,
  })
}

export const wanted: { readonly toolScopes: string } = { toolScopes: 'files:*,web:*' }

export async function sessionAt(
  agent: TestClient,
  door: string,
  capabilities: object = initializeParams.capabilities,
): Promise<string> {
  const { body, headers } = legacy('initialize', { ...initializeParams, capabilities })
  const opened = await agent.post(door, body, headers)
  assert.equal(opened.status, 200, opened.text)
  return String(opened.headers['mcp-session-id'])
}

/** A client of the era that its server is not of. */
export async function clientOf(
  era: Era,
  agent: TestClient,
  door: string,
  capabilities: object = {},
): Promise<
  (method: string, params?: Record<string, unknown>, id?: string | number) => Promise<Reply>
> {
  const session = era === 'legacy' ? await sessionAt(agent, door, capabilities) : ''
  const declared = { 'io.modelcontextprotocol/clientCapabilities': capabilities }
  return (method, params = {}, id = 1) => {
    const { _meta: meta } = params as { readonly _meta?: object }
    const { body, headers } =
      era === 'modern'
        ? modern(method, { ...params, _meta: { ...modernMeta, ...declared, ...meta } }, id)
        : legacy(method, params, { session, id })
    const { 'mcp-name': name } = headers as Record<string, string | undefined>
    const encoded = name === undefined ? {} : { 'mcp-name': encodeHeaderValue(name) }
    return agent.post(door, body, { ...headers, ...encoded })
  }
}

export const other: Readonly<Record<Era, Era>> = { modern: 'legacy', legacy: 'modern' }

export function serverOf(era: Era, script: Script): Answer {
  return era === 'modern' ? modernOnly(script) : legacyOnly(script).answer
}
