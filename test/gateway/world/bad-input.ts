import { metaOfTasks } from './client.ts'
import type { Era } from './eras.ts'

/*
 * What is wrong with one request, method by method, and what its sender is told. Statuses are those that a modern client sees; a legacy one
 * is told most faults of a request with 200, because it takes anything else for the end of its session.
 */

type Params = Readonly<Record<string, unknown>>

/** What somebody else was given to hold. */
export interface Held {
  readonly session: string
  readonly cursor: string
  readonly requestState: string
  readonly task: string
  readonly legacyTask: string
  readonly ticket: string
}

/** Where it is asked: what things are called there. */
export interface At {
  readonly held: Held
  readonly name: (name: string) => string
  readonly uri: (uri: string) => string
  /** By how much a name may be longer there. */
  readonly more: number
}

export interface Told {
  readonly status: number
  readonly code: number
  readonly why: string
  readonly check: string
  /** A decision was recorded, and it is the one whose id is told. */
  readonly isDecided: boolean
}

export interface Wrong {
  readonly what: string
  readonly eras: readonly Era[]
  /** In place of the good ones. */
  readonly params: (at: At) => Params
  readonly told: (at: At) => Told
}

export interface Rows {
  readonly good: (at: At) => Params
  readonly malformed: readonly Wrong[]
  readonly oversized: readonly Wrong[]
  /** Beside the session and `_meta`, which every method has. */
  readonly foreign: readonly Wrong[]
}

export const both: readonly Era[] = ['modern', 'legacy']
const modern: readonly Era[] = ['modern']
const invalidParams = -32602

/** Before a session, a target or policy is looked at. */
export function unread(
  why: string,
  { code = invalidParams, status = 400 }: { code?: number; status?: number } = {},
): Told {
  return { status, code, why, check: 'era', isDecided: false }
}

function decided(why: string, told: Partial<Told> = {}): Told {
  return { status: 200, code: invalidParams, why, check: 'target', isDecided: true, ...told }
}

function row(good: Rows['good'], rest: Partial<Rows> = {}): Rows {
  return { good, malformed: [], oversized: [], foreign: [], ...rest }
}

function wrong(
  what: string,
  params: Params | Wrong['params'],
  told: string | Told | Wrong['told'],
  eras: readonly Era[] = both,
): Wrong {
  return {
    what,
    eras,
    params: typeof params === 'function' ? params : () => params,
    told:
      typeof told === 'function' ? told : () => (typeof told === 'string' ? unread(told) : told),
  }
}

/** Of a member that has to be a text. */
function noText(member: string, why: string, values: readonly unknown[] = noTexts): Wrong[] {
  return values.map((value) =>
    wrong(`${member} ${JSON.stringify(value)}`, { [member]: value }, why),
  )
}

const noTexts: readonly unknown[] = [7, null, '', ['a'], { a: 'b' }]

function tooLong(member: string, most: number, params: (at: At, text: string) => Params): Wrong {
  const lengthOf = ({ uri, name }: At): number =>
    6000 + (member.includes('uri') ? uri('').length : name('').length)
  return wrong(
    `${member} that is too long`,
    (at) => params(at, 'x'.repeat(6000)),
    (at) => unread(`params.${member} is too long, want=..${most + at.more} got=${lengthOf(at)}`),
  )
}

const stateUnknown = decided('params.requestState is none of this call', {
  status: 400,
  check: 'retry',
})

/** What may ask for something before it is answered. */
function ofInput(good: Rows['good'], { malformed = [], oversized = [] }: Partial<Rows>): Rows {
  const withState = (requestState: unknown): Wrong['params'] => {
    return (at) => ({ ...good(at), requestState })
  }
  const answers: Wrong['params'] = (at) => ({ ...good(at), inputResponses: ['a'] })
  return row(good, {
    malformed: [
      ...malformed,
      wrong('requestState 7', withState(7), 'params.requestState is no text', modern),
      wrong('inputResponses ["a"]', answers, 'params.inputResponses is no object', modern),
      wrong('requestState of nobody', withState('AAAA'), stateUnknown, modern),
    ],
    oversized: [
      ...oversized,
      wrong('requestState that is too long', withState('A'.repeat(40_000)), stateUnknown, modern),
    ],
    foreign: [
      wrong(
        'requestState',
        (at) => ({ ...good(at), requestState: at.held.requestState }),
        stateUnknown,
        modern,
      ),
    ],
  })
}

const cursorUnknown = decided('cursor is not known')
const list = row(() => ({}), {
  malformed: [
    ...noText('cursor', 'params.cursor is no text', [7, null, ['a'], { a: 'b' }]),
    wrong('cursor of nobody', { cursor: 'AAAA' }, cursorUnknown),
  ],
  oversized: [wrong('cursor that is too long', { cursor: 'A'.repeat(40_000) }, cursorUnknown)],
  foreign: [wrong('cursor', ({ held: { cursor } }) => ({ cursor }), cursorUnknown)],
})

