import assert from 'node:assert/strict'
import { methods } from '../../../src/gateway/methods.ts'
import { encodeHeaderValue } from '../../../src/mcp/header-value.ts'
import { rows, unread, type At, type Told, type Wrong } from './bad-input.ts'
import { legacy, modern, modernMeta } from './client.ts'
import type { Era } from './eras.ts'

/*
 * One request that is not served for each thing that may be wrong: with its method alone, with any request, or with what its headers say.
 */

export const doors: Readonly<Record<Door, string>> = { one: '/mcp/files', all: '/mcp' }
type Door = 'one' | 'all'

interface Asked {
  readonly body: string
  readonly headers: Record<string, string>
}

/** One request that is not served. */
export interface Cell {
  readonly what: string
  readonly ask: (session: string) => Asked
  readonly told: Told
}

export interface Column {
  readonly method: string
  readonly era: Era
  readonly door: Door
}

export const bodyBytesMax = 131_072
const invalidRequest = -32600
const headerMismatch = -32020
const methodNotFound = -32601
const related = 'io.modelcontextprotocol/related-task'
const subscription = 'io.modelcontextprotocol/subscriptionId'

export function isNotice(method: string): boolean {
  return methods[method]?.kind === 'notification'
}

export function ask({ method, era }: Column, params: object, session: string): Asked {
  const id = 'cell'
  if (era === 'legacy') {
    const isIn = method !== 'initialize'
    return legacy(method, { ...params }, { id, ...(isIn ? { session } : {}) })
  }
  const { body, headers } = modern(method, { ...params }, id)
  const { 'mcp-name': named = '', ...rest } = headers
  // What is of the other era alone has no name that a header repeats.
  const name = methods[method]?.eras.includes('modern') === true ? named : ''
  return {
    body: isNotice(method) ? body.replace('"id":"cell",', '') : body,
    headers: { ...rest, ...(name === '' ? {} : { 'mcp-name': encodeHeaderValue(name) }) },
  }
}

/** What is wrong with the one or the other method alone. */
export function cellsOfMethod(column: Column, at: At): readonly Cell[] {
  const { method, era, door } = column
  const row = rows[method]
  assert.ok(row !== undefined, `${method} has no row in world/bad-input.ts`)
  const cellOf =
    (kind: string) =>
    (wrong: Wrong): Cell => ({
      what: `${kind}: ${wrong.what}`,
      ask: (session) => ask(column, wrong.params(at), session),
      told: isNowhere ? unknown(method, true) : wrong.told(at),
    })
  // Approvals are asked of the gateway, at the door of all.
  const isNowhere = method.startsWith('approvals/') && door === 'one'
  return [
    ...row.malformed.filter(({ eras }) => eras.includes(era)).map(cellOf('malformed')),
    ...row.oversized.filter(({ eras }) => eras.includes(era)).map(cellOf('oversized')),
    ...row.foreign.filter(({ eras }) => eras.includes(era)).map(cellOf('foreign')),
  ]
}

export function unknown(method: string, isDecided = false): Told {
  const told = unread(`method not found: "${method}"`, { code: methodNotFound, status: 404 })
  return { ...told, isDecided }
}

const deep = JSON.parse(`${'['.repeat(80)}${']'.repeat(80)}`) as unknown
const shape = (why: string): Told => unread(why, { code: invalidRequest })

/** What is wrong with any request. */
export function cellsOfAll(column: Column, at: At): readonly Cell[] {
  const { method, era } = column
  const good = rows[method]?.good(at) ?? {}
  const meta = era === 'modern' ? modernMeta : {}
  const cell = (what: string, params: object, told: Told): Cell => ({
    what,
    ask: (session) => ask(column, { ...good, ...params }, session),
    told,
  })
  const edited = (what: string, told: Told, edit: (body: string) => string): Cell => ({
    what,
    ask(session) {
      const asked = ask(column, good, session)
      return { ...asked, body: edit(asked.body) }
    },
    told,
  })
  const tooLarge = unread(`body is too large, want=..${bodyBytesMax} octets`, {
    code: invalidRequest,
    status: 413,
  })
  // Of a legacy request for a task it says nothing, and is not passed on.
  const handles =
    era === 'legacy' && methods[method]?.about === 'task' ? [] : [related, subscription]
  return [
    cell(
      'arguments that are a list',
      { arguments: [] },
      unread('params.arguments must be an object'),
    ),
    cell('_meta that is a list', { _meta: [] }, shape('params._meta must be an object')),
    edited('params that are a list', shape('params must be an object'), (body) =>
      body.replace(/"params":.*\}$/s, '"params":[]}'),
    ),
    edited('a member twice', shape('a second member "method"'), (body) =>
      body.replace('"method"', '"method":"ping","method"'),
    ),
    cell('what is too deep', { x: deep }, shape('nesting too deep, want=..64')),
    cell(
      'too many elements',
      { x: Array.from({ length: 10_001 }, () => 1) },
      shape('too many members and elements, want=..10000'),
    ),
    cell('too large a body', { x: 'x'.repeat(bodyBytesMax) }, { ...tooLarge, check: 'body' }),
    ...handles.map((name) =>
      cell(
        `somebody's ${name}`,
        { _meta: { ...meta, [name]: { taskId: at.held.task } } },
        unread(`params._meta["${name}"] is not served`),
      ),
    ),
    ...unservedMembers(column).map((member) =>
      cell(
        `${member}, which is not served`,
        { [member]: {} },
        unread(`params.${member} is not served`),
      ),
    ),
  ]
}

