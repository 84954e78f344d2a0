/** The defences of the policy and token rooms. */
import { never, type Mutation } from './mutation.ts'

const authorizer = 'src/policy/authorizer.ts'
const asked = 'src/policy/asked.ts'
const event = 'src/policy/event.ts'
const decisionLog = 'src/policy/decision-log.ts'
const eventFile = 'src/policy/event-file.ts'

export const policyMutations: readonly Mutation[] = [
  {
    claim: 'policy.octets-decided',
    without: 'the question about rounded numbers',
    file: authorizer,
    edits: [['given?.rounded === undefined || !exact.value.allow', 'given !== null']],
  },
  {
    claim: 'policy.octets-decided',
    without: 'the digest of the octets',
    file: asked,
    edits: [
      ["hash('sha256', octets, 'hex')", "hash('sha256', octets.toString().trim() + ' ', 'hex')"],
    ],
  },
  {
    claim: 'policy.octets-decided',
    without: 'the annotations in the value that policy is told of a tool',
    file: 'src/gateway/catalogue/resource-text.ts',
    edits: [['    annotations === undefined\n      ?', '    annotations !== null\n      ?']],
  },
  {
    claim: 'policy.cannot-fail-open',
    without: 'the freezing of an answer that comes again',
    file: 'src/policy/instance.ts',
    edits: [['frozen(JSON.parse(text))', 'JSON.parse(text)']],
  },
  {
    claim: 'policy.cannot-fail-open',
    without: 'the end of memory that an evaluation did not return from',
    file: 'src/policy/wasm-engine.ts',
    edits: [['    instance = undefined\n', '']],
  },
  {
    claim: 'policy.cannot-fail-open',
    without: 'the count of what a list was judged by',
    file: authorizer,
    edits: [['if (count !== length)', 'if (false && count !== length)']],
  },
  {
    claim: 'policy.steps-bounded',
    without: 'the end of an evaluation that has no fuel left',
    file: 'src/policy/plan/meter.ts',
    edits: [['if (!(this.left >= 0)) exhausted()', 'if (this.left === 0.5) exhausted()']],
    tests: ['test/policy/plan/compile.test.ts'],
    named: 'digits|same question|ranges',
  },
  {
    claim: 'policy.caller-rules-kept',
    without: 'the look whether a caller may still change',
    file: 'src/policy/plan/recall.ts',
    edits: [['value !== null && Object.isFrozen(value)', 'value !== null']],
  },
  {
    claim: 'policy.caller-rules-kept',
    without: 'the look what a function was asked about',
    file: 'src/policy/plan/recall.ts',
    edits: [['if (each.first !== first || each.second !== second) continue', '']],
  },
  {
    claim: 'policy.steps-bounded',
    without: 'the steps of what a function has given before',
    file: 'src/policy/plan/recall.ts',
    edits: [['      this.#meter.spend(each.steps)\n', '']],
    tests: ['test/policy/plan/recall.test.ts'],
  },
  {
    claim: 'policy.plan-is-no-text',
    without: 'the look at the words of a program',
    file: 'src/policy/plan/grammar.ts',
    edits: never('isWord && !vocabulary.has(token) && !numbered.test(token)'),
  },
  {
    claim: 'policy.plan-is-no-text',
    without: 'the look for members of a plan that nobody knows',
    file: 'src/policy/plan/plan.ts',
    edits: [['if (more !== undefined)', 'if (false && more !== undefined)']],
  },
  {
    claim: 'policy.plan-agrees',
    without: 'the second opinion on the samples',
    file: 'src/policy/second-opinion.ts',
    edits: [
      ['if (isDeepStrictEqual(a, b)) continue', 'if (isDeepStrictEqual(a, b) || a) continue'],
    ],
  },
  {
    claim: 'policy.tests-as-enforced',
    without: 'the cases that are in no document',
    file: 'src/policy/author/rego-suite.ts',
    edits: [["name, outcome: 'fail' })", "name, outcome: 'pass' })"]],
  },
  {
    claim: 'policy.tests-as-enforced',
    without: 'the look for cases that cannot be told apart',
    file: 'src/policy/author/rego-suite.ts',
    edits: [['unseen.has(name))', 'unseen.has(`${name} `))']],
  },
  {
    claim: 'policy.tests-as-enforced',
    without: 'the early look at a name that OPA makes last',
    file: 'src/policy/author/test-cases.ts',
    edits: [['before.slice(from)', 'before.slice(before.length)']],
  },
  {
    claim: 'policy.coverage-never-flatters',
    without: 'all that begins in a row',
    file: 'src/policy/author/row-coverage.ts',
    edits: [['isReached && rows.get(row) !== false', 'isReached || rows.get(row) === true']],
  },
  {
    claim: 'policy.coverage-never-flatters',
    without: 'the body that has to hold',
    file: 'src/policy/author/row-coverage.ts',
    edits: [['numberOf(place, isOwn)', 'numberOf(place, false)']],
  },
  {
    claim: 'policy.coverage-never-flatters',
    without: 'the look whether there is any row',
    file: 'src/policy/author/row-coverage.ts',
    edits: [['all === 0 ? 0 :', 'all === 0 ? 100 :']],
  },
  {
    claim: 'policy.build-is-tested',
    without: 'the test of what is built before it is written',
    file: 'src/cli/command/policy/build-command.ts',
    edits: [
      ['  await openSelfTest()(', '  void openSelfTest; void (async (..._: unknown[]) => {})('],
    ],
    tests: ['test/cli/command/policy/build-command.test.ts'],
  },
  {
    claim: 'policy.replay-never-guesses',
    without: 'the guard of members that are hidden',
    file: 'src/policy/author/logged-decision.ts',
    edits: [['if (key === this.#name) throw', 'if (key === `${this.#name} `) throw']],
  },
  {
    claim: 'policy.replay-never-guesses',
    without: 'the guard of all members together',
    file: 'src/policy/author/logged-decision.ts',
    edits: [
      [
        '  ownKeys(): never {\n    throw new HiddenRead(this.#pointer)',
        '  ownKeys(target: Plain): string[] {\n    return Object.keys(target)',
      ],
    ],
  },
  {
    claim: 'policy.replay-never-guesses',
    without: 'the end with 1 where a candidate widens',
    file: 'src/cli/command/policy/replay-command.ts',
    edits: [['(allowWidening || counts.widened === 0)', '(allowWidening || counts.widened >= 0)']],
  },
  {
    claim: 'policy.replay-never-guesses',
    without: 'the end of an explanation that rests on what is hidden',
    file: 'src/cli/command/policy/explain-command.ts',
    edits: [["'result' in explained &&", "!('result' in explained) ||"]],
  },
  {
    claim: 'policy.replay-never-guesses',
    without: 'the silence about a decision that does not show what is asked for',
    file: 'src/policy/author/decision-query.ts',
    edits: [['answers.includes(undefined) ? undefined : true', 'true']],
    tests: ['test/policy/author/decision-query.test.ts'],
  },
  {
    claim: 'policy.plan-agrees',
    without: 'the look for an IPv4 address written as IPv6',
    file: 'src/policy/plan/cidr.ts',
    edits: [['address.value >> 32n === 0xffffn', 'address.value >> 32n === 0xfffffn']],
    tests: ['test/policy/plan/builtins.test.ts'],
  },
  {
    claim: 'policy.plan-agrees',
    without: 'the one letter for what JavaScript makes several of',
    file: 'src/policy/plan/builtins/strings.ts',
    edits: [['changed : alone(letter)', 'changed : letter']],
    tests: ['test/policy/plan/builtins.test.ts'],
  },
  {
    claim: 'policy.log-masks-arguments',
    without: 'the minimal event of a mask that fails',
    file: decisionLog,
    edits: [['return formatMinimalEvent(event, code)', 'return JSON.stringify(event)']],
  },
  {
    claim: 'policy.log-masks-arguments',
    without: 'the arguments left out of a masked line',
    file: event,
    edits: [['JSON.stringify(first.value) + around.after', 'input.slice(around.before.length)']],
  },
  {
    claim: 'policy.issuance-logged',
    without: 'the end of a decision that the log has not taken',
    file: 'src/policy/logged-issuance.ts',
    edits: [['if (!log.record(event)) throw notTaken()', 'log.record(event)']],
  },
  {
    claim: 'policy.issuance-logged',
    without: 'the event of an evaluation that has failed',
    file: 'src/policy/logged-issuance.ts',
    edits: [['record({ ...head, evaluated: { ...none, asked, policy } })', 'void none']],
  },
  {
    claim: 'policy.issuance-logged',
    without: 'the difference between a decision and what is supposed',
    file: 'src/policy/logged-issuance.ts',
    edits: [['how?.supposed === true', 'how === null']],
  },
  {
    claim: 'policy.issuance-replayed',
    without: 'the comparison of lives',
    file: 'src/policy/author/replay.ts',
    edits: [['is && lived !== lives', 'is && lived === lives - 0.5']],
  },
  {
    claim: 'policy.issuance-replayed',
    without: 'the look whether a life is one',
    file: 'src/policy/author/logged-decision.ts',
    edits: [['lifetime !== undefined && !isLifetime(lifetime)', 'lifetime === isLifetime']],
  },
  {
    claim: 'policy.log-never-silent',
    without: 'the events that are not masked yet, among those that wait',
    file: decisionLog,
    edits: [['this.#pendingOctets + this.#file.waitingOctets', 'this.#file.waitingOctets']],
  },
  {
    claim: 'policy.log-never-silent',
    without: 'the count of lost events',
    file: decisionLog,
    edits: [["this.#options.metrics.count('countersign_decision_log_lost_total')", 'void 0']],
  },
  {
    claim: 'policy.log-never-silent',
    without: 'the event that tells of lost ones',
    file: decisionLog,
    edits: [['if (!this.#file.append(formatLost(lost, this.#newNote()))) return\n', '']],
  },
  {
    claim: 'policy.log-follows-its-path',
    without: 'the look at the path while nothing is decided',
    file: eventFile,
    edits: [['void appending.look(looking)', 'void looking']],
  },
  {
    claim: 'policy.log-follows-its-path',
    without: 'the look at the path before lines are written',
    file: eventFile,
    edits: [
      [
        'if (await isMoved(file, this.#handle))',
        'if (false && (await isMoved(file, this.#handle)))',
      ],
    ],
  },
  {
    claim: 'policy.bundle-strict',
    without: 'the look for what is no file in an archive',
    file: 'src/policy/bundle-archive.ts',
    edits: [["if (type !== 'file')", 'if (type === undefined)']],
  },
  {
    claim: 'policy.bundle-strict',
    without: 'the places of files',
    file: 'src/policy/bundle-content.ts',
    edits: [['if (want === undefined || want === path) return', 'if (want !== undefined) return']],
  },
  {
    claim: 'policy.bundle-signed',
    without: 'the look for files that nobody has signed',
    file: 'src/policy/bundle-signature.ts',
    edits: [
      ['name !== signatureFile && !names.has(name)', 'name !== signatureFile && names.size < 0'],
    ],
  },
  {
    claim: 'policy.bundle-signed',
    without: 'the algorithm of the key',
    file: 'src/policy/bundle-signature.ts',
    edits: [["key.algorithm === header['alg'] && isBy", 'isBy']],
  },
  {
    claim: 'policy.bundle-signed',
    without: 'the order of signing',
    file: 'src/policy/bundle-trust.ts',
    edits: [['(issuedAt === undefined || issuedAt < newest.issuedAt)', '(issuedAt === undefined)']],
  },
  {
    claim: 'policy.bundle-signed',
    without: 'the newest of those that were accepted',
    file: 'src/policy/bundle-trust.ts',
    edits: [
      ['issuedAt === undefined || issuedAt <= (newest?.issuedAt ?? -1)', 'issuedAt === undefined'],
    ],
    tests: ['test/policy/bundle-trust.test.ts'],
  },
  {
    claim: 'policy.bundle-tested',
    without: 'the deadline of a test',
    file: 'src/cli/bundle-process.ts',
    edits: [['timer = endIn(deadlineMilliseconds)', 'timer = endIn(startMilliseconds)']],
    named: 'never returns',
  },
  {
    claim: 'policy.last-good-stays',
    without: 'the name of what has decided',
    file: 'src/policy/decision-log.ts',
    edits: [['this.#members(event.evaluated.policy)', 'this.#members()']],
    tests: ['test/cli/open-policy.bundle.test.ts'],
  },
  {
    claim: 'policy.last-good-stays',
    without: 'the order of what is offered',
    file: 'src/policy/activation.ts',
    edits: [['this.#work.then(() =>', 'Promise.resolve().then(() =>']],
    tests: ['test/policy/activation.test.ts'],
  },
  {
    claim: 'policy.last-good-stays',
    without: 'the try of data while a bundle is tested',
    file: 'src/policy/activation.ts',
    edits: [['void this.#tryData()', 'void 0']],
    tests: ['test/policy/activation.test.ts'],
  },
  {
    claim: 'policy.last-good-stays',
    without: 'the look for data that was taken during a test',
    file: 'src/policy/activation.ts',
    edits: [['documents.includes(offer.documents) && isWanted()', 'documents && isWanted()']],
    tests: ['test/policy/activation.test.ts'],
  },
  {
    claim: 'policy.last-good-stays',
    without: 'another try of the part that was not offered',
    file: 'src/policy/activation.ts',
    edits: [['!isTaken[part] && isUnlucky', '!isTaken[offered] && isUnlucky']],
    tests: ['test/policy/activation.test.ts'],
  },
  {
    claim: 'policy.bundle-tested',
    without: 'the watch for the process that asked',
    file: 'src/cli/bundle-process.ts',
    edits: [['process.ppid !== parent', 'process.ppid < 0']],
    named: 'ends with the one that started it',
  },
  {
    claim: 'policy.bundle-refused-whole',
    without: 'the search for members that a bundle says twice',
    file: 'src/policy/bundle.ts',
    edits: [['if (fault !== undefined)', 'if (false && fault !== undefined)']],
  },
  {
    claim: 'policy.nothing-granted-nothing-allowed',
    without: 'the emptiness of the grants that are shipped',
    file: 'policies/bundle/data.json',
    edits: [['"tenants":{}', '"tenants":{"acme":{"files":{"tools":{"read":{}}}}}']],
  },
  {
    claim: 'policy.tried-only-as-said',
    without: 'the boolean that a denial has to say of itself',
    file: 'policies/bundle/plan.json',
    edits: [
      [
        '{"type":"EqualStmt","stmt":{"a":{"type":"local","value":6},"b":{"type":"bool","value":false},"file":6,"col":2,"row":24,',
        '{"type":"NotEqualStmt","stmt":{"a":{"type":"local","value":6},"b":{"type":"bool","value":true},"file":6,"col":2,"row":24,',
      ],
    ],
    tests: ['test/policy/plan-engine.custom.test.ts'],
  },
  {
    claim: 'policy.grant-of-a-definition',
    without: 'the digest that policy is told of',
    file: 'src/gateway/catalogue/resource-text.ts',
    edits: [
      ['"definitionDigest":"${digest}"', '"definitionDigest":"${digest.slice(digest.length)}"'],
      ['{ server, definitionDigest: digest }', "{ server, definitionDigest: '' }"],
      [
        '{ server, definitionDigest: digest, annotations }',
        "{ server, definitionDigest: '', annotations }",
      ],
    ],
    tests: ['test/gateway/lists.test.ts'],
  },
  {
    claim: 'policy.list-is-call',
    without: 'what policy leaves of a list',
    file: authorizer,
    edits: [['({ length }, () => false)', '({ length }, () => Boolean(length))']],
  },
  {
    claim: 'policy.data-checked',
    without: 'the schemas of the data',
    file: 'src/policy/data-schemas.ts',
    edits: [['if (parsed.success) return\n', 'if (parsed.success || name.length > 0) return\n']],
  },
  {
    claim: 'policy.data-checked',
    without: 'the look for members that a document says twice',
    file: 'src/policy/data-document.ts',
    edits: never('fault !== undefined'),
  },
  {
    claim: 'token.bound-to-call',
    without: 'the name of the server in a token',
    file: 'src/token/verify.ts',
    edits: [['claims.tctx.server !== server', 'false']],
  },
  {
    claim: 'token.caller-judged-after',
    without: 'the judgement of the caller after its token was signed',
    file: 'src/gateway/serve/call-token.ts',
    edits: [["return refusal === undefined ? token : refused('peer', refusal)", 'return token']],
  },
  {
    claim: 'token.for-what-has-a-name',
    without: 'the token of a task that is asked about for a list',
    file: 'src/gateway/serve/ask.ts',
    edits: [['crossing, token }, parts)', 'crossing }, parts)']],
    tests: ['test/gateway/serve/list-tasks.test.ts'],
  },
  {
    claim: 'token.for-what-has-a-name',
    without: 'the token of prompts',
    file: 'src/gateway/serve/forward.ts',
    edits: [["target.kind !== 'server'", "target.kind === 'tool'"]],
  },
]
