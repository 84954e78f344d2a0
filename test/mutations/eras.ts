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
    edits: never("verdict.kind === 'notification' && !passes(crossing, data)"),
  },
  {
    claim: 'gateway.eras-meet',
    without: 'the refusal of what goes on with a call',
    file: 'src/gateway/address.ts',
    edits: [['isOurs ? target', 'true ? target']],
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
    claim: 'gateway.asks-across',
    without: 'the end of what is asked under an approval',
    file: crossing,
    edits: never('duties.approval !== undefined'),
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
    edits: [['whyUnasked(permit, parts) === undefined', 'true']],
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
    edits: [['return `shared ${owner}`', 'return `shared ${owner.length > 0}`']],
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
