/** The defences between a caller and a tool server that does what it should. */
import { never, type Mutation } from './mutation.ts'

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
    claim: 'gateway.bounded-strangers',
    without: 'whose addresses are',
    file: 'src/gateway/door/strangers.ts',
    edits: [["partyOf(socket.remoteAddress ?? '')", "socket.remoteAddress ?? ''"]],
  },
  {
    claim: 'gateway.unread-answers-bounded',
    without: 'the share of what is read of an answer',
    file: 'src/gateway/upstream/exchange.ts',
    edits: [['if (full !== undefined) fail(noRoom(full))', '']],
    tests: ['test/gateway/door/unsent.test.ts'],
  },
  {
    claim: 'gateway.unread-answers-bounded',
    without: 'the share of an answer that is larger than what was read for it',
    file: 'src/gateway/door/unsent.ts',
    edits: [['hold.send(body.length) !== undefined', 'false']],
    tests: ['test/gateway/door/unsent.test.ts'],
  },
  {
    claim: 'gateway.errors-end-no-session',
    without: 'the status of what a tool server has answered itself',
    file: 'src/gateway/refusal.ts',
    edits: [["return era === 'legacy' ? 200 : status", 'return status']],
    tests: ['test/gateway/serve/forward.test.ts'],
  },
  {
    claim: 'gateway.shares-for-all',
    without: 'the turns of those who are asked for at the API server',
    file: 'src/gateway/caller/pod-watch.ts',
    edits: [
      ['inTurn(seats, [pod.namespace, pod.namespace, podUid], () => read(pod))', 'read(pod)'],
    ],
    tests: ['test/gateway/watches.test.ts'],
  },
  {
    claim: 'gateway.handshakes-take-turns',
    without: 'the places for handshakes',
    file: 'src/gateway/door/handshakes.ts',
    edits: [['if (seats.take(one)) begin(one)', 'begin(one)']],
  },
  {
    claim: 'gateway.handshakes-take-turns',
    without: 'the turns between them',
    file: 'src/gateway/door/handshakes.ts',
    edits: [['const begunMax = 4', 'const begunMax = 1000']],
  },
  {
    claim: 'gateway.handshakes-take-turns',
    without: 'the time for one of them',
    file: 'src/gateway/door/handshakes.ts',
    edits: [['setTimeout(giveWay, turnMilliseconds, one)', 'undefined']],
  },
  {
    claim: 'gateway.handshakes-take-turns',
    without: 'the shares of those that take long',
    file: 'src/gateway/door/handshakes.ts',
    edits: [['slow.take(one.account) === undefined', 'true']],
  },
  {
    claim: 'gateway.handshakes-take-turns',
    without: 'the one turn in which those begin that have a place',
    file: 'src/gateway/door/handshakes.ts',
    edits: [['if (isDue || left.length === 0)', 'if (left.length === 0)']],
  },
  {
    claim: 'gateway.handshakes-take-turns',
    without: 'the end of those that have a place and have not begun, when all closes',
    file: 'src/gateway/door/handshakes.ts',
    edits: [
      ['raw, hasBegun } of known', 'raw, isSeated } of known'],
      ['if (!hasBegun)', 'if (isSeated !== true)'],
    ],
  },
  {
    claim: 'gateway.handshakes-take-turns',
    without: 'what certificates have shown of addresses',
    file: 'src/gateway/door/listener.ts',
    edits: never('account !== undefined'),
  },
  {
    claim: 'gateway.gone-callers-not-spoken-for',
    without: 'the look whether the caller is still there, after it was judged',
    file: 'src/gateway/serve/forward.ts',
    edits: never('forwarding.reply.response.destroyed'),
  },
  {
    claim: 'gateway.gone-callers-not-spoken-for',
    without: 'the look whether the caller has gone before',
    file: 'src/gateway/caller/streams.ts',
    edits: never('response.destroyed && !response.writableFinished'),
  },
  {
    claim: 'gateway.unknown-callers-looked-at-again',
    without: 'the look a second later',
    file: 'src/gateway/caller/connections.ts',
    edits: [
      [
        'connection.lookAgain = setTimeout(start, staleCheckMilliseconds, connection).unref()',
        'connection.lookAgain = undefined',
      ],
    ],
  },
  {
    claim: 'gateway.unknown-callers-looked-at-again',
    without: 'the bound on what nobody could tell',
    file: 'src/gateway/caller/connections.ts',
    edits: never('now() - connection.unknownSince > staleSecondsMax * 1000'),
  },
  {
    claim: 'gateway.label-drift',
    without: 'forgetting what was asked of a namespace before it changed',
    file: 'src/gateway/caller/namespace-watch.ts',
    edits: [['forget: (name) => void asked.delete(name)', 'forget: () => {}']],
  },
  {
    claim: 'gateway.pod-gone',
    without: 'forgetting what was asked of a pod before its end',
    file: 'src/gateway/caller/pod-watch.ts',
    edits: [['ask.forgetPod(event.object.metadata.uid)', 'void ask']],
  },
  {
    claim: 'toolserver.revoked-gateway-refused',
    without: 'the end of what is answered while nobody knows who is revoked',
    file: 'src/toolserver/end-revoked.ts',
    edits: [['if (response.headersSent) response.destroy()', 'void response']],
  },
  {
    claim: 'toolserver.revoked-gateway-refused',
    without: 'the refusal of names that no certificate has',
    file: 'src/toolserver/revocation-list.ts',
    edits: never('text !== undefined && !isName(text)'),
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
    tests: ['test/pki/vectors.test.ts', 'test/gateway/identity-lifetime.test.ts'],
  },
  {
    claim: 'gateway.bytes-as-authorized',
    without: 'the octets of a body, which is written anew',
    file: 'src/gateway/serve/as-there.ts',
    edits: [['    ? body\n', '    ? Buffer.from(JSON.stringify(JSON.parse(body.toString())))\n']],
  },
  {
    claim: 'gateway.contents-readable',
    without: 'the question whether other resources in an answer may be read',
    file: 'src/gateway/serve/read.ts',
    edits: never('refusal !== undefined'),
  },
  {
    claim: 'gateway.uri-is-one-place',
    without: 'the look for what is left out of a URI',
    file: 'src/gateway/methods.ts',
    edits: never('isUri && notInUris.test(name)'),
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
    claim: 'gateway.upstream-share',
    without: 'the shares of an upstream',
    file: 'src/gateway/seats.ts',
    edits: [['if (shares.full(guest.account) === undefined) {', 'if (shares.free > 0) {']],
  },
  {
    claim: 'gateway.bodies-bounded',
    without: 'one memory for all pieces of a body',
    file: 'src/gateway/door/body.ts',
    edits: [
      [
        'if (more === undefined) body.push(chunk)',
        'const kept = ((request as unknown as { kept?: Buffer[] }).kept ??= []); kept.push(chunk); if (more === undefined) body.push(chunk)',
      ],
    ],
  },
  {
    claim: 'gateway.bodies-bounded',
    without: 'the charge for the room of a body, beside its octets',
    file: 'src/gateway/door/body.ts',
    edits: [['hold(body.capacityWith(chunk))', 'hold(length)']],
  },
  {
    claim: 'toolserver.bodies-bounded',
    without: 'one memory for all pieces of a body',
    file: 'src/toolserver/read-body.ts',
    edits: [
      ['let octets = 0', 'const kept: Buffer[] = []; let octets = 0'],
      ['body.push(chunk)', 'kept.push(chunk)'],
      ['return body.whole()', 'return Buffer.concat(kept)'],
    ],
  },
  {
    claim: 'gateway.linear-time',
    without: 'the bound on all names that are compared with an id',
    file: 'src/mcp/readable-id.ts',
    edits: never('found.unitsLeft < 0'),
    tests: ['test/mcp/readable-id.test.ts'],
  },
  {
    claim: 'gateway.lost-session-opened-again',
    without: 'the SPIFFE ID of the server that a session is with',
    file: 'src/gateway/serve/in-session.ts',
    edits: [['each?.spiffeId === spiffeId.uri', "each !== undefined || spiffeId.uri === ''"]],
    tests: ['test/gateway/serve/in-session.test.ts'],
  },
]
