import { never, type Mutation } from './mutation.ts'

const discovery = 'src/kubernetes/api-discovery.ts'
const sequence = 'src/signer/anchors/bundle-sequence.ts'
const endpoint = 'src/cli/signer/bundle-endpoint.ts'
const parse = 'src/federation/parse-bundle.ts'
const fetch = 'src/federation/fetch-bundle.ts'
const follow = 'src/federation/follow-bundle.ts'
const domains = 'src/federation/foreign-domains.ts'
const foreign = 'src/gateway/caller/foreign.ts'
const judge = 'src/gateway/caller/judge.ts'
const connections = 'src/gateway/caller/connections.ts'

/** Anchors that other trust domains read, and those that are read from them. */
export const trustMutations: readonly Mutation[] = [
  {
    claim: 'kubernetes.version-absence-is-proved',
    without: 'the look at what the group lists',
    file: discovery,
    edits: [
      ['if (await isListed(client, signal, version)) throw error', 'await Promise.resolve()'],
    ],
  },
  {
    claim: 'kubernetes.version-absence-is-proved',
    without: 'the end of a look that finds what is listed',
    file: discovery,
    edits: [
      [
        'if (await isListed(client, signal, version)) throw error',
        'await isListed(client, signal, version)',
      ],
    ],
  },
  {
    claim: 'signer.bundle-sequence',
    without: 'the look whether the number belongs to what is published',
    file: sequence,
    edits: [["said?.sha256 !== hash('sha256', trustBundle)", 'said === undefined']],
  },
  {
    claim: 'signer.bundle-sequence',
    without: 'a number of its own for each content',
    file: sequence,
    edits: [['(parse(before)?.sequence ?? 0n) + 1n', '(parse(before)?.sequence ?? 0n)']],
  },
  {
    claim: 'signer.bundle-sequence',
    without: 'the clock, which keeps a deleted number from being given again',
    file: sequence,
    edits: [['${after > seconds ? after : seconds} ', '${after} ']],
  },
  {
    claim: 'federation.published-anchors-only',
    without: 'the refusal of an SVID that is of another trust domain',
    file: endpoint,
    edits: [['svid.spiffeId.trustDomain === trustDomain', 'chainPem.length > 0']],
  },
  {
    claim: 'federation.own-anchors-only',
    without: 'the trust domain that an anchor names',
    file: parse,
    edits: [['anchor.selfSigned && isOfTrustDomain(anchor, trustDomain)', 'anchor.selfSigned']],
  },
  {
    claim: 'federation.own-anchors-only',
    without: 'the demand that an anchor is self-signed',
    file: parse,
    edits: [
      [
        'anchor.selfSigned && isOfTrustDomain(anchor, trustDomain)',
        'isOfTrustDomain(anchor, trustDomain)',
      ],
    ],
  },
  {
    claim: 'federation.own-anchors-only',
    without: 'the use that a key has to name',
    file: parse,
    edits: [["key['use'] !== 'x509-svid'", "key['use'] === 7"]],
  },
  {
    claim: 'federation.endpoint-proved',
    without: 'the SPIFFE ID of the endpoint',
    file: fetch,
    edits: never('svid.spiffeId.uri !== spiffeId.uri'),
  },
  {
    claim: 'federation.endpoint-proved',
    without: 'the judgement of TLS',
    file: fetch,
    edits: [['rejectUnauthorized: true', 'rejectUnauthorized: false']],
  },
  {
    claim: 'federation.endpoint-proved',
    without: 'the bundle that was read last',
    file: follow,
    edits: [['proofOf(known?.bundle)', 'proofOf(undefined)']],
  },
  {
    claim: 'federation.endpoint-proved',
    without: 'the bound of an answer',
    file: fetch,
    edits: never('octets > documentOctetsMax'),
  },
  {
    claim: 'federation.no-older-bundle',
    without: 'the comparison of sequence numbers',
    file: follow,
    edits: [
      [
        'document.sequence !== undefined && document.sequence >= before',
        'document.sequence !== undefined',
      ],
    ],
  },
  {
    claim: 'federation.no-older-bundle',
    without: 'the demand for a number where there was one',
    file: follow,
    edits: [
      [
        'document.sequence !== undefined && document.sequence >= before',
        'document.sequence === undefined || document.sequence >= before',
      ],
    ],
  },
  {
    claim: 'federation.ends-with-anchors',
    without: 'the age that a bundle may have',
    file: follow,
    edits: [['this.#clock() - known.at < ageSecondsMax * 1000', 'ageSecondsMax > 0']],
  },
  {
    claim: 'federation.ends-with-anchors',
    without: 'the word to listeners when a bundle has become too old',
    file: follow,
    edits: [['setTimeout(this.#listeners.tell,', 'setTimeout(() => {},']],
  },
  {
    claim: 'federation.ends-with-anchors',
    without: 'the look at open connections when a bundle changes',
    file: connections,
    edits: [
      [
        '[revocations, pods, namespaces, trustBundle, foreign]',
        '[revocations, pods, namespaces, trustBundle]',
      ],
    ],
    tests: ['test/gateway/federation.test.ts'],
  },
  {
    claim: 'federation.ends-with-anchors',
    without: 'the bound of a life',
    file: foreign,
    edits: never('seconds > lifetimeSecondsMax'),
  },
  {
    claim: 'federation.each-by-its-own-anchors',
    without: 'the bundle of its own for each trust domain',
    file: judge,
    edits: [
      ['foreign === undefined ? trustBundle.current() : foreign.bundle()', 'trustBundle.current()'],
    ],
  },
  {
    claim: 'federation.each-by-its-own-anchors',
    without: 'the proof of a name before anything is done in it',
    file: 'src/gateway/caller/caller.ts',
    edits: never('untrusted !== undefined'),
    tests: ['test/gateway/caller/foreign.hostile.test.ts'],
  },
  {
    claim: 'federation.each-by-its-own-anchors',
    without: 'a handshake of TLS that knows no anchors',
    file: 'src/gateway/door/tls.ts',
    edits: [['foreign === undefined || foreign.isEmpty', 'foreign !== undefined']],
    tests: ['test/gateway/caller/foreign.hostile.test.ts'],
  },
  {
    claim: 'federation.each-by-its-own-anchors',
    without: 'the refusal of a second bundle for our own',
    file: domains,
    edits: never('byName.has(own) || byName.size < domains.length'),
  },
  {
    claim: 'federation.names-stay-apart',
    without: 'the trust domain before its namespaces',
    file: foreign,
    edits: [['`${domain.trustDomain}/${namespace.name}`', 'namespace.name']],
  },
  {
    claim: 'federation.names-stay-apart',
    without: 'the roles that it may not have here',
    file: foreign,
    edits: [["role === 'agent' ? { role } : {}", 'role === undefined ? {} : { role }']],
  },
  {
    claim: 'federation.names-stay-apart',
    without: 'the look past pods and namespaces of ours',
    file: judge,
    edits: never('foreign !== undefined'),
  },
  {
    claim: 'federation.names-stay-apart',
    without: 'the trust domains that a tool server names',
    file: 'src/token/verify.ts',
    edits: [
      ['callerTrustDomains.includes(spiffeId.trustDomain)', 'callerTrustDomains.length >= 0'],
    ],
  },
  {
    claim: 'federation.names-stay-apart',
    without: 'the refusal of a tenant of elsewhere in a token',
    file: 'src/token/verify.ts',
    edits: never('isForeign && tenant !== undefined'),
  },
  {
    claim: 'federation.ceiling-of-both',
    without: 'the ceiling that this side gives',
    file: foreign,
    edits: [['intersectCeilings(identity.ceiling, domain.ceiling)', 'identity.ceiling']],
  },
  {
    claim: 'federation.ceiling-of-both',
    without: 'the ceiling of the certificate',
    file: foreign,
    edits: [['intersectCeilings(identity.ceiling, domain.ceiling)', 'domain.ceiling']],
  },
]
