import { never, type Mutation } from './mutation.ts'

const askId = 'src/gateway/handle/ask-id.ts'
const asks = 'src/gateway/serve/asks.ts'
const carry = 'src/gateway/serve/carry-asks.ts'
const stream = 'src/gateway/serve/session-stream.ts'
const pagesAcross = 'src/gateway/serve/pages-across.ts'

/** What legacy servers ask of their callers, and say on the streams of sessions. */
export const askMutations: readonly Mutation[] = [
  {
    claim: 'gateway.asked-of-its-caller',
    without: 'the session and the door of whoever is asked',
    file: askId,
    edits: [['return key === asked.key && door === asked.door ? ask : undefined', 'return ask']],
  },
  {
    claim: 'gateway.asked-of-its-caller',
    without: "the server's own id, put back",
    file: 'src/gateway/serve/respond.ts',
    edits: [['[{ ...id, text: rawId }, ...related]', 'related']],
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the task of its server, in an answer to what that asks in it',
    file: 'src/gateway/serve/respond.ts',
    edits: [['text: rawId }, ...related]', 'text: rawId }]']],
    tests: ['test/gateway/serve/task-told.test.ts'],
  },
  {
    claim: 'gateway.asked-of-its-caller',
    without: 'an id of our own',
    file: carry,
    edits: [['[own, ...edits]', 'edits']],
  },
  {
    claim: 'gateway.asked-and-answered-once',
    without: 'the look whether somebody still waits',
    file: asks,
    edits: [['return open !== undefined', 'return true']],
  },
  {
    claim: 'gateway.asked-and-answered-once',
    without: 'the memory of what others have carried',
    file: asks,
    edits: never('taken.has(name)'),
  },
  {
    claim: 'gateway.asked-and-answered-once',
    without: 'the look whether policy is another one since it was asked',
    file: 'src/gateway/serve/respond.ts',
    edits: never('!(await isStillPermitted(ask, parts))'),
  },
  {
    claim: 'gateway.asked-and-answered-once',
    without: 'the deadline',
    file: asks,
    edits: never('now() >= ask.endsAt'),
  },
  {
    claim: 'gateway.asks-bounded',
    without: 'the bound on what one stream asks',
    file: carry,
    edits: never('waiting >= waitingMax'),
  },
  {
    claim: 'gateway.asks-bounded',
    without: 'the place of what is being decided on',
    file: carry,
    edits: [
      ['    this.#open.set(name, place)\n', ''],
      ['if (this.#open.get(name) !== place) return true\n', ''],
    ],
  },
  {
    claim: 'gateway.asks-bounded',
    without: 'the refusal of what could not be decided on',
    file: carry,
    edits: [['taken instanceof Promise ? taken.catch(broke) : taken', 'taken']],
  },
  {
    claim: 'gateway.asks-bounded',
    without: 'the bound on what is answered at a time',
    file: carry,
    edits: [['if (this.#answering >= waitingMax) return false', '']],
  },
  {
    claim: 'gateway.asks-bounded',
    without: 'the end of what is open when its call ends',
    file: 'src/gateway/serve/forward.ts',
    edits: [['      events?.over()\n', '']],
  },
  {
    claim: 'gateway.server-requests-reach-nobody',
    without: 'the look whose session it is',
    file: carry,
    edits: [['if (!isOwn(there)) return', 'if (!isOwn(there) && there.version === "") return']],
  },
  {
    claim: 'gateway.stream-of-its-owner',
    without: 'the end with the session',
    file: 'src/gateway/serve/end.ts',
    edits: [['  streams.endOf(session.key)\n', '']],
  },
  {
    claim: 'gateway.stream-of-its-owner',
    without: 'the end with the identity and the connection',
    file: stream,
    edits: [['    cancel: end,', '    cancel: () => {},']],
  },
  {
    claim: 'gateway.stream-of-its-owner',
    without: 'the end with its time',
    file: stream,
    edits: [['setTimeout(end, limits.streamSecondsMax * 1000)', 'setTimeout(end, 3_600_000)']],
  },
  {
    claim: 'gateway.changes-decided',
    without: 'the question of policy',
    file: 'src/gateway/permit/heard.ts',
    edits: [['!isRefused(decided) && ', 'isRefused(decided) || ']],
  },
  {
    claim: 'gateway.streams-apart',
    without: 'places of their own',
    file: 'src/gateway/upstream/exchange.ts',
    edits: [["request.method === 'GET' ? upstream.streams : upstream.seats", 'upstream.seats']],
  },
  {
    claim: 'gateway.pages-decided',
    without: 'what policy says of each page',
    file: 'src/gateway/serve/pass-pages.ts',
    edits: [['if (refusal !== undefined) return refusal', '']],
    tests: ['test/gateway/serve/pass-pages.test.ts'],
  },
  {
    claim: 'gateway.pages-across',
    without: 'what policy says of each page',
    file: pagesAcross,
    edits: [['if (refusal !== undefined) return refusal', '']],
  },
  {
    claim: 'gateway.pages-across',
    without: 'the look whether somebody has declined',
    file: pagesAcross,
    edits: [["if (isJsonObject(answer) && answer['action'] === 'accept') continue", 'continue']],
    named: 'is not called anew',
  },
  {
    claim: 'gateway.pages-across',
    without: 'the bound on how often one call is put off',
    file: pagesAcross,
    edits: never('over !== undefined'),
    named: 'so often and no more',
  },
  {
    claim: 'gateway.pages-across',
    without: 'the own state, kept from the server',
    file: 'src/gateway/translate/request.ts',
    edits: [["new Set(['inputResponses', 'requestState'])", "new Set(['inputResponses'])"]],
    named: 'is called anew',
  },
  {
    claim: 'gateway.pages-decided',
    without: 'the look at whom a page was shown to',
    file: 'src/gateway/serve/session-stream.ts',
    edits: [['if (isShown) stream', 'stream']],
    tests: ['test/gateway/serve/pass-pages.test.ts'],
  },
]
