/** The defences of a bundle that comes from a server. */
import type { Mutation } from './mutation.ts'

const service = 'src/policy/bundle-service.ts'
const exchange = 'src/policy/bundle-exchange.ts'
const credentials = 'src/policy/service-credentials.ts'
const boundedFile = 'src/bounded-file.ts'
const store = 'src/policy/bundle-store.ts'
const follower = 'src/policy/bundle-follower.ts'
const trust = 'src/policy/bundle-trust.ts'
const openPolicy = 'src/cli/open-policy.ts'
const configuration = 'src/cli/shared-configuration.ts'

const asked = ['test/policy/bundle-service.test.ts']
const stored = ['test/policy/bundle-store.test.ts']
const followed = ['test/policy/bundle-follower.test.ts']
const opened = ['test/cli/open-policy.service.test.ts']
const ordered = ['test/cli/open-policy.order.test.ts']
const configured = ['test/cli/shared-configuration.test.ts']

const claim = 'policy.bundle-followed'

export const bundleMutations: readonly Mutation[] = [
  {
    claim,
    without: 'the bound on what is read of an answer',
    file: exchange,
    edits: [['if (octets <= octetsMax) return', 'if (octets < Infinity) return']],
    tests: asked,
    named: 'no more is read',
  },
  {
    claim,
    without: 'the deadline of a body',
    file: exchange,
    edits: [['timer = endIn(bodyMilliseconds', 'timer = endIn(2_000_000']],
    tests: asked,
    named: 'drop by drop',
  },
  {
    claim,
    without: 'the end of an answer that is another protocol',
    file: exchange,
    edits: [["sent.once('upgrade', (", "sent.once('timeout', ("]],
    tests: asked,
    named: 'another protocol',
  },
  {
    claim,
    without: 'the look at the status of an answer',
    file: service,
    edits: [['  if (status !== 200) {', '  if (status > 599) {']],
    tests: asked,
    named: 'nothing but 200',
  },
  {
    claim,
    without: 'the question before an answer that nothing has changed',
    file: service,
    edits: [['status === 304 && etag !== undefined', 'status === 304']],
    tests: asked,
    named: 'nothing but 200',
  },
  {
    claim,
    without: 'the authority that is named',
    file: exchange,
    edits: [["agent: false, minVersion: 'TLSv1.2'", 'agent: false, rejectUnauthorized: false']],
    tests: asked,
    named: 'named authority',
  },
  {
    claim,
    without: 'the form of a token',
    file: credentials,
    edits: [['if (!tokenPattern.test(token))', 'if (token === "")']],
    tests: asked,
    named: 'is no token',
  },
  {
    claim,
    without: 'the silence about what a server sent that nobody could read',
    file: exchange,
    edits: [
      [
        'cannot be asked, got=${codeOf(error)}`, {})',
        'cannot be asked, got=${codeOf(error)}`, { cause: error })',
      ],
    ],
    tests: asked,
    named: 'sends back',
  },
  {
    claim,
    without: 'the silence about a type that may be anything',
    file: service,
    edits: [['shownTypes.has(type)', 'type.length > 0']],
    tests: asked,
    named: 'sends back',
  },
  {
    claim,
    without: 'the look whether a file is one',
    file: boundedFile,
    edits: [["if (!status.isFile()) throw new TypeError('not a regular file')", '']],
    tests: stored,
    named: 'in the place of the bundle',
  },
  {
    claim,
    without: 'the ban on a link in the place of what is kept',
    file: store,
    edits: [['archiveOctetsMax, constants.O_NOFOLLOW)', 'archiveOctetsMax)']],
    tests: stored,
    named: 'in the place of the bundle',
  },
  {
    claim,
    without: 'the ETag of the bundle in force',
    file: follower,
    edits: [['etag: this.#good?.etag', 'etag: this.#offered?.etag']],
    tests: followed,
    named: 'asked for again',
  },
  {
    claim,
    without: 'the look whether what was offered is in force',
    file: follower,
    edits: [
      ['offered === undefined || !taker.isInForce(offered.content)', 'offered === undefined'],
    ],
    tests: followed,
  },
  {
    claim,
    without: 'the order in time of a bundle that was in force once',
    file: openPolicy,
    edits: [['bundle !== inForce()', 'isNew']],
    tests: ordered,
    named: 'never comes back',
  },
  {
    claim,
    without: 'the bound on what is unpacked of a server',
    file: follower,
    edits: [
      [
        'size = archive.length\n    const content = await unpackBundle(archive, sentOctetsMax)',
        'size = archive.length\n    const content = await unpackBundle(archive)',
      ],
    ],
    tests: opened,
    named: 'whatever a bundle server sends',
  },
  {
    claim,
    without: 'the order in time of a bundle that is kept',
    file: follower,
    edits: [['    admission.accepted()\n', '']],
    tests: ordered,
    named: 'nothing older than what is kept',
  },
  {
    claim,
    without: 'the look at what another worker has kept',
    file: follower,
    edits: [['return other > issuedAt', 'return false']],
    tests: followed,
    named: 'another worker',
  },
  {
    claim,
    without: 'the demand for a time of signing',
    file: trust,
    edits: [
      [
        'if (issuedAt === undefined) throw refused',
        'if (issuedAt === undefined) return\n  if (issuedAt < 0) throw refused',
      ],
    ],
    tests: opened,
    named: 'whatever a bundle server sends',
  },
  {
    claim,
    without: 'the refusal of another bundle of the same second',
    file: trust,
    edits: [['issuedAt !== undefined && isOther', 'issuedAt === null && isOther']],
    tests: opened,
    named: 'whatever a bundle server sends',
  },
  {
    claim,
    without: 'the bound on a time of signing that is to come',
    file: trust,
    edits: [['if (issuedAt > latest)', 'if (issuedAt > Infinity)']],
    tests: opened,
    named: 'whatever a bundle server sends',
  },
  {
    claim,
    without: 'the denial of everything until there is a bundle',
    file: openPolicy,
    edits: [
      [
        "    throw new CountersignError('policy/bundle', 'no bundle is in force yet')",
        '    return { allow: true, reasons: [], obligations: [] }',
      ],
    ],
    tests: opened,
    named: 'without a bundle',
  },
  {
    claim,
    without: 'the readiness that waits for a bundle',
    file: openPolicy,
    edits: [
      [
        "{ name: 'policy', ok: false, reason: `no bundle",
        "{ name: 'policy', ok: true, reason: `no bundle",
      ],
    ],
    tests: opened,
    named: 'without a bundle',
  },
  {
    claim,
    without: 'the folder that is left alone by a command that only looks',
    file: openPolicy,
    edits: [
      [
        '{ ...config, persistenceDirectory: undefined, candidate: undefined, tenants: undefined }',
        '{ ...config, candidate: undefined, tenants: undefined }',
      ],
    ],
    tests: opened,
    named: 'only looks',
  },
  {
    claim,
    without: 'the demand for a signature of what comes over a network',
    file: configuration,
    edits: [['    ...(signature === undefined\n', '    ...(signature === null\n']],
    tests: configured,
  },
  {
    claim,
    without: 'the ban on plain HTTP',
    file: 'src/cli/service-configuration.ts',
    edits: [["return url.protocol === 'http:' && ", "return url.protocol === 'http:' || "]],
    tests: ['test/cli/service-configuration.test.ts'],
  },
  {
    claim: 'policy.last-good-stays',
    without: 'the Event of a bundle that is refused',
    file: 'src/cli/policy-events.ts',
    edits: [['refusal = isRefused ? problem.message : undefined', 'refusal = undefined']],
    tests: ['test/cli/policy-events.test.ts'],
    named: 'told of a bundle',
  },
]