/** What continues a call, or detaches it, where that is not asked for. */
function unservedMembers({ method, era }: Column): readonly string[] {
  if (isNotice(method)) return []
  const ofInput = ['tools/call', 'prompts/get', 'resources/read', 'tasks/update']
  const mayBeTask = method === 'tools/call' || method.startsWith('tasks/')
  if (era === 'modern' && method === 'tools/call') return []
  if (era === 'modern' && ofInput.includes(method)) return ['task']
  const continuing = ['requestState', 'inputResponses']
  return era === 'legacy' && mayBeTask ? continuing : [...continuing, 'task']
}

/** What claims to be of another era than the request is, of another revision, or of a session that is not the caller's. */
export function cellsOfHeaders(column: Column, at: At): readonly Cell[] {
  const { method, era } = column
  const good = rows[method]?.good(at) ?? {}
  const cell = (what: string, told: Told, headers: Record<string, string>, more = {}): Cell => ({
    what,
    ask(session) {
      const asked = ask(column, { ...good, ...more }, session)
      return { ...asked, headers: { ...asked.headers, ...headers } }
    },
    told,
  })
  const version = 'mcp-protocol-version'
  const differs = (name: string, got: string, want: string): Told =>
    unread(`header ${name} differs from the body: want=${want} got=${got}`, {
      code: headerMismatch,
    })
  if (era === 'modern') {
    return [
      cell('a header of the other era', differs(version, '"2025-11-25"', '"2026-07-28"'), {
        [version]: '2025-11-25',
      }),
      cell('a header of another method', differs('mcp-method', '"other"', `"${method}"`), {
        'mcp-method': 'other',
      }),
    ]
  }
  const id = 'mcp-session-id'
  const ofSession = (status: number, why: string, more: Partial<Told> = {}): Told => ({
    status,
    code: invalidRequest,
    why,
    check: 'session',
    isDecided: false,
    ...more,
  })
  const claim = { _meta: modernMeta }
  const inNone = ofSession(400, 'initialize opens a session, it is in none')
  if (method === 'initialize') {
    return [
      cell("somebody's session", inNone, { [id]: at.held.session }),
      cell('a claim of the other era', differs(version, 'none', '"2026-07-28"'), {}, claim),
    ]
  }
  const identity = { code: -31403, isDecided: true }
  return [
    cell("somebody's session", ofSession(403, 'session is of another identity', identity), {
      [id]: at.held.session,
    }),
    cell('a session of nobody', ofSession(404, 'session is not known'), { [id]: 'AAAA' }),
    cell('a session id that is too long', shape('header mcp-session-id is not visible ASCII'), {
      [id]: 'A'.repeat(4097),
    }),
    cell('a claim of the other era', differs(version, '"2025-11-25"', '"2026-07-28"'), {}, claim),
    cell('a version that is not served', shape(`header ${version} not served: got="2024-11-05"`), {
      [version]: '2024-11-05',
    }),
    ...(method.startsWith('tasks/')
      ? [cell('a revision that has none of it', unknown(method), { [version]: '2025-06-18' })]
      : []),
    ...(isNotice(method)
      ? []
      : [
          cell(
            'a header of the other era',
            unread(
              'params._meta lacks io.modelcontextprotocol/protocolVersion, which the version header implies',
            ),
            { [version]: '2026-07-28' },
          ),
        ]),
  ]
}
