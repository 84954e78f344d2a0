import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { silentLog, type Log } from '../../src/log.ts'
import type { Labels, Metrics } from '../../src/metrics.ts'
import { createApiClient, type ApiClient } from '../../src/kubernetes/api-client.ts'
import { startInformer, type Informer } from '../../src/kubernetes/informer.ts'
import { namespaces, type Namespace } from '../../src/kubernetes/workloads.ts'
import { eventually } from '../support/eventually.ts'
import {
  listAnswer,
  startFakeApiServer,
  statusAnswer,
  type FakeAnswer,
  type FakeApiServer,
  type FakeRequest,
} from '../support/fake-api-server.ts'
import { requirement } from '../requirements.ts'

let server: FakeApiServer
let client: ApiClient
let informer: Informer<Namespace>
let seen: string[]
let counted: string[]
let warnings: string[]
let errors: string[]
let waits: number[]
let unreadable: number
let now: number

function namespace(name: string, resourceVersion: number, more: object = {}): object {
  const metadata = { name, uid: `uid-${name}`, resourceVersion: String(resourceVersion), ...more }
  return { metadata }
}

const added = (object: object): object => ({ type: 'ADDED', object })
const modified = (object: object): object => ({ type: 'MODIFIED', object })
const deleted = (object: object): object => ({ type: 'DELETED', object })
const bookmark = (resourceVersion: number): object => ({
  type: 'BOOKMARK',
  object: { metadata: { resourceVersion: String(resourceVersion) } },
})
const expired = {
  type: 'ERROR',
  object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' },
}

/** What the n-th request asked for: a list, or a watch from a resource version. */
function asked(request: FakeRequest | undefined): string {
  if (request?.query.get('watch') === '1') return `watch ${request.query.get('resourceVersion')}`
  const token = request?.query.get('continue')
  const limit = request?.query.get('limit')
  return ['list', limit === null ? 'whole' : '', token ?? ''].filter(Boolean).join(' ')
}

function start(options: { idleSeconds?: number; log?: Log } = {}): Informer<Namespace> {
  const metrics: Metrics = {
    count: (name, labels: Labels = {}) =>
      counted.push(`${name.split('_')[2]} ${labels['cause'] ?? labels['resource']}`),
    observe: () => {},
    set: () => {},
    remove: () => {},
  }
  const log: Log = {
    ...silentLog,
    warn: (_fields, message) => warnings.push(message),
    error: (fields: { readonly name?: unknown }, message) =>
      errors.push(`${message} ${String(fields.name)}`),
  }
  informer = startInformer({
    client,
    resource: namespaces,
    log: options.log ?? log,
    metrics,
    clock: () => now,
    onUnreadable: () => (unreadable += 1),
    random: () => 0,
    delay: async (milliseconds) => void waits.push(milliseconds),
    ...(options.idleSeconds === undefined ? {} : { idleSeconds: options.idleSeconds }),
  })
  informer.onEvent(({ type, object, old }) => {
    const before = old === undefined ? '' : `${old.metadata.resourceVersion}→`
    seen.push(`${type} ${object.metadata.name} ${before}${object.metadata.resourceVersion}`)
  })
  return informer
}

// A server for each test: a request that an informer sent as it was disposed must not use up the next one's script.
beforeEach(async () => {
  server = await startFakeApiServer()
  client = createApiClient({ kubeconfig: server.kubeconfig })
  seen = []
  counted = []
  warnings = []
  errors = []
  waits = []
  unreadable = 0
  now = 1_000_000
  // Whatever is not scripted is a watch that stays open.
  server.otherwise(() => ({ lines: [] }))
})

afterEach(async () => {
  await informer[Symbol.asyncDispose]()
  client.close()
  await server[Symbol.asyncDispose]()
})

