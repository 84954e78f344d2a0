/** The defences between the gateway and a tool server that is not what it should be. */
import { never, type Mutation } from './mutation.ts'

const responseHead = 'src/gateway/upstream/http/response-head.ts'

export const upstreamMutations: readonly Mutation[] = [
  {
    claim: 'gateway.upstream-addresses-checked',
    without: 'the look at what a name resolves to',
    file: 'src/gateway/upstream/reachable.ts',
    edits: never('unfitOne !== false && unfitOne !== undefined'),
  },
  {
    claim: 'gateway.upstream-answers-framed-one-way',
    without: 'the ban on a length beside chunks',
    file: responseHead,
    edits: never("coding !== 'chunked' || length !== undefined"),
  },
  {
    claim: 'gateway.upstream-answers-framed-one-way',
    without: 'the ban on a second length',
    file: responseHead,
    edits: never('hops.length !== undefined'),
  },
  {
    claim: 'gateway.upstream-answers-framed-one-way',
    without: 'the end of a connection on which octets follow the answer',
    file: 'src/gateway/upstream/http/connection.ts',
    edits: [['this.#keeps && !surplus &&', 'this.#keeps &&']],
  },
  {
    claim: 'gateway.upstream-answers-framed-one-way',
    without: 'the end of a connection on which octets come without a request',
    file: 'src/gateway/upstream/http/connection.ts',
    edits: [["return 'octets came without a request'", 'return undefined']],
  },
  {
    claim: 'gateway.header-values-cannot-add-headers',
    without: 'the look at the octets of a header',
    file: 'src/gateway/upstream/http/format-request.ts',
    edits: never('!token.test(name) || unfitValue.test(value)'),
  },
  {
    claim: 'gateway.answer-ends-exchange',
    without: 'the end of the exchange with the answer on a stream',
    file: 'src/gateway/serve/stream.ts',
    edits: [['    options.answered()\n', '']],
  },
  {
    claim: 'gateway.server-requests-reach-nobody',
    without: 'the bound on how many requests of a server are answered beside a list',
    file: 'src/gateway/upstream/answer-server.ts',
    edits: never("era !== 'legacy' || answers > answersMax"),
  },
  {
    claim: 'gateway.asks-decided',
    without: 'the look whether the client has declared it',
    file: 'src/gateway/permit/asks.ts',
    edits: never('missing !== undefined'),
  },
  {
    claim: 'gateway.asks-decided',
    without: 'the ceiling',
    file: 'src/gateway/permit/asks.ts',
    edits: never('!isWithinCeiling(call)'),
  },
  {
    claim: 'gateway.asks-decided',
    without: 'policy',
    file: 'src/gateway/permit/asks.ts',
    edits: never('isRefused(decided)'),
  },
  {
    claim: 'gateway.asks-decided',
    without: 'the obligations of the permit',
    file: 'src/gateway/permit/asks.ts',
    edits: [['decided.obligations.length === 0', 'decided !== undefined']],
  },
  {
    claim: 'gateway.asks-decided',
    without: 'the second look at where a URL leads',
    file: 'src/mcp/ask.ts',
    edits: [['URL.parse(url)?.host === there', 'URL.canParse(url)']],
  },
  {
    claim: 'gateway.asks-decided',
    without: 'what is asked after the first',
    file: 'src/gateway/serve/input-required.ts',
    edits: [['refusal ?? permitAll(permit, parts, { octets, asks: rest })', 'refusal ?? rest[-1]']],
  },
  {
    claim: 'gateway.results-limited',
    without: 'the size that a grant lets a result have',
    file: 'src/gateway/permit/result.ts',
    edits: never('span.end - span.start > octetsMax'),
  },
  {
    claim: 'gateway.results-limited',
    without: 'the look at what a result embeds or links to',
    file: 'src/gateway/permit/result.ts',
    edits: [['if (!readableOnly) return', 'if (readableOnly || !readableOnly) return']],
  },
  {
    claim: 'gateway.results-limited',
    without: 'names in another case',
    file: 'src/gateway/permit/result.ts',
    edits: [["looksLike(name) !== 'uri'", "name !== 'uri'"]],
  },
  {
    claim: 'gateway.retries-bound',
    without: 'the seal on what a tool server wants back',
    file: 'src/gateway/serve/input-required.ts',
    edits: [['[{ ...state, text }]', '[]']],
  },
  {
    claim: 'gateway.retries-bound',
    without: 'the look whose it is',
    file: 'src/gateway/handle/seal.ts',
    edits: [['ownedBy === owner ? { value } : { ownedBy }', '{ value }']],
    tests: ['test/gateway/handle/request-state.test.ts', 'test/gateway/permit/retry.test.ts'],
  },
  {
    claim: 'gateway.retries-bound',
    without: 'the look whether it is of this call',
    file: 'src/gateway/handle/request-state.ts',
    edits: never('other !== undefined'),
  },
  {
    claim: 'gateway.retries-bound',
    without: 'the end of its time',
    file: 'src/gateway/handle/request-state.ts',
    edits: [['if (now >= until)', 'if (now >= Infinity)']],
  },
  {
    claim: 'gateway.retries-bound',
    without: 'the refusal of a state that is none of the call',
    file: 'src/gateway/handle-call.ts',
    edits: never('isRefused(opened)'),
  },
  {
    claim: 'gateway.retries-bound',
    without: 'the bound on what is carried',
    file: 'src/gateway/handle/request-state.ts',
    edits: never("Buffer.byteLength(given.state ?? '') > stateOctetsMax"),
  },
  {
    claim: 'gateway.answers-judged',
    without: 'the look for an answer beside what is asked',
    file: 'src/gateway/upstream/judge-answer.ts',
    edits: never('answeringMembers.some((member) => Object.hasOwn(result, member))'),
  },
  {
    claim: 'gateway.handles-of-others-dropped',
    without: 'the look for a task or a subscription in a result',
    file: 'src/gateway/upstream/judge-answer.ts',
    edits: never('handleNamed(result) !== undefined'),
  },
  {
    claim: 'gateway.hostile-upstream-contained',
    without: 'the bound on statuses that are an answer',
    file: 'src/gateway/upstream/exchange.ts',
    edits: never('status !== 200 && status < 400'),
  },
  {
    claim: 'gateway.hostile-upstream-contained',
    without: 'the removal of several tools of one name',
    file: 'src/gateway/catalogue/pages.ts',
    edits: [['else if (known.digest !== digest) twins.add(name)', '']],
  },
  {
    claim: 'gateway.intermediates-accepted',
    without: 'the intermediates that a tool server has sent',
    file: 'src/gateway/upstream/tls.ts',
    edits: [
      [
        'const intermediates = intermediatesOf(socket, credential.current())',
        'const intermediates = intermediatesOf(socket, credential.current()).slice(4)',
      ],
    ],
  },
  {
    claim: 'gateway.intermediates-accepted',
    without: "the gateway's own intermediates before a caller",
    file: 'src/gateway/caller/caller.ts',
    edits: [['intermediatesOf(socket, { intermediates })', '[]']],
  },
  {
    claim: 'gateway.client-certificate-required',
    without: 'the octets by which a certificate that was read is known again',
    file: 'src/gateway/caller/certified.ts',
    edits: [["hash('sha256', der, 'hex')", "''"]],
  },
  {
    claim: 'toolserver.intermediates-accepted',
    without: "the tool server's own intermediates",
    file: 'src/pki/peer-chain.ts',
    edits: [['of own.intermediates)', 'of own.intermediates.slice(8))']],
  },
  {
    claim: 'pki.earlier-intermediates-known',
    without: 'the intermediates that a credential had',
    file: 'src/pki/credential.ts',
    edits: [['[...intermediates, ...earlier]', '[...intermediates, ...earlier.slice(8)]']],
  },
]