const uriMax = 2048
const noUri = 'params.uri is no URI: it has white space or control characters'
const resource: Partial<Rows> = {
  malformed: [
    ...noText('uri', 'params.uri must be a string'),
    ...[' ', '\n', '\u0000', '\u007f'].map((each) =>
      wrong(
        `uri with ${JSON.stringify(each)}`,
        ({ uri }) => ({ uri: uri(`file:///${each}`) }),
        noUri,
      ),
    ),
  ],
  oversized: [tooLong('uri', uriMax, ({ uri }, text) => ({ uri: uri(text) }))],
}
const goodResource: Rows['good'] = ({ uri }) => ({ uri: uri('file:///a') })

const taskUnknown = decided('Unknown task')
function task(more: Params = {}): Rows {
  return row(() => ({ taskId: 'AAAA', ...more }), {
    malformed: [
      ...noText('taskId', 'params.taskId must be a string'),
      wrong('taskId of nobody', { taskId: 'AAAA', ...more }, taskUnknown),
    ],
    oversized: [
      wrong('taskId that is too long', { taskId: 'A'.repeat(6000), ...more }, ({ more: longer }) =>
        unread(`params.taskId is too long, want=..${4096 + longer} got=6000`),
      ),
    ],
    foreign: [
      wrong('task', ({ held }) => ({ taskId: held.task, ...more }), taskUnknown),
      wrong('legacy task', ({ held }) => ({ taskId: held.legacyTask, ...more }), taskUnknown),
    ],
  })
}

/** A task has no state of its own to bring back, and one of a server's would be that of somebody else. */
function withUnservedState(rows: Rows): Rows {
  const params = { taskId: 'AAAA', inputResponses: {}, requestState: 'a' }
  const state = wrong('requestState', params, unread('params.requestState is not served'))
  return { ...rows, malformed: [...rows.malformed, state] }
}

const reference = { type: 'ref/prompt', name: '' }
const argument = { name: 'a', value: 'b' }
const refs: readonly (readonly [unknown, string])[] = [
  [undefined, 'params.ref must be an object'],
  [['a'], 'params.ref must be an object'],
  [{ type: 'ref/prompt' }, 'params.ref must name a prompt or a resource'],
  [{ type: 'ref/prompt', name: 7 }, 'params.ref must name a prompt or a resource'],
  [{ type: 'ref/prompt', uri: 'file:///a' }, 'params.ref must name a prompt or a resource'],
  [{ type: 'ref/tool', name: 'echo' }, 'params.ref must name a prompt or a resource'],
  [{ type: 'ref/prompt', name: 'a', uri: 'b' }, 'params.ref has a name and a uri'],
]
const completion = row(({ name }) => ({ ref: { ...reference, name: name('p') }, argument }), {
  malformed: [
    ...refs.map(([ref, why]) => wrong(`ref ${JSON.stringify(ref)}`, { ref, argument }, why)),
    ...[undefined, 'a'].map((value) =>
      wrong(
        `argument ${value}`,
        { ref: { ...reference, name: 'p' }, argument: value },
        'params.argument must be an object',
      ),
    ),
    wrong(
      'argument without a value',
      { ref: { ...reference, name: 'p' }, argument: { name: 'a' } },
      'params.argument must have a name and a value',
    ),
    wrong(
      'ref.uri with white space',
      ({ uri }) => ({ ref: { type: 'ref/resource', uri: uri('file:/// ') }, argument }),
      'params.ref.uri is no URI: it has white space or control characters',
    ),
  ],
  oversized: [
    tooLong('ref.name', uriMax, ({ name }, text) => ({
      ref: { ...reference, name: name(text) },
      argument,
    })),
    tooLong('ref.uri', uriMax, ({ uri }, text) => ({
      ref: { type: 'ref/resource', uri: uri(text) },
      argument,
    })),
  ],
})