describe('an informer', () => {
  test('lists, then watches from where the list ended', async () => {
    const from = server.requests.length
    server.script(listAnswer([namespace('a', 1), namespace('b', 2)], '5'), {
      lines: [added(namespace('c', 6)), modified(namespace('a', 7)), deleted(namespace('b', 8))],
    })
    start()
    assert.equal(informer.hasSynced, false)
    await informer.synced
    assert.equal(informer.hasSynced, true)
    await eventually('the deletion', () => seen.length === 5)
    assert.deepEqual(seen, ['added a 1', 'added b 2', 'added c 6', 'modified a 1→7', 'deleted b 8'])
    assert.deepEqual(server.requests.slice(from).map(asked), ['list', 'watch 5'])
    assert.deepEqual(
      informer.list().map(({ metadata }) => metadata.name),
      ['a', 'c'],
    )
    assert.equal(informer.list(), informer.list())
    assert.equal(informer.get('a')?.metadata.resourceVersion, '7')
    assert.equal(informer.byUid('uid-c')?.metadata.name, 'c')
    assert.equal(informer.get('b'), undefined)
    assert.equal(informer.byUid('uid-b'), undefined)
  })

  test('reads a list page by page', async () => {
    const from = server.requests.length
    server.script(
      {
        body: { metadata: { resourceVersion: '5', continue: 'more' }, items: [namespace('a', 1)] },
      },
      listAnswer([namespace('b', 2)], '5'),
    )
    start()
    await informer.synced
    await eventually('the watch', () => server.requests.length === from + 3)
    assert.deepEqual(server.requests.slice(from).map(asked), ['list', 'list more', 'watch 5'])
    assert.deepEqual(seen, ['added a 1', 'added b 2'])
  })

  test('begins the list again when a page token expires, and never asks for it whole', async () => {
    const from = server.requests.length
    const page = {
      body: { metadata: { resourceVersion: '5', continue: 'more' }, items: [namespace('a', 1)] },
    }
    const whole = listAnswer([namespace('a', 1), namespace('b', 2)], '6')
    server.script(page, statusAnswer(410, 'Expired'), page, statusAnswer(410, 'Expired'), whole)
    start()
    await informer.synced
    assert.deepEqual(server.requests.slice(from, from + 5).map(asked), [
      'list',
      'list more',
      'list',
      'list more',
      'list',
    ])
    assert.deepEqual(seen, ['added a 1', 'added b 2'])
    // The first time is the protocol at work; the second one waits.
    assert.deepEqual(waits, [500])
  })

  test('follows the page token that comes with an expired one, and watches from before the first page', async () => {
    const from = server.requests.length
    server.script(
      {
        body: { metadata: { resourceVersion: '5', continue: 'more' }, items: [namespace('a', 1)] },
      },
      statusAnswer(410, 'Expired', { metadata: { continue: 'later' } }),
      listAnswer([namespace('b', 2)], '9'),
    )
    start()
    await eventually('the watch', () => server.requests.length === from + 4)
    assert.deepEqual(server.requests.slice(from).map(asked), [
      'list',
      'list more',
      'list later',
      'watch 5',
    ])
  })

  test('asks for bookmarks and an end of the watch, and scopes list and watch alike', async () => {
    const from = server.requests.length
    server.script(listAnswer([], '5'))
    informer = startInformer({
      client,
      resource: { ...namespaces, namespaced: true },
      namespace: 'agents',
      fieldSelector: 'spec.signerName=countersign.dev/identity',
      labelSelector: 'app=x',
      log: silentLog,
      metrics: { count: () => {}, observe: () => {}, set: () => {}, remove: () => {} },
      clock: () => now,
      random: () => 0.5,
    })
    await eventually('the watch', () => server.requests.length === from + 2)
    const [list, watch] = server.requests.slice(from)
    for (const request of [list, watch]) {
      assert.equal(request?.path, '/api/v1/namespaces/agents/namespaces')
      assert.equal(request.query.get('fieldSelector'), 'spec.signerName=countersign.dev/identity')
      assert.equal(request.query.get('labelSelector'), 'app=x')
    }
    assert.equal(watch?.query.get('allowWatchBookmarks'), 'true')
    assert.equal(watch.query.get('timeoutSeconds'), '53')
  })

  test('goes on from the last bookmark when the server ends the watch', async () => {
    const from = server.requests.length
    server.script(listAnswer([namespace('a', 1)], '5'), { lines: [bookmark(9)], end: true })
    start()
    await eventually('the second watch', () => server.requests.length === from + 3)
    assert.equal(asked(server.requests.at(-1)), 'watch 9')
    assert.deepEqual(seen, ['added a 1'])
    assert.deepEqual(waits, [250])
    assert.deepEqual(counted, ['restarts ended'])
  })

  test('goes on from the last event when the connection is cut', async () => {
    const from = server.requests.length
    server.script(
      listAnswer([], '5'),
      { lines: [added(namespace('a', 6))], cut: true },
      { lines: [modified(namespace('a', 7))] },
    )
    start()
    await eventually('the modification', () => seen.length === 2)
    assert.equal(asked(server.requests.at(-1)), 'watch 6')
    assert.equal(server.requests.length, from + 3)
    assert.deepEqual(seen, ['added a 6', 'modified a 6→7'])
    assert.deepEqual(waits, [250])
    assert.deepEqual(counted, ['restarts unreachable'])
  })

  const goneAnswers = [
    { how: 'an HTTP 410', answer: statusAnswer(410, 'Expired') },
    { how: 'an ERROR event with code 410', answer: { lines: [expired] } },
    { how: 'a refused resource version', answer: statusAnswer(400, 'BadRequest') },
  ]
  for (const { how, answer } of goneAnswers) {
    test(`lists again after ${how}, and tells only what differs`, async () => {
      const from = server.requests.length
      server.script(
        listAnswer(
          [
            namespace('same', 1),
            namespace('changed', 2),
            namespace('gone', 3),
            namespace('again', 4),
          ],
          '5',
        ),
        answer,
        listAnswer(
          [
            namespace('same', 1),
            namespace('changed', 8),
            namespace('again', 9, { uid: 'another' }),
            namespace('new', 10),
          ],
          '11',
        ),
      )
      start()
      await eventually('the second watch', () => server.requests.length === from + 4)
      assert.deepEqual(server.requests.slice(from).map(asked), [
        'list',
        'watch 5',
        'list',
        'watch 11',
      ])
      assert.deepEqual(seen.slice(4), [
        'deleted gone 3',
        'modified changed 2→8',
        'deleted again 4',
        'added again 9',
        'added new 10',
      ])
      assert.equal(informer.byUid('uid-again'), undefined)
      assert.equal(informer.byUid('another')?.metadata.name, 'again')
    })
  }

  test('does not tell an event twice', async () => {
    server.script(listAnswer([namespace('a', 1)], '5'), {
      lines: [
        added(namespace('a', 1)),
        modified(namespace('a', 6)),
        modified(namespace('a', 6)),
        deleted(namespace('a', 7)),
        deleted(namespace('a', 7)),
        added(namespace('end', 8)),
      ],
    })
    start()
    await eventually('the end', () => seen.includes('added end 8'))
    assert.deepEqual(seen, ['added a 1', 'modified a 1→6', 'deleted a 7', 'added end 8'])
  })

  test('is not stopped by objects that cannot be read, names them and forgets what it knew of them', async () => {
    requirement('kubernetes.hostile-objects')
    const broken = { metadata: { name: 'broken' } }
    server.script(listAnswer([namespace('a', 1), broken, null, 7], '5'), {
      lines: [
        added(broken),
        modified({ metadata: { name: 'a', resourceVersion: '6' } }),
        added(namespace('b', 7)),
        added(namespace('broken', 8)),
        deleted({ metadata: { name: 'a', resourceVersion: '9' } }),
      ],
    })
    start()
    await informer.synced
    assert.deepEqual([...informer.unreadable], ['broken', ''])
    assert.equal(
      informer.condition(60).reason,
      '2 of them cannot be read, such as broken, one without a name',
    )
    await eventually('the last', () => seen.length === 4)
    assert.deepEqual(seen, ['added a 1', 'deleted a 1', 'added b 7', 'added broken 8'])
    await eventually('the deletion', () => !informer.unreadable.has('a'))
    assert.deepEqual([...informer.unreadable], [''])
    assert.deepEqual(
      counted,
      Array.from({ length: 5 }, () => 'malformed namespaces'),
    )
    assert.deepEqual(warnings, [])
    const named = ['broken', '', 'a'].map((name) => `object cannot be read ${name}`)
    assert.deepEqual(errors, named)
    // In the list, for each event of one of them, and when one is gone: whoever relied on them has to look again.
    assert.equal(unreadable, 4)
  })

  test('passes by an event that is too long, and knows of whom it told', async () => {
    requirement('kubernetes.hostile-objects')
    const long = (type: string, name: string): string => {
      const begin = `{"type":"${type}","object":{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"${name}",`
      return `${begin}"annotations":{"a":"${'<'.repeat(17 * 1024 * 1024)}"}}}}\n`
    }
    server.script(listAnswer([namespace('a', 1), namespace('b', 2)], '5'), {
      lines: [long('MODIFIED', 'a'), added(namespace('c', 7)), long('DELETED', 'b')],
    })
    start()
    await eventually('the deletion', () => seen.length === 5, 60)
    assert.deepEqual(seen.slice(2), ['deleted a 1', 'added c 7', 'deleted b 2'])
    assert.deepEqual([...informer.unreadable], ['a'])
    assert.deepEqual(counted, ['malformed namespaces'])
    assert.equal(server.streams.length, 1)
  })

  test('does not keep what is too much to be kept', async () => {
    requirement('kubernetes.bounded-memory')
    const labels = Object.fromEntries(
      Array.from({ length: 2000 }, (_, index) => [`l${index}`, 'x'.repeat(63)]),
    )
    server.script(
      listAnswer(
        [namespace('heavy', 1, { labels }), namespace('a', 2, { managedFields: labels })],
        '5',
      ),
      { lines: [added(namespace('late', 6, { labels }))] },
    )
    start()
    await eventually('both', () => informer.unreadable.size === 2)
    assert.deepEqual([...informer.unreadable], ['heavy', 'late'])
    assert.deepEqual(seen, ['added a 2'])
  })

  const lines = [
    { what: 'a line that is no JSON', line: 'no json\n' },
    { what: 'an event without an object', line: { type: 'MODIFIED' } },
    { what: 'an event of an unknown type', line: { type: 'LATER', object: namespace('x', 6) } },
    { what: 'an event whose object has no name', line: added({ metadata: {} }) },
  ]
  for (const { what, line } of lines) {
    test(`lists again after ${what}, because nobody knows what it told`, async () => {
      server.script(
        listAnswer([namespace('a', 1)], '5'),
        { lines: [added(namespace('b', 6)), line, added(namespace('never-read', 7))] },
        listAnswer([namespace('b', 6), namespace('c', 8)], '9'),
      )
      start()
      await eventually('what the new list told', () => seen.length === 4)
      assert.deepEqual(seen, ['added a 1', 'added b 6', 'deleted a 1', 'added c 8'])
      assert.deepEqual(counted, ['malformed namespaces', 'restarts answer'])
      assert.deepEqual(warnings, ['malformed line in a watch', 'watch restarts'])
      assert.deepEqual(waits, [250])
    })
  }

  test('forgets an object that a new list shows unreadable', async () => {
    const from = server.requests.length
    server.script(
      listAnswer([namespace('a', 1), namespace('b', 2)], '5'),
      statusAnswer(410, 'Expired'),
      listAnswer([{ metadata: { name: 'a' } }], '6'),
    )
    start()
    await eventually('the second watch', () => server.requests.length === from + 4)
    assert.deepEqual(seen, ['added a 1', 'added b 2', 'deleted a 1', 'deleted b 2'])
    assert.deepEqual([...informer.unreadable], ['a'])
  })

  const says = (code: number, reason: string): object => ({
    type: 'ERROR',
    object: { kind: 'Status', code, reason, message: reason },
  })
  for (const [code, reason] of [
    [500, 'InternalError'],
    [410, 'Expired'],
    [403, 'Forbidden'],
  ] as const) {
    test(`lists again after each ERROR ${code}, ever more slowly`, async () => {
      requirement('kubernetes.fresh-is-told')
      const from = server.requests.length
      const round = (): FakeAnswer[] => [listAnswer([], '5'), { lines: [says(code, reason)] }]
      server.script(...round(), ...round(), ...round(), ...round(), listAnswer([], '5'))
      start()
      await eventually('the fifth watch', () => server.requests.length === from + 10)
      const lists = server.requests.slice(from).filter((request) => asked(request) === 'list')
      assert.equal(lists.length, 5)
      assert.deepEqual(waits, [250, 500, 1000, 2000])
    })
  }

  test('is not fresh by an ERROR, by a watch that ends at once, or by one that is merely accepted', async () => {
    requirement('kubernetes.fresh-is-told')
    const late = (seconds: number, answer: FakeAnswer) => (): FakeAnswer => {
      now += seconds * 1000
      return answer
    }
    const failed = statusAnswer(503, 'ServiceUnavailable')
    server.script(
      listAnswer([], '5'),
      late(3, { lines: [says(500, 'InternalError')] }),
      late(2, failed),
      late(2, failed),
      { hang: true },
    )
    start()
    await eventually('the fourth list', () => server.requests.length === 5)
    assert.equal(informer.staleSeconds, 7)
    assert.deepEqual(informer.condition(5), {
      name: 'namespaces',
      ok: false,
      reason: 'not followed: GET /api/v1/namespaces: status 503: "ServiceUnavailable"',
    })
    assert.equal(informer.condition(8).ok, true)
    await informer[Symbol.asyncDispose]()

    server.script(
      listAnswer([], '5'),
      { lines: [], end: true },
      late(3, { lines: [], end: true }),
      late(3, { lines: [], end: true }),
      late(1, { lines: [] }),
    )
    start()
    await eventually('the fourth watch', () => server.streams.length === 5)
    await eventually('seven seconds', () => informer.staleSeconds === 7)
    server.streams.at(-1)?.send(bookmark(6))
    await eventually('something is told', () => informer.staleSeconds === 0)
  })

  test('asks for a short watch after a failure, which proves itself by its end', async () => {
    requirement('kubernetes.fresh-is-told')
    server.script(listAnswer([], '5'), { lines: [bookmark(6)], cut: true }, { lines: [] })
    start()
    await eventually('the second watch', () => server.streams.length === 2)
    const seconds = server.streams.map(({ request }) => request.query.get('timeoutSeconds'))
    assert.deepEqual(seconds, ['45', '11'])
    now += 11_000
    assert.equal(informer.staleSeconds, 11)
    server.streams.at(-1)?.end()
    await eventually('the third watch', () => server.streams.length === 3)
    await eventually('it is open', () => informer.staleSeconds === 0)
    assert.equal(server.streams.at(-1)?.request.query.get('timeoutSeconds'), '45')
  })

  test('lists again to see whether one without a name is gone', async () => {
    const from = server.requests.length
    server.script(listAnswer([namespace('a', 1), 7], '5'), { lines: [bookmark(6)], end: true })
    server.script(listAnswer([namespace('a', 1)], '7'))
    start()
    await eventually('the second watch', () => server.requests.length === from + 4)
    assert.deepEqual(server.requests.slice(from).map(asked), ['list', 'watch 5', 'list', 'watch 7'])
    assert.equal(informer.unreadable.size, 0)
  })

  const strangers = {
    'a 404 of somebody else': { status: 404, body: 'default backend - 404' },
    'a 200 of somebody else': { body: '<html>' },
  }
  for (const [what, answer] of Object.entries(strangers)) {
    test(`takes ${what} for no list, and asks again ever more slowly`, async () => {
      requirement('kubernetes.absence-is-proved')
      server.script(listAnswer([namespace('a', 1)], '5'), statusAnswer(410, 'Expired'))
      server.script(answer, answer, answer, listAnswer([namespace('a', 1)], '6'))
      start()
      await eventually('the second watch', () => server.requests.length === 7)
      assert.deepEqual(seen, ['added a 1'])
      assert.deepEqual(waits.slice(-3), [500, 1000, 2000])
    })
  }

  const missing = [
    [statusAnswer(403, 'Forbidden'), /: grant list and watch on namespaces$/],
    [statusAnswer(404, 'NotFound'), /: namespaces are not served, or by something else$/],
    [statusAnswer(401, 'Unauthorized'), /: the credential is not accepted$/],
  ] as const
  for (const [answer, reason] of missing) {
    test(`says what a ${answer.status} means for the list: ${reason.source.slice(2, -1)}`, async () => {
      server.script(answer, { hang: true })
      start()
      await eventually('the refusal', () => reason.test(informer.condition(60).reason))
      assert.equal(informer.condition(60).ok, false)
      assert.equal(informer.condition(60).name, 'namespaces')
    })
  }

  test('waits longer with each failure, and as long as the server asks', async () => {
    server.script(
      statusAnswer(500, 'InternalError'),
      { lines: ['{"items": ['], cut: true },
      { ...statusAnswer(429, 'TooManyRequests'), headers: { 'retry-after': '9' } },
      { body: 'no list' },
      { body: { items: [] } },
      listAnswer([], '5'),
    )
    start()
    await informer.synced
    assert.deepEqual(waits, [250, 500, 9000, 2000, 4000])
    assert.deepEqual(counted, [
      'restarts refused',
      'restarts unreachable',
      'restarts refused',
      'restarts answer',
      'restarts answer',
    ])
  })

  test('lists again when a watch keeps failing, as after a restored etcd', async () => {
    const from = server.requests.length
    const failure = statusAnswer(504, 'Timeout', { message: 'Too large resource version' })
    server.script(
      listAnswer([], '5'),
      failure,
      failure,
      failure,
      failure,
      failure,
      listAnswer([], '3'),
    )
    start()
    await eventually('the new watch', () => server.requests.length === from + 8)
    assert.deepEqual(server.requests.slice(from + 5).map(asked), ['watch 5', 'list', 'watch 3'])
  })

  test('does not spin when the server ends each watch at once', async () => {
    const from = server.requests.length
    server.script(
      listAnswer([], '5'),
      ...Array.from({ length: 4 }, () => ({ lines: [], end: true })),
    )
    start()
    await eventually('the fifth watch', () => server.requests.length === from + 6)
    assert.deepEqual(waits, [250, 500, 1000, 2000])
  })

  test('takes a watch that the server ends in its time for a good one, however short that time is', async () => {
    const from = server.requests.length
    server.script(listAnswer([], '5'), ...Array.from({ length: 4 }, () => ({ lines: [] })))
    start({ idleSeconds: 15 })
    for (let watches = 1; watches <= 3; watches += 1) {
      await eventually('the next watch', () => server.streams.length === watches)
      await eventually('it is open', () => informer.hasSynced && informer.staleSeconds === 0)
      assert.equal(server.requests[from + watches]?.query.get('timeoutSeconds'), '9')
      now += 9000
      server.streams.at(-1)?.end()
    }
    await eventually('the fourth watch', () => server.requests.length === from + 5)
    assert.deepEqual(waits, [])
  })

  test('notices a hung watch and opens another', async () => {
    // By what is asked, not by turns: on a busy machine a watch may seem hung before its first line is there.
    server.otherwise((request) => {
      if (request.query.get('watch') !== '1') return listAnswer([], '5')
      const line = asked(request) === 'watch 5' ? bookmark(6) : added(namespace('a', 7))
      return { lines: [line] }
    })
    start({ idleSeconds: 1 })
    await eventually('the event', () => seen.length === 1)
    assert.equal(counted[0], 'restarts silent')
  })

  test('is stale from the start to the first list, and while the watch is lost', async () => {
    const from = server.requests.length
    server.script({ hang: true })
    start()
    await server.requested(from + 1)
    now += 3000
    assert.equal(informer.staleSeconds, 3)
    await informer[Symbol.asyncDispose]()

    server.script(listAnswer([], '5'), { lines: [bookmark(6)] })
    start()
    await informer.synced
    now += 60_000
    await eventually('a connected watch', () => informer.staleSeconds === 0)
    server.script({ hang: true })
    const requests = server.requests.length
    server.streams.at(-1)?.cut()
    await eventually('the next watch', () => server.requests.length > requests)
    now += 5000
    assert.equal(informer.staleSeconds, 5)
  })

  test('goes on when a listener throws, and when one leaves', async () => {
    server.script(listAnswer([namespace('a', 1)], '5'), { lines: [added(namespace('b', 6))] })
    const errors: string[] = []
    start({ log: { ...silentLog, error: (_fields, message) => errors.push(message) } })
    informer.onEvent(() => {
      throw new Error('not my day')
    })
    let once = 0
    const leave = informer.onEvent(() => {
      once += 1
      leave()
    })
    await eventually('both', () => seen.length === 2)
    assert.equal(once, 1)
    assert.deepEqual(errors, ['a listener of a watch threw', 'a listener of a watch threw'])
  })

  test('that is disposed closes its watch and asks no more', async () => {
    server.script(listAnswer([], '5'))
    start()
    const streams = server.streams.length
    await eventually('the watch', () => server.streams.length === streams + 1)
    await informer[Symbol.asyncDispose]()
    const { length } = server.requests
    await eventually('the closed watch', () => server.streams.at(-1)?.closed === true)
    assert.equal(server.requests.length, length)
  })

  test('that is disposed before its first list says so', async () => {
    const from = server.requests.length
    server.script({ hang: true })
    start()
    await server.requested(from + 1)
    await informer[Symbol.asyncDispose]()
    await assert.rejects(informer.synced, {
      code: 'kubernetes/closed',
      message: 'informer of namespaces is closed',
    })
  })
})
