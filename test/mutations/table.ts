import { never, type Mutation } from './mutation.ts'
import { agentMutations } from './agent.ts'
import { anchorMutations } from './anchors.ts'
import { approverMutations } from './approver.ts'
import { askMutations } from './asks.ts'
import { attackMutations } from './attacks.ts'
import { authorityMutations } from './authority.ts'
import { bundleMutations } from './bundles.ts'
import { ociMutations } from './oci.ts'
import { decideMutations } from './decide.ts'
import { goesOnMutations } from './goes-on.ts'
import { checkpointMutations } from './checkpoints.ts'
import { changeMutations } from './changes.ts'
import { definitionMutations } from './definitions.ts'
import { eraMutations } from './eras.ts'
import { federationMutations } from './federation.ts'
import { guardMutations } from './guard.ts'
import { issuanceMutations } from './issuance.ts'
import { handleMutations } from './handles.ts'
import { carriedMutations } from './carried.ts'
import { intermediateMutations } from './intermediate.ts'
import { issuedMutations } from './issued.ts'
import { ledgerMutations } from './ledger.ts'
import { listMutations } from './lists.ts'
import { operationMutations } from './operation.ts'
import { clockMutations } from './clock.ts'
import { patternMutations } from './patterns.ts'
import { policyMutations } from './policy.ts'
import { renewalMutations } from './renewal.ts'
import { shadowMutations } from './shadow.ts'
import { uploadMutations } from './upload.ts'
import { servingMutations } from './serving.ts'
import { signingRequestMutations } from './signing-requests.ts'
import { taskMutations } from './tasks.ts'
import { trustMutations } from './trust.ts'
import { upstreamMutations } from './upstream.ts'

const judge = 'src/gateway/caller/judge.ts'
const handleCall = 'src/gateway/handle-call.ts'
const headers = 'src/gateway/upstream/headers.ts'
const verify = 'src/token/verify.ts'

