import { never, type Mutation } from './mutation.ts'

const crossing = 'src/gateway/serve/crossing.ts'
const askLegacy = 'src/gateway/serve/ask-legacy.ts'
const held = 'src/gateway/upstream/held-sessions.ts'

/** Agents of one era at servers of the other: what is translated, and in whose session. */
export const eraMutations: readonly Mutation[] = [
  {
    claim: 'gateway.eras-meet',
    without: 'the end of what one era alone has in its envelope',
    file: 'src/gateway/translate/request.ts',
    edits: never('name.startsWith(reserved)'),
  },
  {
    claim: 'gateway.eras-meet',
    without: 'the end of the headers of the other era',
    file: 'src/gateway/upstream/headers.ts',
    edits: never("translated !== undefined && name.startsWith('mcp-')"),
  },
  {
    claim: 'gateway.eras-meet',
    without: 'the refusal of what only runs as a task',
    file: 'src/gateway/permit/definition.ts',
    edits: [['!toolAcross(definition).needsTask', 'true']],
  },
  {
    claim: 'gateway.eras-meet',
    without: 'the end of notifications that mean nothing in the other era',
    file: 'src/gateway/serve/stream.ts',
    edits: [['return passesAcross(notification, { era: told.era, level })', 'return true']],
  },
  {
    claim: 'gateway.eras-meet',
    without: 'the refusal of what goes on with a call',
    file: 'src/gateway/address.ts',
    edits: [['isOurs ? target', 'true ? target']],
  },
  {
    claim: 'gateway.contents-readable',
    without: 'the look at what is read as at more than a result',
    file: 'src/gateway/serve/pass-answer.ts',
    edits: never("permit.call.message.method === 'resources/read'"),
    tests: ['test/gateway/permit/offers.test.ts'],
  },
  {
    claim: 'gateway.goes-on-across',
    without: 'the place where a call goes on, whatever its agent says then that it does',
    file: 'src/gateway/serve/forward.ts',
    edits: never('permit.call.suspended !== undefined'),
  },
  {
    claim: 'gateway.asks-across',
    without: 'the decision on what a modern server asks a legacy agent',
    file: askLegacy,
    edits: [['if (refusal !== undefined) return refusal\n  const asks', 'const asks']],
  },
  {
    claim: 'gateway.asks-across',
    without: 'the decision on a call that goes on',
    file: askLegacy,
    edits: [
      [
        'const next = await parts.authorize(call)',
        'const next = { ...permit, call } as Permit | Refused',
      ],
    ],
  },
  {
    claim: 'gateway.approval-bound',
    without: 'the refusal of an approval of what goes on with a call across eras',
    file: 'src/gateway/permit/hold-out.ts',
    edits: never('call.rounds !== undefined'),
  },
  {
    claim: 'gateway.asks-across',
    without: 'the end of what is asked where several workers serve',
    file: crossing,
    edits: [['isOnlyWorker ? undefined', 'isOnlyWorker || true ? undefined']],
  },
  {
    claim: 'gateway.asks-across',
    without: 'the silence about what an agent does that may be asked nothing',
    file: crossing,
    edits: [['whyUnasked(parts) === undefined', 'true']],
  },
  {
    claim: 'gateway.asks-across',
    without: 'the refusal of what is asked of an agent that may be asked nothing',
    file: askLegacy,
    edits: never('unasked !== undefined'),
  },
  {
    claim: 'gateway.asks-across',
    without: 'the bound on how often one call is asked for more',
    file: askLegacy,
    edits: never('rounds >= roundsMax'),
  },
  {
    claim: 'gateway.asks-across',
    without: 'the end of the time for an answer',
    file: askLegacy,
    edits: [['pauseMilliseconds : limits.askSecondsMax * 1000', 'pauseMilliseconds : 600_000']],
  },
  {
    claim: 'gateway.goes-on-across',
    without: 'the look how often a call has gone on before',
    file: 'src/gateway/serve/talks.ts',
    edits: [['talk?.isSuspendedIn(round) === true ? talk : undefined', 'talk']],
    named: 'in its own words',
  },
  {
    claim: 'gateway.goes-on-across',
    without: 'the look whether it is this process that has the call',
    file: 'src/gateway/serve/talks.ts',
    edits: [['state.by === by ? get(state) : undefined', 'get(state)']],
    named: 'replica',
  },
  {
    claim: 'gateway.goes-on-across',
    without: 'a session of its own for a call that may be asked something',
    file: 'src/gateway/serve/talks.ts',
    edits: never('taken.has(number)'),
    named: 'has the session to itself',
  },
  {
    claim: 'gateway.goes-on-across',
    without: 'the end of a call whose client does not come back',
    file: 'src/gateway/serve/talk.ts',
    edits: [['setTimeout(() => this.giveUp(), parts', 'setTimeout(() => {}, parts']],
    named: 'with the time that',
  },
  {
    claim: 'gateway.goes-on-across',
    without: 'the place that a call has while it is open at its server',
    file: 'src/gateway/serve/talk.ts',
    edits: [['stay.keep(), () => parts', '() => parts']],
    named: 'open once under limits',
  },
  {
    claim: 'gateway.asks-across',
    without: 'the look whether a legacy server may still ask what is answered',
    file: 'src/gateway/serve/carry-asks.ts',
    edits: [['isSame ? undefined : await permits(one.ask)', 'undefined']],
  },
  {
    claim: 'gateway.asks-across',
    without: 'the silence of a legacy server about what nobody may be asked',
    file: 'src/gateway/serve/in-session.ts',
    edits: never('whyUnasked(parts) !== undefined'),
  },
  {
    claim: 'gateway.asks-bounded',
    without: 'the shares of calls that are open at legacy servers',
    file: 'src/gateway/serve/talks.ts',
    edits: never('full !== undefined'),
  },
  {
    claim: 'gateway.cancelled-across',
    without: 'the session of what is cancelled',
    file: 'src/gateway/serve/running.ts',
    edits: [['return `${session.key} ${typeof', 'return `${typeof']],
  },
  {
    claim: 'gateway.cancelled-across',
    without: 'the word to a legacy server',
    file: 'src/gateway/serve/forward.ts',
    edits: never("failed === 'cancelled' || failed === 'time-out'"),
  },
  {
    claim: 'gateway.cancelled-across',
    without: 'the silence to a legacy server without sessions',
    file: 'src/gateway/serve/forward.ts',
    edits: [[' || session === undefined || !isOwn(session)) return', ') return']],
  },
  {
    claim: 'gateway.shared-session-of-one-pod',
    without: 'the owner of a shared session',
    file: 'src/gateway/serve/in-session.ts',
    edits: [["['shared', caller.owner,", "['shared', String(caller.owner.length > 0),"]],
  },
  {
    claim: 'gateway.shared-session-of-one-pod',
    without: 'an id of its own for each request',
    file: crossing,
    edits: [
      ['    const id = parts.sessions.nextId()\n', '    const id = Number(message.id.value)\n'],
    ],
  },
  {
    claim: 'gateway.shared-session-of-one-pod',
    without: 'the end of what nobody uses',
    file: held,
    edits: never('isShared === true && uses === 0 && usedAt < since'),
  },
]