/** After policy has decided on the request itself. */
const filterFault = (why: string): Told => decided(why, { status: 400, check: 'era' })
const filters: readonly (readonly [unknown, string])[] = [
  [undefined, 'params.notifications must be an object'],
  [['a'], 'params.notifications must be an object'],
  [{ toolsListChanged: 1 }, 'toolsListChanged must be a boolean'],
  [{ resourceSubscriptions: 'a' }, 'resourceSubscriptions must be an array of strings'],
  [{ resourceSubscriptions: [7] }, 'resourceSubscriptions must be an array of strings'],
  [{ taskIds: [''] }, 'taskIds must be an array of strings'],
  [
    { resourceSubscriptions: ['file:/// '] },
    'resourceSubscriptions has a text that is no URI, or is too long',
  ],
]
const many = (count: number, start: string): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${start}${index}`)
/** A task for a client that knows what that is. */
const toldOf = (taskOf: (held: Held) => string): Wrong['params'] => {
  return ({ held }) => ({ _meta: metaOfTasks, notifications: { taskIds: [taskOf(held)] } })
}
const listening = row(() => ({ notifications: { toolsListChanged: true } }), {
  malformed: [
    ...filters.map(([notifications, why]) =>
      wrong(`notifications ${JSON.stringify(notifications)}`, { notifications }, filterFault(why)),
    ),
    wrong(
      'task of nobody',
      toldOf(() => 'AAAA'),
      taskUnknown,
    ),
    wrong(
      'tasks of a client that has declared none',
      { notifications: { taskIds: ['AAAA'] } },
      decided('taskIds are for clients that declare io.modelcontextprotocol/tasks', {
        status: 400,
        code: -32021,
        check: 'era',
      }),
    ),
  ],
  oversized: [
    wrong(
      'more URIs than one request may name',
      { notifications: { resourceSubscriptions: many(257, 'file:///') } },
      filterFault('too many URIs, want=..256 got=257'),
    ),
    wrong(
      'more tasks than one request may name',
      { notifications: { taskIds: many(33, 'task') } },
      filterFault('too many tasks, want=..32 got=33'),
    ),
    wrong(
      'a URI that is too long',
      ({ uri }) => ({ notifications: { resourceSubscriptions: [uri('x'.repeat(6000))] } }),
      filterFault('resourceSubscriptions has a text that is no URI, or is too long'),
    ),
  ],
  foreign: [
    wrong(
      'task',
      toldOf(({ task: id }) => id),
      taskUnknown,
    ),
    wrong(
      'legacy task',
      toldOf(({ legacyTask }) => legacyTask),
      taskUnknown,
    ),
  ],
})

const noTicket = decided('no such ticket waits: it is not known, over, or decided')
const ticket = row(() => ({ ticket: 'a' }), {
  malformed: noTexts.map((value) =>
    wrong(`ticket ${JSON.stringify(value)}`, { ticket: value }, noTicket),
  ),
  oversized: [wrong('ticket that is too long', { ticket: 'a'.repeat(6000) }, noTicket)],
  foreign: [
    wrong(
      'ticket',
      ({ held }) => ({ ticket: held.ticket }),
      decided('denied by policy: the caller may not approve this', {
        code: -31403,
        check: 'policy',
      }),
    ),
  ],
})

const levels = 'debug|info|notice|warning|error|critical|alert|emergency'
const noLevel = decided(`params.level is no level, want=${levels}`)
const level = row(() => ({ level: 'info' }), {
  malformed: noTexts.map((value) =>
    wrong(`level ${JSON.stringify(value)}`, { level: value }, noLevel),
  ),
  oversized: [wrong('level that is too long', { level: 'x'.repeat(6000) }, noLevel)],
})

const nothing = row(() => ({}))

/** Each method of the table of methods has one. */
export const rows: Readonly<Record<string, Rows>> = {
  'server/discover': nothing,
  initialize: row(
    () => ({
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'a', version: '1' },
    }),
    {
      malformed: noText('protocolVersion', 'params.protocolVersion must be a string', [
        7,
        null,
        ['a'],
      ]),
    },
  ),
  ping: nothing,
  'tools/list': list,
  'prompts/list': list,
  'resources/list': list,
  'resources/templates/list': list,
  'tasks/list': list,
  'tools/call': ofInput(({ name }) => ({ name: name('echo'), arguments: {} }), {
    malformed: [
      ...noText('name', 'params.name must be a string'),
      wrong(
        'task that is none',
        ({ name }) => ({ name: name('echo'), task: { ttl: 'a' } }),
        'params.task is no object with a ttl of milliseconds',
        ['legacy'],
      ),
    ],
    oversized: [tooLong('name', 128, ({ name }, text) => ({ name: name(text) }))],
  }),
  'prompts/get': ofInput(({ name }) => ({ name: name('p') }), {
    malformed: noText('name', 'params.name must be a string'),
    oversized: [tooLong('name', 256, ({ name }, text) => ({ name: name(text) }))],
  }),
  'resources/read': ofInput(goodResource, resource),
  'resources/subscribe': row(goodResource, resource),
  'resources/unsubscribe': row(goodResource, resource),
  'completion/complete': completion,
  'subscriptions/listen': listening,
  'tasks/get': task(),
  'tasks/update': withUnservedState(task({ inputResponses: {} })),
  'tasks/cancel': task(),
  'tasks/result': task(),
  'logging/setLevel': level,
  'approvals/list': nothing,
  'approvals/approve': ticket,
  'approvals/deny': ticket,
  'notifications/initialized': nothing,
  'notifications/progress': row(() => ({ progressToken: 'a', progress: 1 })),
  'notifications/roots/list_changed': nothing,
  'notifications/cancelled': row(() => ({ requestId: 'a' })),
}
