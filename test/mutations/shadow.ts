/** The defences of those who decide against a candidate that is asked beside them. */
import { never, type Mutation } from './mutation.ts'

const shadow = 'src/policy/shadow/shadow.ts'
const queue = 'src/policy/shadow/shadow-queue.ts'
const log = 'src/policy/shadow/shadowed-log.ts'

const promote = 'src/cli/command/policy/promote-command.ts'

const promoted = ['test/cli/command/policy/promote-command.test.ts']
const near = ['test/policy/author/nearest-permits.test.ts']
const tenant = 'src/policy/tenant/tenant-policy.ts'
const decide = 'src/policy/tenant/decide-with-tenant.ts'

const confined = ['test/policy/tenant/tenant-policy.test.ts']
const asked = ['test/policy/shadow/shadow.test.ts']
const opened = ['test/cli/open-candidate.test.ts']

const claim = 'policy.shadow-changes-nothing'

export const shadowMutations: readonly Mutation[] = [
  {
    claim,
    without: 'the bound on what waits for a candidate',
    file: queue,
    edits: [['const waitingMax = 1024', 'const waitingMax = 1_000_000']],
    tests: asked,
    named: 'nobody who decides waits',
  },
  {
    claim,
    without: 'the bound on the octets that wait for a candidate',
    file: queue,
    edits: [['const waitingOctetsMax = 4 *', 'const waitingOctetsMax = 4000 *']],
    tests: asked,
    named: 'nobody who decides waits',
  },
  {
    claim,
    without: 'the rest between two batches',
    file: shadow,
    edits: [['(shareOfTime - 1) * took', '0 * took']],
    tests: asked,
    named: 'a twentieth of the time',
  },
  {
    claim,
    without: 'the deadline of a candidate',
    file: 'src/cli/shadow-process.ts',
    edits: [['    }, milliseconds)', '    }, 2_000_000)']],
    tests: opened,
    named: 'never returns',
  },
  {
    claim,
    without: 'the look at the log before a candidate is asked',
    file: log,
    edits: [['if (isTaken && shadow.isAsking)', 'if (shadow.isAsking)']],
    tests: asked,
    named: 'has not taken',
  },
  {
    claim,
    without: 'the signature of a candidate',
    file: 'src/cli/open-candidate.ts',
    edits: [['    trust.admit(content)\n', '']],
    tests: opened,
    named: 'signed by whom',
  },
  {
    claim: 'policy.promoted-as-named',
    without: 'the look at the revision that was named',
    file: promote,
    edits: never('revision !== undefined && revision !== found.revision'),
    tests: promoted,
    named: 'only what was named',
  },
  {
    claim: 'policy.promoted-as-named',
    without: 'the look at the digest that was named',
    file: promote,
    edits: never('digest !== undefined && digest !== found.digest'),
    tests: promoted,
    named: 'only what was named',
  },
  {
    claim: 'policy.promoted-as-named',
    without: 'the record before anything is changed',
    file: 'src/cli/command/policy/promote-place.ts',
    edits: [['  await appendRecord(recordPlace(to), { id, ...record })\n', '']],
    tests: promoted,
    named: 'without a record',
  },
  {
    claim: 'policy.promoted-as-named',
    without: 'the order of signatures at the place',
    file: promote,
    edits: [['trust.admit(ordered).accepted()', 'trust.admit(ordered)']],
    tests: promoted,
    named: 'no older one',
  },
  {
    claim: 'policy.promoted-as-named',
    without: 'the look at the time now',
    file: promote,
    edits: [['openTrust(signers, { dated: Date.now })', 'openTrust(signers)']],
    tests: promoted,
    named: 'for a time to come',
  },
  {
    claim: 'policy.promoted-as-named',
    without: 'the time after what is there',
    file: promote,
    edits: [['if (first.issuedAt > issuedAt) return', 'if (first.issuedAt > -1) return']],
    tests: promoted,
    named: 'signed anew',
  },
  {
    claim: 'policy.promoted-as-named',
    without: 'the demand for a signature where one is',
    file: promote,
    edits: [
      [
        'present?.files.has(signatureFile) === true) {\n      throw usage',
        'present === null) {\n      throw usage',
      ],
    ],
    tests: promoted,
    named: 'signature of the same signer',
  },
  {
    claim: 'policy.tenant-confined',
    without: 'the look at the roots of a tenant',
    file: tenant,
    edits: never('root !== tenantRoot(tenant) || others.length > 0'),
    tests: confined,
    named: 'roots',
  },
  {
    claim: 'policy.tenant-confined',
    without: 'the look at the packages of a tenant’s rules',
    file: tenant,
    edits: [['  checkRules(files.plan, tenant)\n', '']],
    tests: confined,
    named: 'rules of',
  },
  {
    claim: 'policy.tenant-confined',
    without: 'the second opinion on a tenant’s rules',
    file: tenant,
    edits: [['  compareOpinions(evaluate, ', '  void ((..._: unknown[]) => {})(evaluate, ']],
    tests: confined,
    named: 'says something else',
  },
  {
    claim: 'policy.tenant-confined',
    without: 'the look at what the platform permits',
    file: decide,
    edits: [['if (!here.value.allow) return here', 'void here']],
    tests: confined,
    named: 'of no other tenant',
  },
  {
    claim: 'policy.tenant-confined',
    without: 'the mark of a tenant’s denial in the log',
    file: 'src/policy/author/logged-decision.ts',
    edits: [["some((name) => name.startsWith('tenants/'))", "some((name) => name === '')"]],
    tests: confined,
    named: 'not taken for the platform',
  },
  {
    claim: 'policy.tenant-confined',
    without: 'the signature of a tenant’s bundle',
    file: 'src/cli/open-tenants.ts',
    edits: [
      ['trust ??= await openTrust(signature)', 'trust ??= await openTrust(signature && undefined)'],
    ],
    tests: ['test/cli/open-tenants.test.ts'],
    named: 'its own author',
  },
  {
    claim: 'policy.tenant-lists',
    without: 'what a tenant hides of lists',
    file: 'src/policy/authorizer.ts',
    edits: [
      [
        'tenants === undefined ? here : filterWithTenant(',
        'tenants !== null ? here : filterWithTenant(',
      ],
    ],
    tests: ['test/policy/tenant/decide-with-tenant.test.ts'],
  },
  {
    claim: 'policy.tenant-lists',
    without: 'the boolean of a denial that is listed',
    file: tenant,
    edits: [['?.listed === true', '?.listed !== undefined']],
    tests: ['test/policy/tenant/decide-with-tenant.test.ts'],
  },
  {
    claim: 'policy.tenant-lists',
    without: 'the bundles of tenants in what lists are kept by',
    file: 'src/policy/authorizer.ts',
    edits: [['tenants === undefined ? engine.digest', 'tenants !== null ? engine.digest']],
    tests: ['test/policy/tenant/decide-with-tenant.test.ts'],
  },
  {
    claim: 'policy.tenant-fails-alone',
    without: 'the steps that a short list may take',
    file: tenant,
    edits: [['members * listFuelOfMember', 'listFuelMax']],
    tests: ['test/policy/tenant/decide-with-tenant.test.ts'],
  },
  {
    claim: 'policy.tenant-fails-alone',
    without: 'the steps that one list may take in all',
    file: tenant,
    edits: [['if (left !== undefined) left -= steps', 'void steps']],
    tests: ['test/policy/tenant/decide-with-tenant.test.ts'],
  },
  {
    claim: 'policy.tenant-fails-alone',
    without: 'the refusal of a tenant whose bundle is not there',
    file: 'src/cli/open-tenants.ts',
    edits: [['if (current === absent) {', 'if (current === null) {']],
    tests: ['test/cli/open-tenants.test.ts'],
    named: 'is followed',
  },
  {
    claim: 'policy.tenant-fails-alone',
    without: 'the refusal where a tenant’s rules have no answer',
    file: decide,
    edits: [['value: unavailable, result: null', 'value: here.value, result: null']],
    tests: confined,
    named: 'no answer',
  },
  {
    claim: 'policy.nearest-is-tried',
    without: 'the trial of a way on the rules',
    file: 'src/policy/author/nearest-permits.ts',
    edits: [['if (!isMore && permits(some))', 'if (!isMore)']],
    tests: near,
  },
  {
    claim: 'policy.nearest-is-tried',
    without: 'the sight of what the event does not show',
    file: 'src/policy/author/nearest-permits.ts',
    edits: [['guardedInput({ ...decision, input })', 'input']],
    tests: near,
    named: 'is not guessed',
  },
  {
    claim: 'policy.nearest-for-operators',
    without: 'the look at what the call has named',
    file: 'src/policy/author/near-changes.ts',
    edits: [
      ['const isNamed = wanted.every(', 'const isNamed = wanted.some(() => true) || wanted.every('],
    ],
    tests: near,
    named: 'an agent is told',
  },
  {
    claim: 'policy.shadow-same-data',
    without: 'the look at what has decided',
    file: shadow,
    edits: [
      [
        '    this.#queue.clear()\n    this.#wake.resolve()\n  }\n\n  get summary',
        '    this.#wake.resolve()\n  }\n\n  get summary',
      ],
    ],
    tests: asked,
    named: 'with the data in force',
  },
]