export const mutations: readonly Mutation[] = [
  {
    claim: 'gateway.client-certificate-required',
    without: 'the demand for a certificate',
    file: 'src/gateway/door/tls.ts',
    edits: [
      ['requestCert: true', 'requestCert: false'],
      ['rejectUnauthorized: true', 'rejectUnauthorized: false'],
    ],
  },
  {
    claim: 'gateway.client-certificate-required',
    without: 'the judgement of TLS, where a certificate is asked for all the same',
    file: 'src/gateway/door/tls.ts',
    edits: [['rejectUnauthorized: true', 'rejectUnauthorized: false']],
  },
  {
    claim: 'gateway.no-tickets',
    without: 'the ban on session tickets',
    file: 'src/gateway/door/tls.ts',
    edits: [
      [
        'secureOptions: constants.SSL_OP_NO_TICKET',
        'secureOptions: 0 * constants.SSL_OP_NO_TICKET',
      ],
    ],
  },
  {
    claim: 'gateway.expired-open-connection',
    without: 'the timer at notAfter',
    file: 'src/gateway/caller/connections.ts',
    edits: [['arm(connection, now, end)\n      return {', 'return {']],
  },
  {
    claim: 'gateway.expired-open-connection',
    without: 'the look at the clock on every request',
    file: judge,
    edits: never('now() >= svid.notAfter.getTime()'),
    tests: ['test/gateway/caller/judge.test.ts'],
  },
  {
    claim: 'gateway.revoked-open-connection',
    without: 'the look for a revocation on every request',
    file: judge,
    edits: never('revocation !== undefined'),
  },
  {
    claim: 'gateway.revoked-open-connection',
    without: 'the end of open connections when a revocation comes',
    file: 'src/gateway/caller/connections.ts',
    edits: never('refusal?.close === true'),
  },
  {
    claim: 'gateway.pod-gone',
    without: 'the look for the pod',
    file: judge,
    edits: [
      ['if (alive === false) return podGone', ''],
      ['if (!lives.value) return podGone', ''],
    ],
  },
  {
    claim: 'gateway.stale-watch-refuses',
    without: 'the bound on how old what is known of revocations may be',
    file: judge,
    edits: [
      [
        'options[source].staleSeconds > options.staleSecondsMax',
        "source !== 'revocations' && options[source].staleSeconds > options.staleSecondsMax",
      ],
    ],
  },
  {
    claim: 'gateway.stale-watch-refuses',
    without: 'the bound on how old what is known of pods may be',
    file: judge,
    edits: [
      [
        'options[source].staleSeconds > options.staleSecondsMax',
        "source !== 'pods' && options[source].staleSeconds > options.staleSecondsMax",
      ],
    ],
  },
  {
    claim: 'gateway.stale-watch-refuses',
    without: 'the bound on how old what is known of namespaces may be',
    file: judge,
    edits: [
      [
        'options[source].staleSeconds > options.staleSecondsMax',
        "source !== 'namespaces' && options[source].staleSeconds > options.staleSecondsMax",
      ],
    ],
  },
  {
    claim: 'gateway.host-and-origin',
    without: 'the list of hosts',
    file: 'src/gateway/door/host.ts',
    edits: never('host === undefined || !isServed(host.toLowerCase(), served.hosts)'),
  },
  {
    claim: 'gateway.host-and-origin',
    without: 'the list of origins',
    file: 'src/gateway/door/host.ts',
    edits: never('origin !== undefined && !served.origins.has(origin.toLowerCase())'),
  },
  {
    claim: 'gateway.one-reading',
    without: 'the look for a second member of one name',
    file: 'src/mcp/scan.ts',
    edits: never('!names.add(name)'),
  },
  {
    claim: 'gateway.one-reading',
    without: 'the look for names that resemble a known one',
    file: 'src/mcp/scan.ts',
    edits: [['!isVariantOfKnownMember(level, name)', 'true']],
  },
  {
    claim: 'gateway.one-reading',
    without: 'the look for two arguments of one name but for case',
    file: 'src/mcp/scan.ts',
    edits: [['if (names.addFolded(foldCase(name))) return true', 'return true']],
  },
  {
    claim: 'gateway.one-reading',
    without: 'the look for two of one name but for case below the arguments',
    file: 'src/mcp/levels.ts',
    edits: [["(level === 'arguments') return level", '(0) return level']],
    tests: ['test/mcp/bodies.test.ts'],
  },
  {
    claim: 'gateway.one-reading',
    without: 'the look for two of one name but for case in lists',
    file: 'src/mcp/scan.ts',
    edits: [["level === 'arguments' ? level : 'elsewhere'", "'elsewhere'"]],
    tests: ['test/mcp/bodies.test.ts'],
  },
  {
    claim: 'gateway.one-reading',
    without: 'the references of a schema, for the names of arguments',
    file: 'src/mcp/schema-names.ts',
    edits: [["typeof $ref === 'string'", 'false']],
    tests: ['test/mcp/schema-names.test.ts'],
  },
  {
    claim: 'gateway.linear-time',
    without: 'the bound on following schemas',
    file: 'src/mcp/schema-names.ts',
    edits: never('all.size >= schemasMax'),
    tests: ['test/mcp/schema-names.test.ts'],
  },
  {
    claim: 'gateway.linear-time',
    without: 'the bound on looking members up in schemas',
    file: 'src/mcp/argument-names.ts',
    edits: never('room.lookUps < 0'),
    tests: ['test/mcp/schema-names.test.ts'],
  },
  {
    claim: 'gateway.one-reading',
    without: 'the look for arguments that a tool names in another case',
    file: 'src/gateway/permit/definition.ts',
    edits: [['if (variant === undefined) return undefined', 'if (1) return undefined']],
    tests: ['test/gateway/refusals.test.ts'],
  },
  {
    claim: 'gateway.numbers-as-written',
    without: 'the reading of a number that is not plain',
    file: 'src/mcp/message.ts',
    edits: [["args === undefined || call.argumentNumbers === 'plain'", 'true']],
  },
  {
    claim: 'gateway.linear-time',
    without: 'the bound on a name that is normalized',
    file: 'src/mcp/scan.ts',
    edits: never('name.length > comparedUnitsMax'),
  },
  {
    claim: 'gateway.linear-time',
    without: 'the count of a list while it is read',
    file: 'src/mcp/listed.ts',
    edits: never('elements.length >= elementsMax'),
  },
  {
    claim: 'gateway.refusals-have-ids',
    without: 'the look for a second id',
    file: 'src/mcp/readable-id.ts',
    edits: never("name !== 'id' || found.id !== undefined"),
  },
  {
    claim: 'gateway.refusals-have-ids',
    without: 'the look whether a message is a call',
    file: 'src/mcp/readable-id.ts',
    edits: never('id === undefined || !isCall'),
  },
  {
    claim: 'gateway.headers-agree',
    without: 'the look for a second line of one header',
    file: 'src/mcp/headers.ts',
    edits: [['else return duplicateHeader(name)', '']],
  },
  {
    claim: 'gateway.ceiling-before-policy',
    without: 'the ceiling of the certificate',
    file: 'src/gateway/permit/authorize.ts',
    edits: never('!isWithinCeiling(call)'),
  },
  {
    claim: 'gateway.scopes-of-a-server',
    without: 'the scopes of a tool server, at a call',
    file: 'src/gateway/permit/authorize.ts',
    edits: never('!isServed(target)'),
  },
  {
    claim: 'gateway.scopes-of-a-server',
    without: 'the scopes of a tool server, in a list',
    file: 'src/gateway/permit/list.ts',
    edits: [['servesTool(upstream.config, definition.name) &&', '']],
  },
  {
    claim: 'gateway.scopes-of-a-server',
    without: 'the scopes of a tool server, in a list of prompts, resources or templates',
    file: 'src/gateway/permit/offers.ts',
    edits: [['servesOffer(upstream.config, kind, offer.name)', 'true']],
  },
  {
    claim: 'gateway.scopes-of-a-server',
    without: 'the scopes of a tool server, in what is listened for',
    file: 'src/gateway/serve/listen.ts',
    edits: [["servesOffer(config, 'resource', uri)", 'true']],
  },
  {
    claim: 'gateway.scopes-of-a-server',
    without: 'the scopes of a tool server, in what a result links to',
    file: 'src/gateway/permit/result.ts',
    edits: [["servesOffer(config, 'resource', uri)", 'true']],
  },
  {
    claim: 'gateway.scopes-of-a-server',
    without: 'the scopes of a tool server, in what a session is told to have changed',
    file: 'src/gateway/permit/heard.ts',
    edits: [['!isWithinCeiling(asked) || !isServed(asked.target))', '!isWithinCeiling(asked))']],
    tests: ['test/gateway/permit/heard.test.ts'],
  },
  {
    claim: 'gateway.scopes-of-a-server',
    without: 'one of the escapes that policy takes for another place',
    file: 'src/identity/offer-scope.ts',
    edits: [['|25|', '|']],
    tests: ['test/identity/offer-scope.policy.test.ts'],
  },
  {
    claim: 'gateway.scopes-of-a-server',
    without: 'the places that a URI under a scope of a server may resolve to',
    file: 'src/identity/offer-scope.ts',
    edits: [[' && isPlain(name)', '']],
  },
  {
    claim: 'gateway.scopes-of-a-server',
    without: 'the end of a prefix of resources',
    file: 'src/identity/offer-scope.ts',
    edits: [['prefix && !isBounded(name)', 'false']],
  },
  {
    claim: 'gateway.limits-of-a-server',
    without: 'the bound of a tool server on its answers',
    file: 'src/gateway/upstream/exchange.ts',
    edits: [['Math.min(answerBytesMax, upstream.answerBytesMax)', 'answerBytesMax']],
  },
  {
    claim: 'gateway.limits-of-a-server',
    without: 'the limits of a tool server',
    file: 'src/gateway/limits.ts',
    edits: [['Math.min(limits[name], own[name] ?? limits[name])', 'limits[name]']],
  },
  {
    claim: 'gateway.limits-of-a-server',
    without: 'the limits of the gateway',
    file: 'src/gateway/limits.ts',
    edits: [['Math.min(limits[name], own[name] ?? limits[name])', 'own[name] ?? limits[name]']],
  },
  {
    claim: 'gateway.session-bound',
    without: 'the refusal of what is somebody else’s',
    file: 'src/gateway/handle/session.ts',
    edits: [
      ["if ('ownedBy' in session) {", "if ('ownedBy' in session && session.ownedBy === '') {"],
    ],
  },
  {
    claim: 'gateway.changed-tool-quarantined',
    without: 'the pins, at a call',
    file: 'src/gateway/permit/authorize.ts',
    edits: never('reason !== undefined'),
  },
  {
    claim: 'gateway.changed-tool-quarantined',
    without: 'the pins, in a list',
    file: 'src/gateway/permit/list.ts',
    edits: [['quarantineOf(upstream.config, definition, there) === undefined', 'true']],
  },
  {
    claim: 'gateway.credentials-stripped',
    without: 'the list of headers that pass to a tool server',
    file: headers,
    edits: [
      [
        'inbound.has(name) ||',
        "(inbound.has(name) || !['host', 'connection', 'content-length'].includes(name)) ||",
      ],
    ],
  },
  {
    claim: 'gateway.credentials-stripped',
    without: 'the list of headers that pass to a caller',
    file: headers,
    edits: [['for (const name of outbound)', 'for (const name of Object.keys(received))']],
  },
  {
    claim: 'gateway.upstream-verified',
    without: 'the SPIFFE ID of the tool server',
    file: 'src/gateway/upstream/tls.ts',
    edits: never('svid.spiffeId.uri !== spiffeId.uri'),
  },
  {
    claim: 'gateway.no-log-no-call',
    without: 'the demand for a decision log that takes events',
    file: 'src/gateway/permit/policy.ts',
    edits: [
      ['there ? whenAvailable(log, check, decide) : refused(check, logUnavailable)', 'decide()'],
    ],
  },
  {
    claim: 'policy.log-never-silent',
    without: 'the second look of who has waited for room in the decision log',
    file: 'src/gateway/permit/policy.ts',
    edits: [['there ? whenAvailable(log, check, decide)', 'there ? decide()']],
    tests: ['test/gateway/permit/policy.test.ts'],
  },
  {
    claim: 'policy.log-never-silent',
    without: 'the turns of those who wait for room in the decision log',
    file: 'src/policy/room.ts',
    edits: [['waiting.shift()?.(true)', 'while (waiting.length > 0) waiting.shift()?.(true)']],
    tests: ['test/policy/decision-log.test.ts'],
  },
  {
    claim: 'policy.log-never-silent',
    without: 'the refusal of a decision that the log has not taken',
    file: 'src/gateway/permit/policy.ts',
    edits: [["if (id === undefined) return refused('policy', logUnavailable)", '']],
    tests: ['test/gateway/permit/policy.recorded.test.ts'],
  },
  {
    claim: 'gateway.not-ready-says-so',
    without: 'the wait for what decisions need',
    file: handleCall,
    edits: never('unmet.length > 0'),
  },
  {
    claim: 'token.bound-to-gateway',
    without: 'the certificate in the header of a token',
    file: verify,
    edits: never('thumbprint !== thumbprintOf(peer)'),
  },
  {
    claim: 'token.bound-to-gateway',
    without: 'the certificate in the claims of a token',
    file: verify,
    edits: never("claims.cnf['x5t#S256'] !== thumbprintOf(peer)"),
  },
  {
    claim: 'token.bound-to-call',
    without: 'the audience of a token',
    file: verify,
    edits: never('claims.aud !== self.uri'),
  },
  {
    claim: 'token.bound-to-call',
    without: 'the tool of a token',
    file: verify,
    edits: never('tool !== call.target'),
  },
  {
    claim: 'token.bound-to-call',
    without: 'the method of a token',
    file: verify,
    edits: never('method !== call.method'),
  },
  {
    claim: 'token.bound-to-call',
    without: 'the target of a token',
    file: verify,
    edits: never('claims.tctx.targetSha256 !== targetSha256(call.target)'),
  },
  {
    claim: 'toolserver.only-through-gateway',
    without: 'the demand of a token for what is no tool',
    file: 'src/toolserver/verify-request.ts',
    edits: [['message.name === undefined) return', "message.method !== 'tools/call') return"]],
  },
  {
    claim: 'token.bound-to-call',
    without: 'the arguments of a token',
    file: verify,
    edits: never('argumentsSha256 !== call.argumentsSha256'),
  },
  {
    claim: 'token.seconds-of-life',
    without: 'the longest life of a token',
    file: verify,
    edits: never('exp <= iat || exp - iat > lifetimeSecondsMax'),
  },
  {
    claim: 'token.seconds-of-life',
    without: 'the end of a token',
    file: verify,
    edits: never('exp <= seconds - skewSeconds'),
  },
  {
    claim: 'toolserver.gateway-by-name',
    without: 'the names of the gateways',
    file: 'src/toolserver/verify-request.ts',
    edits: [
      ["role === 'tool-broker' && gateways.has(peer.spiffeId.uri)", "role === 'tool-broker'"],
    ],
  },
  {
    claim: 'toolserver.peer-checked-each-request',
    without: 'the judgement of the peer on every request',
    file: 'src/toolserver/verify-request.ts',
    edits: [['verifyX509Svid(svid, verified).map(revocableCa)', 'verified ? [] : [svid]']],
  },
  {
    claim: 'toolserver.only-through-gateway',
    without: 'the roles that may come without the gateway',
    file: 'src/toolserver/verify-request.ts',
    edits: [['direct.includes(role)', 'true']],
  },
  {
    claim: 'gateway.shares-for-all',
    without: 'the share of what is left free',
    file: 'src/shares.ts',
    edits: [['held < (share?.times ?? 0) * (free - firsts)', 'free > 0']],
  },
  {
    claim: 'gateway.shares-for-all',
    without: 'the turns of tenants',
    file: 'src/gateway/lines.ts',
    edits: [['      turns.delete(name)\n      turns.set(name, below)\n', '']],
  },
  {
    claim: 'gateway.shares-for-all',
    without: 'the shares of held sessions',
    file: 'src/gateway/upstream/shelf.ts',
    edits: [
      ['full === undefined) return undefined', 'this.#entries.size < allMax) return undefined'],
    ],
    tests: ['test/gateway/upstream/held-sessions.test.ts'],
  },
  {
    claim: 'gateway.revoked-upstream-not-called',
    without: 'the look at revocations of tool servers',
    file: judge,
    edits: never('found !== undefined'),
  },
  {
    claim: 'gateway.revoked-upstream-not-called',
    without: 'the judgement of open connections',
    file: 'src/gateway/gateway.ts',
    edits: [['upstream.judgeAgain()', 'void upstream']],
  },
  {
    claim: 'gateway.anchors-removed',
    without: 'the chain of tool servers judged with the new bundle',
    file: 'src/gateway/upstream/tls.ts',
    edits: [['server.verifiedWith !== bundle', 'server.verifiedWith === undefined']],
  },
  {
    claim: 'gateway.anchors-removed',
    without: 'the chain of callers judged with the new bundle',
    file: judge,
    edits: [['if (shown.verifiedWith === bundle)', 'if (shown.verifiedWith !== undefined)']],
  },
  {
    claim: 'gateway.refusals-logged-bounded',
    without: 'the bound on lines of one kind',
    file: 'src/gateway/refusal-log.ts',
    edits: [['kind.count <= wholeMax', 'kind.count > 0']],
  },
  {
    claim: 'gateway.unread-answers-bounded',
    without: 'the look at who does not read',
    file: 'src/gateway/door/unread.ts',
    edits: never('at - reading.since >= unreadMilliseconds'),
  },
  ...approverMutations,
  ...askMutations,
  ...attackMutations,
  ...authorityMutations,
  ...anchorMutations,
  ...agentMutations,
  ...operationMutations,
  ...clockMutations,
  ...patternMutations,
  ...policyMutations,
  ...bundleMutations,
  ...ociMutations,
  ...shadowMutations,
  ...uploadMutations,
  ...checkpointMutations,
  ...decideMutations,
  ...goesOnMutations,
  ...changeMutations,
  ...definitionMutations,
  ...eraMutations,
  ...federationMutations,
  ...guardMutations,
  ...handleMutations,
  ...issuanceMutations,
  ...ledgerMutations,
  ...listMutations,
  ...renewalMutations,
  ...servingMutations,
  ...signingRequestMutations,
  ...issuedMutations,
  ...intermediateMutations,
  ...carriedMutations,
  ...taskMutations,
  ...trustMutations,
  ...upstreamMutations,
  {
    claim: 'gateway.label-drift',
    without: 'the look at what namespaces still prove',
    file: judge,
    edits: [
      ['const drift = namespaces.drift(identity)', 'const drift = (void namespaces, undefined)'],
    ],
  },
  {
    claim: 'gateway.lists-end-with-certificates',
    without: 'the end of the certificate',
    file: 'src/gateway/permit/list.ts',
    edits: [
      [
        'Math.min(svid.notAfter.getTime() - now, listSecondsMax * 1000 - ageMilliseconds)',
        'Math.min(svid.notAfter.getTime(), now, listSecondsMax * 1000 - ageMilliseconds)',
      ],
    ],
  },
  {
    claim: 'toolserver.revoked-gateway-refused',
    without: 'the look at revocations',
    file: 'src/toolserver/verify-request.ts',
    edits: never('findRevocation(revocations, svid, above) !== undefined'),
  },
  {
    claim: 'toolserver.revoked-gateway-refused',
    without: 'the bound on how old they may be',
    file: 'src/toolserver/verify-request.ts',
    edits: [['revocations.staleSeconds > staleSecondsMax', 'staleSecondsMax < 0']],
  },
  {
    claim: 'toolserver.revoked-gateway-refused',
    without: 'the end of what is open',
    file: 'src/toolserver/end-revoked.ts',
    edits: [['socket.destroy()', 'void socket']],
  },
]
