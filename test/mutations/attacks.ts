import { never, type Mutation } from './mutation.ts'

const judge = 'src/gateway/caller/judge.ts'
const connections = 'src/gateway/caller/connections.ts'
const tls = 'src/gateway/door/tls.ts'

const attacks = ['test/gateway/attacks.test.ts']
const refusals = ['test/gateway/refusals.test.ts']
const upstreams = ['test/gateway/upstreams.test.ts']
const expired = ['test/gateway/expired.test.ts']

const ofTls: Mutation['edits'] = [['rejectUnauthorized: true', 'rejectUnauthorized: false']]
const ofClock = never('now() >= svid.notAfter.getTime()')
const ofTimer: Mutation['edits'] = [['arm(connection, now, end)\n      return {', 'return {']]

/** For each class of attack, what stands against it first; what stands behind that has rows of its own claims. */
export const attackMutations: readonly Mutation[] = [
  {
    claim: 'attack.two-readings',
    without: 'the look for a second member of one name',
    file: 'src/mcp/scan.ts',
    edits: never('!names.add(name)'),
    tests: ['test/gateway/pipeline.test.ts'],
  },
  {
    claim: 'attack.two-readings',
    without: 'the look for names that resemble a known one',
    file: 'src/mcp/scan.ts',
    edits: [['!isVariantOfKnownMember(level, name)', 'true']],
    tests: ['test/gateway/pipeline.test.ts', 'test/mcp/readings.go.test.ts'],
  },
  {
    claim: 'attack.headers-against-body',
    without: 'the comparison of the name in the header',
    file: 'src/mcp/modern.ts',
    edits: never('!isMirrored'),
    tests: refusals,
  },
  {
    claim: 'attack.headers-against-body',
    without: 'the look for a second line of one header',
    file: 'src/mcp/headers.ts',
    edits: [['else return duplicateHeader(name)', '']],
    tests: ['test/gateway/pipeline.test.ts'],
  },
  {
    claim: 'attack.answers-crossed',
    without: 'the end of a connection on which octets follow the answer',
    file: 'src/gateway/upstream/http/connection.ts',
    edits: [['this.#keeps && !surplus &&', 'this.#keeps &&']],
    tests: ['test/gateway/upstream/hostile.test.ts'],
  },
  {
    claim: 'attack.errors-taken-for-yes',
    without: 'the refusal where policy has failed',
    file: 'src/gateway/permit/policy.ts',
    edits: [['if (error === undefined) return { id, value }', 'if (id) return { id, value }']],
    tests: refusals,
  },
  {
    claim: 'attack.errors-taken-for-yes',
    without: 'the bound on how old what is known of revocations may be',
    file: judge,
    edits: never('options[source].staleSeconds > options.staleSecondsMax'),
    tests: refusals,
  },
  {
    claim: 'attack.made-up-authority',
    without: 'the list of headers that pass to a tool server',
    file: 'src/gateway/upstream/headers.ts',
    edits: [['inbound.has(name) ||', "inbound.has(name) || name.startsWith('x-') ||"]],
    tests: attacks,
  },
  {
    claim: 'attack.hidden-but-callable',
    without: 'what policy says about a call',
    file: 'src/gateway/permit/policy.ts',
    edits: never('!value.allow'),
    tests: attacks,
  },
  {
    claim: 'attack.hidden-but-callable',
    without: 'what policy says about a list',
    file: 'src/gateway/permit/list.ts',
    edits: [['shown[index] === true', 'index < shown.length']],
    tests: attacks,
  },
  {
    claim: 'attack.injection-by-translation',
    without: 'the grammar of the names that are in a scope',
    file: 'src/identity/tool-scope.ts',
    edits: [['scope.server !== server || !isToolName(tool)', 'scope.server !== server']],
    tests: attacks,
  },
  {
    claim: 'attack.commands-by-request',
    without: 'the rule that nothing which serves may start a process',
    file: 'src/gateway/serve/forward.ts',
    edits: [
      [
        "import { tokenFor } from './call-token.ts'",
        "import { tokenFor } from './call-token.ts'\nimport 'node:child_process'",
      ],
    ],
    tests: attacks,
  },
  {
    claim: 'attack.rebinding-and-open-ports',
    without: 'the list of hosts',
    file: 'src/gateway/door/host.ts',
    edits: never('host === undefined || !isServed(host.toLowerCase(), served.hosts)'),
    tests: refusals,
  },
  {
    claim: 'attack.rebinding-and-open-ports',
    without: 'the demand for a certificate',
    file: tls,
    edits: [['requestCert: true', 'requestCert: false'], ...ofTls],
    tests: ['test/gateway/identity-lifetime.test.ts'],
  },
  {
    claim: 'attack.server-side-requests',
    without: 'the look at what a name resolves to',
    file: 'src/gateway/upstream/reachable.ts',
    edits: never('unfitOne !== false && unfitOne !== undefined'),
    tests: ['test/gateway/upstream/reachable.test.ts'],
  },
  {
    claim: 'attack.tokens-passed-on',
    without: 'the list of headers that pass to a tool server',
    file: 'src/gateway/upstream/headers.ts',
    edits: [
      [
        'inbound.has(name) ||',
        "inbound.has(name) || ['cookie', 'authorization'].includes(name) ||",
      ],
    ],
    tests: upstreams,
  },
  {
    claim: 'attack.tokens-passed-on',
    without: 'the certificate that a token is bound to',
    file: 'src/token/verify.ts',
    edits: [
      ...never('thumbprint !== thumbprintOf(peer)'),
      ...never("claims.cnf['x5t#S256'] !== thumbprintOf(peer)"),
    ],
    tests: ['test/token/verify.test.ts'],
  },
  {
    claim: 'attack.exhaustion-by-one',
    without: 'the shares of an upstream',
    file: 'src/gateway/seats.ts',
    edits: [['if (shares.full(guest.account) === undefined) {', 'if (shares.free > 0) {']],
    tests: ['test/gateway/seats.calls.test.ts'],
  },
  {
    claim: 'attack.tools-that-turn',
    without: 'the pins, at a call',
    file: 'src/gateway/permit/authorize.ts',
    edits: never('reason !== undefined'),
    tests: upstreams,
  },
  {
    claim: 'attack.tools-that-turn',
    without: 'the list of what is told of a server',
    file: 'src/gateway/serve/initialize.ts',
    edits: [
      [
        "['protocolVersion', 'serverInfo', '_meta']",
        "['protocolVersion', 'serverInfo', '_meta', 'instructions']",
      ],
    ],
    tests: ['test/gateway/upstream/judge-answer.test.ts'],
  },
  {
    claim: 'attack.expired-but-served',
    without: 'the look at the clock on every request',
    file: judge,
    edits: ofClock,
    tests: expired,
  },
  {
    claim: 'expired.handshake-with-tickets',
    without: 'the judgement of TLS',
    file: tls,
    edits: ofTls,
    tests: expired,
    named: 'is refused by TLS in a full handshake',
  },
  {
    claim: 'expired.handshake-without-tickets',
    without: 'the look at the clock on every request',
    file: judge,
    edits: ofClock,
    tests: expired,
    named: 'is refused after a full handshake',
  },
  {
    claim: 'expired.resumption-with-tickets',
    without: 'any look at the clock at a request',
    file: judge,
    // Whether its chain is valid now is asked at the handshake.
    edits: [...ofClock, ['if (shown.verifiedWith === bundle) return', 'if (shown) return']],
    tests: expired,
    named: 'is refused on a session that is resumed',
  },
  {
    claim: 'expired.resumption-without-tickets',
    without: 'the ban on session tickets',
    file: tls,
    edits: [['constants.SSL_OP_NO_TICKET', '0 * constants.SSL_OP_NO_TICKET']],
    tests: expired,
    named: 'is refused on a session that is resumed',
  },
  {
    claim: 'expired.connection-with-tickets',
    without: 'the look at the clock on every request',
    file: judge,
    edits: ofClock,
    tests: expired,
    named: 'is refused on a connection that is open',
  },
  {
    claim: 'expired.connection-without-tickets',
    without: 'the timer at notAfter',
    file: connections,
    edits: ofTimer,
    tests: expired,
    named: 'ends a stream that is open',
  },
]
