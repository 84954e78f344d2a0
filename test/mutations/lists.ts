import { never, type Mutation } from './mutation.ts'

const kept = 'src/gateway/permit/kept-lists.ts'
const decisions = 'src/gateway/permit/list-policy.ts'
const listed = 'src/mcp/listed.ts'
const pages = 'src/gateway/catalogue/pages.ts'
const turns = 'src/gateway/turns.ts'

const asking = '[authorizer.digest, method, era, door, phase, there, subjectText]'

/** What is known of a list, and may not be said of another. */
export const listMutations: readonly Mutation[] = [
  {
    claim: 'gateway.lists-decided-anew',
    without: 'the policy and its data in the question',
    file: decisions,
    edits: [[asking, '[method, era, door, phase, there, subjectText]']],
  },
  {
    claim: 'gateway.lists-decided-anew',
    without: 'the caller in the question',
    file: decisions,
    edits: [[asking, '[authorizer.digest, method, era, door, phase, there]']],
  },
  {
    claim: 'gateway.lists-decided-anew',
    without: 'the door in the question',
    file: decisions,
    edits: [[asking, '[authorizer.digest, call.message.method, era, phase, subjectText]']],
  },
  {
    claim: 'gateway.lists-decided-anew',
    without: 'the tools in the question',
    file: kept,
    edits: never('!isOf(numbers, question)'),
  },
  {
    claim: 'gateway.lists-decided-anew',
    without: 'the time after which an answer is none',
    file: kept,
    edits: [['age < keptMilliseconds', 'age < Infinity']],
  },
  {
    claim: 'gateway.lists-decided-anew',
    without: 'the look at a clock that has gone back',
    file: kept,
    edits: [['age >= 0 && ', '']],
  },
  {
    claim: 'gateway.lists-decided-anew',
    without: 'the comparison of what was read before',
    file: pages,
    edits: [
      [
        'stop <= octets.length && octets.compare(known, start, end, at, stop) === 0',
        'stop <= octets.length && octets[stop - 1] === known[end - 1]',
      ],
    ],
  },
  {
    claim: 'gateway.lists-bounded-while-read',
    without: 'the bound on the octets of definitions that are kept',
    file: 'src/gateway/catalogue/known-definitions.ts',
    edits: [[' || this.#octets + octets.length > octetsMax', '']],
  },
  {
    claim: 'gateway.catalogues-bounded',
    without: 'the room that definitions take',
    file: 'src/gateway/catalogue/known-definitions.ts',
    edits: never('this.#room.take(octets.length + besideOctets) !== undefined'),
  },
  {
    claim: 'gateway.catalogues-bounded',
    without: 'the room that kept lists take',
    file: pages,
    edits: never('room.take(octetsOf({ tools })) !== undefined'),
  },
  {
    claim: 'gateway.catalogues-bounded',
    without: 'the share of a namespace',
    file: 'src/gateway/catalogue/catalogues.ts',
    edits: [['return [owner, owner, server]', 'return [server, server, server]']],
  },
  {
    claim: 'gateway.catalogues-bounded',
    without: 'the end of what a server had that is gone',
    file: 'src/gateway/catalogue/catalogues.ts',
    edits: [['        hold.end()\n', '']],
  },
  {
    claim: 'gateway.catalogues-bounded',
    without: 'the look whether a server is still there before it takes room',
    file: 'src/gateway/catalogue/catalogues.ts',
    edits: never('!isThere(upstream)'),
  },
  {
    claim: 'gateway.catalogues-bounded',
    without: 'the turns of listings',
    file: 'src/gateway/catalogue/listings.ts',
    edits: [['if (seats.take(guest)) guest.seated()', 'guest.seated()']],
  },
  {
    claim: 'gateway.catalogues-bounded',
    without: 'the time for one listing',
    file: 'src/gateway/catalogue/listings.ts',
    edits: [['setTimeout(leave, times.turnMilliseconds)', 'undefined']],
  },
  {
    claim: 'gateway.catalogues-bounded',
    without: 'the room that the opening of a session takes',
    file: 'src/gateway/catalogue/list-upstream.ts',
    edits: [['answerBytesMax, signal, room }\n', 'answerBytesMax, signal, room: undefined }\n']],
  },
  {
    claim: 'gateway.catalogues-bounded',
    without: 'the namespace of a tool server',
    file: 'src/gateway/upstream/tool-server.ts',
    edits: [['...(isOwn ? {} : { namespace }),', '']],
  },
  {
    claim: 'gateway.catalogues-bounded',
    without: 'the look for servers that are gone when they are replaced',
    file: 'src/gateway/gateway.ts',
    edits: [['      forgetGone()\n', '']],
  },
  {
    claim: 'gateway.catalogues-bounded',
    without: 'the end of what a list had taken while it was read',
    file: 'src/gateway/catalogue/catalogue.ts',
    edits: [['      reading.end()\n', '']],
  },
  {
    claim: 'gateway.catalogues-bounded',
    without: 'the room that small pages take',
    file: 'src/gateway/catalogue/list-upstream.ts',
    edits: [['room?.take(octets) : undefined', 'undefined : undefined']],
  },
  {
    claim: 'gateway.lists-bounded-while-read',
    without: 'the count of what a known list holds',
    file: listed,
    edits: [['    room.left -= known.values\n', '']],
  },
  {
    claim: 'gateway.lists-bounded-while-read',
    without: 'the count of what a known element holds',
    file: listed,
    edits: [['    room.left -= values\n', '']],
  },
  {
    claim: 'gateway.lists-bounded-while-read',
    without: 'the bound on kept answers',
    file: kept,
    edits: [['tools <= toolsMax && isCurrent(answered)', 'true']],
  },
  {
    claim: 'gateway.bodies-take-turns',
    without: 'the turn of a long body',
    file: 'src/gateway/handle-call.ts',
    edits: [['if (turn !== undefined) await turn', '']],
    tests: ['test/gateway/handle-call.turns.test.ts'],
  },
  {
    claim: 'gateway.lists-take-turns',
    without: 'the turn of a long list that is known',
    file: 'src/gateway/permit/list.ts',
    edits: never('isLong(pages)'),
  },
  {
    claim: 'gateway.lists-take-turns',
    without: 'the turn in which a long answer is read',
    file: 'src/gateway/upstream/collect.ts',
    edits: [['resolve(whenThere(options.takeTurn?.(octets.length), judged))', 'resolve(judged())']],
  },
  {
    claim: 'gateway.offers-take-turns',
    without: 'the turn that a long answer has taken when it was judged',
    file: 'src/gateway/serve/pass-answer.ts',
    edits: [['  turns.spend()\n', '']],
  },
  {
    claim: 'gateway.offers-take-turns',
    without: 'the end of a turn that was spent without asking',
    file: turns,
    edits: [['spend: () => spend(left)', 'spend: () => spend(0)']],
  },
  {
    claim: 'gateway.lists-take-turns',
    without: 'the wait for a turn',
    file: pages,
    edits: [['if (turn !== undefined) await turn', '']],
  },
  {
    claim: 'gateway.lists-take-turns',
    without: 'whose turns they are',
    file: turns,
    edits: [
      [
        'lines.add({ account, octets: part, begin })',
        "lines.add({ account: ['', '', ''], octets: part, begin }), void account",
      ],
    ],
  },
  {
    claim: 'gateway.lists-take-turns',
    without: 'what is left of a turn that several share',
    file: turns,
    edits: [['left -= part', 'void 0']],
  },
  {
    claim: 'gateway.lists-take-turns',
    without: 'the place of those who wait before whoever comes now',
    file: turns,
    edits: [['waiting > 0 || part > left', 'part > left']],
  },
  {
    claim: 'gateway.lists-take-turns',
    without: 'the reading of its own where another tenant reads the same',
    file: pages,
    edits: [['each.tenant === tenant && ', '']],
  },
  {
    claim: 'gateway.revoked-open-connection',
    without: 'the look at who has ended while a list was read',
    file: 'src/gateway/permit/list.ts',
    edits: never('over !== undefined'),
    tests: ['test/gateway/permit/list.test.ts'],
  },
]
