/** The defences of streams of changes, and of tasks. */
import { never, type Mutation } from './mutation.ts'

const listen = 'src/gateway/serve/listen.ts'
const stream = 'src/gateway/serve/change-stream.ts'
const listenTasks = 'src/gateway/serve/listen-tasks.ts'
const listenings = 'src/gateway/upstream/listenings.ts'
const renewal = 'src/gateway/serve/renew-subscriptions.ts'
const passTask = 'src/gateway/serve/pass-task.ts'
const judge = 'src/gateway/upstream/judge-change.ts'

export const changeMutations: readonly Mutation[] = [
  {
    claim: 'gateway.changes-of-what-may-be-read',
    without: 'the word of policy on each resource',
    file: listen,
    edits: never('decided.shown[index] !== true'),
  },
  {
    claim: 'gateway.changes-of-what-may-be-read',
    without: 'the look whether policy is another one',
    file: listen,
    edits: [['if (decisions.digest() === policy) return undefined', 'return undefined']],
  },
  {
    claim: 'gateway.changes-of-what-may-be-read',
    without: 'what the policy of now says of a resource',
    file: listen,
    edits: [["news.kind === 'list' || readable.has(news.uri)", 'true || readable.size > 0']],
  },
  {
    claim: 'gateway.changes-of-what-may-be-read',
    without: 'what the policy of now wants beside',
    file: listen,
    edits: never('reason !== undefined'),
  },
  {
    claim: 'gateway.changes-of-what-may-be-read',
    without: 'the approval that nobody can give',
    file: 'src/gateway/permit/obligations.ts',
    edits: [
      ['return duties.approval === undefined ? undefined : obligationUnknown', 'return undefined'],
    ],
  },
  {
    claim: 'gateway.changes-of-what-may-be-read',
    without: 'the end that a look has brought',
    file: stream,
    edits: [["if (!this.isOver) this.#state = 'busy'", "this.#state = 'busy'"]],
    tests: ['test/gateway/serve/change-stream.test.ts'],
  },
  {
    claim: 'gateway.changes-of-what-may-be-read',
    without: 'the look with every sign of life',
    file: stream,
    edits: [["this.#flush()\n    if (this.#state === 'open' &&", "if (this.#state === 'open' &&"]],
    tests: ['test/gateway/serve/change-stream.test.ts'],
  },
  {
    claim: 'gateway.changes-of-own-subscription',
    without: 'the id of the subscription',
    file: judge,
    edits: never('named !== subscription'),
    tests: ['test/gateway/serve/listen.test.ts'],
  },
  {
    claim: 'gateway.changes-of-own-subscription',
    without: 'what was asked for',
    file: listenings,
    edits: [['taken.lists.includes(change.list) ? change : undefined', 'change']],
    tests: ['test/gateway/serve/listen.test.ts'],
  },
  {
    claim: 'gateway.changes-of-own-subscription',
    without: 'the bound of an acknowledgement',
    file: listenings,
    edits: [['filter.lists.filter((list) => said.lists.includes(list))', 'said.lists']],
    tests: ['test/gateway/serve/listen.test.ts'],
  },
  {
    claim: 'gateway.changes-of-own-subscription',
    without: 'the end at the server with the last that listens',
    file: listenings,
    edits: never('this.#listeners.size === 0'),
    tests: ['test/gateway/serve/listen.test.ts'],
    named: 'ends there with the last',
  },
  {
    claim: 'gateway.changes-end-with-identity',
    without: 'the tie to the caller',
    file: listen,
    edits: [['tell: (refusal) => stream.refuse(refusal)', 'tell() {}']],
  },
  {
    claim: 'gateway.subscribed-in-its-name',
    without: 'the token of what is subscribed to across eras',
    file: 'src/gateway/upstream/subscribe-there.ts',
    edits: [["['txn-token', token]", '[]']],
  },
  {
    claim: 'gateway.subscribed-in-its-name',
    without: 'the pod whose subscription it is',
    file: 'src/gateway/upstream/listenings.ts',
    edits: [["isOfAll ? '' :", "true ? '' :"]],
  },
  {
    claim: 'gateway.subscribed-in-its-name',
    without: 'the end of what nobody is spoken for any more',
    file: 'src/gateway/upstream/hear-legacy.ts',
    edits: [['signal.aborted || (inNameOf', 'false && (inNameOf']],
  },
  {
    claim: 'gateway.changes-shared',
    without: 'the share of the streams',
    file: 'src/gateway/serve/listen-there.ts',
    edits: [['if (upstream.streams.take(guest)) begin()', 'begin()']],
  },
  {
    claim: 'gateway.subscriptions-renewed',
    without: 'the renewal',
    file: 'src/gateway/serve/in-session.ts',
    edits: [['if (known !== undefined) return renew', 'if (known === null) return renew']],
  },
  {
    claim: 'gateway.subscriptions-renewed',
    without: 'the end of what was subscribed to at a server that had the name before',
    file: 'src/gateway/serve/in-session.ts',
    edits: [['parts.subscriptions.endAt({', 'void ({']],
  },
  {
    claim: 'gateway.subscriptions-renewed',
    without: 'the decision on each',
    file: renewal,
    edits: [
      [
        'await parts.authorizeTold(callOf(permit, upstream, uri))',
        '{ ...permit, call: callOf(permit, upstream, uri) }',
      ],
    ],
  },
  {
    claim: 'gateway.subscriptions-renewed',
    without: 'that no call is counted, nor waits for an approval',
    file: renewal,
    edits: [['parts.authorizeTold(', 'parts.authorize(']],
  },
  {
    claim: 'gateway.subscriptions-renewed',
    without: 'the token of each',
    file: renewal,
    edits: [['id, uri, token }', 'id, uri, token: undefined }']],
  },
  {
    claim: 'gateway.subscriptions-renewed',
    without: 'the time that it may take',
    file: renewal,
    edits: [['upstream.timeoutMilliseconds / 2', 'upstream.timeoutMilliseconds * 2']],
  },
  {
    claim: 'gateway.subscriptions-renewed',
    without: 'the end of what is not taken',
    file: renewal,
    edits: [['subscriptions.remove(subscriber, uri)', 'void uri']],
  },
  {
    claim: 'gateway.subscriptions-renewed',
    without: 'that it is kept where the next session is lost, too',
    file: renewal,
    edits: [['if (isLost) return', 'if (isLost && uris.length === 0) return']],
  },
  {
    claim: 'gateway.subscriptions-renewed',
    without: 'the look whether it is wanted still',
    file: renewal,
    edits: [['subscriptions.of(subscriber).includes(uri)', 'true']],
  },
  {
    claim: 'gateway.subscriptions-renewed',
    without: 'that a few are asked for at once',
    file: 'src/gateway/upstream/subscribe-there.ts',
    edits: [['const askedAtOnce = 8', 'const askedAtOnce = 256']],
  },
  {
    claim: 'gateway.changes-bounded',
    without: 'that of one change one is told',
    file: stream,
    edits: [
      [
        'this.#waiting.set(keyOf(news), news)\n    this.#flush()',
        'this.#write(formatNews(news, this.#rawId))',
      ],
    ],
    tests: ['test/gateway/serve/change-stream.test.ts'],
  },
  {
    claim: 'gateway.changes-bounded',
    without: 'the time to read',
    file: stream,
    edits: [['() => socket.destroy()', '() => {}']],
    tests: ['test/gateway/serve/change-stream.test.ts'],
  },
  {
    claim: 'gateway.changes-bounded',
    without: 'the pace at which a server is listened to',
    file: listenings,
    edits: never('before !== undefined'),
    tests: ['test/gateway/upstream/listenings.test.ts'],
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the look at what a client answers, for the task that it names',
    file: 'src/gateway/methods.ts',
    edits: [['!isJsonObject(inputResponses)', 'true']],
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the end of a task that an answer to a server names',
    file: 'src/gateway/serve/respond.ts',
    edits: [['given === undefined ?', 'given !== null ?']],
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the end of a task that an answer to a modern server names',
    file: 'src/gateway/serve/ask-legacy.ts',
    edits: [['withoutHandles(body, result)', '[]']],
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the refusal of what a client says of which task it is',
    file: 'src/gateway/methods.ts',
    edits: [
      ['const own = handleNamed(params)', 'const own = handleNamed({ ...params, _meta: {} })'],
    ],
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the seal in place of the id',
    file: passTask,
    edits: [['JSON.stringify(sealed.shown) }', 'JSON.stringify(taskId) }']],
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the look whether the answer is of the task that was asked for',
    file: passTask,
    edits: never('!isNew && call.taskId !== taskId'),
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the door of the task',
    file: 'src/gateway/handle/task.ts',
    edits: never('task.door !== door'),
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the end of the time of a task',
    file: 'src/gateway/handle/task.ts',
    edits: [['now < task.until', 'true']],
    tests: ['test/gateway/serve/pass-task.test.ts'],
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the bound on the time that a server keeps a task',
    file: 'src/gateway/handle/task.ts',
    edits: [['Math.min(ttl, millisecondsMax)', 'ttl']],
    tests: ['test/gateway/handle/task.test.ts'],
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the tool of the task, in what is decided on',
    file: 'src/gateway/permit/task.ts',
    edits: [
      [
        "target: { kind: 'tool', upstream, tool: task.tool }",
        "target: { kind: 'server', upstream }",
      ],
    ],
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the judgement of the result of a task',
    file: 'src/gateway/upstream/judge-answer.ts',
    edits: never('handleNamed(given) !== undefined'),
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the word of policy on what a task asks',
    file: passTask,
    edits: [
      ['permitInput(permit, parts, { octets, result })', 'undefined as Soon<Refused | undefined>'],
    ],
  },
  {
    claim: 'gateway.results-limited',
    without: 'the judgement of what a task brings',
    file: passTask,
    edits: [['brought === undefined', 'brought !== null']],
    tests: ['test/gateway/permit/result.test.ts'],
    named: 'of a task',
  },
  {
    claim: 'gateway.changes-decided',
    without: 'the look whether a session has subscribed to what a server tells of',
    file: 'src/gateway/serve/changes.ts',
    edits: never('!isSubscribed(upstream, uri)'),
    tests: ['test/gateway/serve/session-stream.test.ts'],
    named: 'has asked for it',
  },
  {
    claim: 'gateway.changes-bounded',
    without: 'the bound on what one session subscribes to',
    file: 'src/gateway/serve/subscriptions.ts',
    edits: never('uris.size >= urisMax'),
    tests: ['test/gateway/serve/session-stream.across.test.ts'],
    named: 'so much and no more',
  },
  {
    claim: 'gateway.changes-shared',
    without: 'the end of the session in which changes of a legacy server were told',
    file: 'src/gateway/upstream/hear-legacy.ts',
    edits: [["signal.addEventListener('abort', close, { once: true })", 'signal.throwIfAborted()']],
    tests: ['test/gateway/serve/listen.across.test.ts'],
    named: 'ends with the last',
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the word of policy on what is told of a task',
    file: listenTasks,
    edits: [['isRefused(permit) || answer === undefined', 'answer === undefined']],
    tests: ['test/gateway/serve/listen-tasks.test.ts'],
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the end of a task that is listened to',
    file: listenTasks,
    edits: never('now() >= taskUntil'),
    tests: ['test/gateway/serve/listen-tasks.test.ts'],
    named: 'as long as its server',
  },
  {
    claim: 'gateway.changes-bounded',
    without: 'the one telling of tasks at a time',
    file: listenTasks,
    edits: [['if (isTelling) return\n', '\n']],
    tests: ['test/gateway/serve/listen-tasks.test.ts'],
    named: 'without pause',
  },
]
