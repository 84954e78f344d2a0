/** The defences between a caller and a tool server that does what it should. */
import type { Mutation } from './table.ts'

/** A defence that is a condition: it never holds. */
function never(condition: string): Mutation['edits'] {
  return [[condition, `false && (${condition})`]]
}

const listUpstream = 'src/gateway/catalogue/list-upstream.ts'

export const servingMutations: readonly Mutation[] = [
  {
    claim: 'gateway.ended-means-not-begun',
    without: 'the look whether a request came too late',
    file: 'src/gateway/door/listener.ts',
    edits: never('isTooLate(request)'),
  },
  {
    claim: 'toolserver.ended-means-not-begun',
    without: 'the look whether a request came too late',
    file: 'src/drain.ts',
    edits: [['return !request.socket.writable', 'return request.socket.destroyed && false']],
  },
  {
    claim: 'gateway.repeats-only-what-was-not-begun',
    without: 'the word of the server that twice does no more than once',
    file: 'src/gateway/upstream/send-repeating.ts',
    edits: [['begun ? repeatable && repeats === 0 :', 'begun ? repeats === 0 :']],
  },
  {
    claim: 'gateway.no-input-ends-it',
    without: 'targets by their exact text',
    file: 'src/gateway/door/doors.ts',
    edits: [['door = doorOf(url)', "door = doorOf(new URL(url, 'https://gateway').pathname)"]],
    tests: ['test/fuzz/http-framing.test.ts', 'test/gateway/refusals.test.ts'],
  },
  {
    claim: 'gateway.silent-connections-closed',
    without: 'the time for a head',
    file: 'src/gateway/door/listener.ts',
    edits: [
      ['headersTimeout: times.headMilliseconds', 'headersTimeout: 0'],
      ['requestTimeout: times.requestMilliseconds', 'requestTimeout: 0'],
    ],
  },
  {
    claim: 'gateway.bounded-strangers',
    without: 'the bound on connections of nobody',
    file: 'src/gateway/door/strangers.ts',
    edits: never('count > strangersMax'),
  },
  {
    claim: 'gateway.unreadable-revocation',
    without: 'the weight of a revocation that cannot be read',
    file: 'src/gateway/caller/revocation-watch.ts',
    edits: [
      [
        'return informer.unreadable.size > 0 ? Number.POSITIVE_INFINITY : staleSecondsOf(informer)',
        'return staleSecondsOf(informer)',
      ],
    ],
  },
  {
    claim: 'gateway.anchors-of-their-domain',
    without: 'the trust domain of an anchor',
    file: 'src/pki/bundle.ts',
    edits: never('!isOfTrustDomain(anchor, trustDomain)'),
    tests: [
      'test/pki/vectors.test.ts',
      'test/pki/files.test.ts',
      'test/gateway/identity-lifetime.test.ts',
    ],
  },
  {
    claim: 'gateway.bodies-bounded',
    without: 'the bound on all bodies together',
    file: 'src/gateway/door/body.ts',
    edits: [
      ['const full = hold(Math.min(declared, bytesMax))', 'const full = hold(0)'],
      ['const more = hold(length)', 'const more = hold(0)'],
    ],
  },
  {
    claim: 'gateway.bytes-as-authorized',
    without: 'the octets of a body, which is written anew',
    file: 'src/gateway/serve/forward.ts',
    edits: [
      [
        'replaceName(message.body, message.offsets, tool) : message.body',
        'replaceName(message.body, message.offsets, tool) : Buffer.from(JSON.stringify(JSON.parse(message.body.toString())))',
      ],
    ],
  },
  {
    claim: 'gateway.answers-judged',
    without: 'the id of an answer',
    file: 'src/gateway/upstream/judge-answer.ts',
    edits: never('!isIdOf(asked, octets, scanned)'),
  },
  {
    claim: 'gateway.answers-judged',
    without: 'the choice between a result and an error',
    file: 'src/gateway/upstream/judge-answer.ts',
    edits: never("hasResult === Object.hasOwn(value, 'error')"),
  },
  {
    claim: 'gateway.no-upstream-delays-others',
    without: 'the bound on the wait for each',
    file: 'src/gateway/serve/gather.ts',
    edits: [
      [
        'setTimeout(() => late.abort(), limits.federationWaitMilliseconds)',
        'setTimeout(() => {}, 0)',
      ],
    ],
  },
  {
    claim: 'gateway.lists-bounded-while-read',
    without: 'the bound on the tools of a list',
    file: listUpstream,
    edits: never('definitions.length + spans.length > definitionsMax'),
  },
  {
    claim: 'gateway.lost-session-opened-again',
    without: 'the second session',
    file: 'src/gateway/serve/in-session.ts',
    edits: [['if (done !== sessionOver) return done\n  }', 'return done\n  }']],
  },
  {
    claim: 'gateway.session-ended',
    without: 'the word to the tool servers',
    file: 'src/gateway/serve/end.ts',
    edits: never('upstream !== undefined'),
  },
  {
    claim: 'gateway.tool-server-of-its-namespace',
    without: 'the namespace of a ToolServer',
    file: 'src/gateway/upstream/tool-server.ts',
    edits: never('!isOwn && at !== namespace'),
  },
  {
    claim: 'gateway.upstream-told-apart',
    without: 'the look for one SPIFFE ID behind two servers',
    file: 'src/gateway/upstream/conflicts.ts',
    edits: never('twin !== undefined && twin.server !== server'),
  },
  {
    claim: 'gateway.upstream-share',
    without: 'the shares of an upstream',
    file: 'src/gateway/upstream/seats.ts',
    edits: [['if (shares.full(guest.account) === undefined) {', 'if (shares.free > 0) {']],
  },
  {
    claim: 'gateway.workers-hold-no-secret-in-the-open',
    without: 'a channel of its own for the settings of a worker',
    file: 'src/cli/run-workers.ts',
    edits: [['cluster.fork()', 'cluster.fork({ SETTINGS: \'{"trustDomain":""}\' })']],
  },
]
