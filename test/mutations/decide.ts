/** The defences that carry out what permits stand under. */
import type { Mutation } from './mutation.ts'

const obligations = 'src/gateway/permit/obligations.ts'
const callLimits = 'src/gateway/permit/call-limits.ts'
const windows = 'src/gateway/windows.ts'
const approvals = 'src/gateway/approval/approvals.ts'
const carryOut = 'src/gateway/permit/carry-out.ts'

export const decideMutations: readonly Mutation[] = [
  {
    claim: 'gateway.obligations-met',
    without: 'the refusal of what cannot be met',
    file: carryOut,
    edits: [
      [
        "return decisions.refuse(question, 'obligations', reason)\n",
        'return { rates: [], concurrencies: [], results: { octetsMax: Infinity, readableOnly: false } }\n',
      ],
    ],
    tests: ['test/gateway/pipeline.test.ts'],
  },
  {
    claim: 'gateway.obligations-met',
    without: 'the look for members that nobody knows',
    file: obligations,
    edits: [['Object.keys(more).length === 0', 'Object.keys(more).length >= 0']],
  },
  {
    claim: 'gateway.obligations-met',
    without: 'the look at the numbers of a limit',
    file: obligations,
    edits: [['Number.isInteger(value) &&', 'value !== null ||']],
  },
  {
    claim: 'gateway.limits-of-policy',
    without: 'the count of a window',
    file: callLimits,
    edits: [['window.count += 1', 'void window']],
  },
  {
    claim: 'gateway.limits-of-policy',
    without: 'the parties of a limit',
    file: callLimits,
    edits: [['[party, partyOf(call, party)]', '[party, partyOf(call, party).length]']],
  },
  {
    claim: 'gateway.limits-of-policy',
    without: 'the count that waits until no limit is exceeded',
    file: callLimits,
    edits: [['counted.push(window)', 'counted.push(window), (window.count += 0.5)']],
  },
  {
    claim: 'gateway.limits-of-policy',
    without: 'the part of each worker',
    file: callLimits,
    edits: [['Math.floor(count / workers)', 'count']],
  },
  {
    claim: 'gateway.limits-never-forgotten',
    without: 'the shares of the room to count',
    file: windows,
    edits: [['const full = room.take(account)', 'const full = undefined as Full | undefined']],
  },
  {
    claim: 'gateway.limits-never-forgotten',
    without: 'the end of the window, before it is forgotten',
    file: windows,
    edits: [['if (!isOver(window, seconds, at)) return\n', '']],
  },
  {
    claim: 'gateway.open-calls-given-back',
    without: 'the end of the stay',
    file: callLimits,
    edits: [['stay.atEnd(() => {', 'Promise.resolve().then(() => {']],
  },
  {
    claim: 'gateway.open-calls-given-back',
    without: 'what is given back',
    file: callLimits,
    edits: [['const left = (open.get(key) ?? 1) - 1', 'const left = open.get(key) ?? 1']],
  },
  {
    claim: 'gateway.approval-needed',
    without: 'the wait for an approval',
    file: carryOut,
    edits: [
      [
        'return holdOut(question, approval).then((approved) =>\n      isRefused(approved) ? approved : { ...duties, approved },\n    )',
        'return duties',
      ],
    ],
  },
  {
    claim: 'gateway.approval-needed',
    without: 'the refusal of what a task would be told',
    file: 'src/gateway/permit/hold-out.ts',
    edits: [[' || call.taskId !== undefined', '']],
  },
  {
    claim: 'gateway.approval-needed',
    without: 'the look whether a call goes on with another one',
    file: 'src/gateway/permit/hold-out.ts',
    edits: [['!goesOn(request) && declaresForms', 'declaresForms']],
  },
  {
    claim: 'gateway.approval-needed',
    without: 'the look for who will not wait',
    file: 'src/gateway/permit/hold-out.ts',
    edits: [['if (isDeclined(call))', 'if (false && isDeclined(call))']],
  },
  {
    claim: 'gateway.approval-needed',
    without: 'the end of what is answered to the gateway itself',
    file: 'src/gateway/serve/as-there.ts',
    edits: [['    ...ownInputEdits(call.message, notThere(call)),\n', '']],
  },
  {
    claim: 'gateway.asks-decided',
    without: 'the look for names of the gateway in what a server asks',
    file: 'src/gateway/serve/input-required.ts',
    edits: [['.some(isOwnKey)', '.some((key) => isOwnKey(key) && false)']],
  },
  {
    claim: 'gateway.approval-needed',
    without: 'the denial',
    file: approvals,
    edits: [['if (!verdict.approved)', 'if (false && !verdict.approved)']],
  },
  {
    claim: 'gateway.approval-bound',
    without: 'the digest of the arguments',
    file: 'src/gateway/approval/ticket.ts',
    edits: [['tool, definitionDigest, argumentsSha256, ...', 'tool, definitionDigest, ...']],
  },
  {
    claim: 'gateway.approval-bound',
    without: 'the digest of the definition',
    file: 'src/gateway/approval/ticket.ts',
    edits: [['tool, definitionDigest, argumentsSha256, ...', 'tool, argumentsSha256, ...']],
  },
  {
    claim: 'gateway.approval-bound',
    without: 'the digest of what is answered to the tool server',
    file: 'src/gateway/approval/ticket.ts',
    edits: [['[inputResponsesSha256 ?? null, ', '[']],
  },
  {
    claim: 'gateway.approval-bound',
    without: 'the digest of the state that the tool server gets back',
    file: 'src/gateway/approval/ticket.ts',
    edits: [[', requestStateSha256 ?? null]', ']']],
  },
  {
    claim: 'gateway.approval-bound',
    without: 'the name that an approval is sealed under',
    file: approvals,
    edits: [
      [
        "handles.open({ kind: 'approval', owner: name }",
        "handles.open({ kind: 'approval', owner: 'any' }",
      ],
      [
        "handles.seal({ kind: 'approval', owner: name }",
        "handles.seal({ kind: 'approval', owner: 'any' }",
      ],
      // A verdict is of one object, too: either alone keeps it from the place of another.
      ['if (verdict !== undefined && uid !== version.uid) return undefined', ''],
      [
        'isSameBinding(request.binding, wanted.request.binding) &&',
        'isSameBinding(request.binding, request.binding) &&',
      ],
    ],
  },
  {
    claim: 'gateway.approval-bound',
    without: 'the deadline',
    file: approvals,
    edits: [['now() >= request.deadline', 'request.deadline < 0 * now()']],
  },
  {
    claim: 'gateway.approval-bound',
    without: 'the part of a ticket that nobody can guess',
    file: approvals,
    edits: [['return isThis && approval.verdict', 'return approval.verdict']],
  },
  {
    claim: 'gateway.approval-used-once',
    without: 'the one who takes it away',
    file: approvals,
    edits: [['(await store.remove(kept)) && counts', 'counts']],
  },
  {
    claim: 'gateway.approval-used-once',
    without: 'the very object that it was given on',
    file: approvals,
    edits: [['if (verdict !== undefined && uid !== version.uid) return undefined', '']],
  },
  {
    claim: 'gateway.approver-sees-no-secret',
    without: 'the digest that is left out where something is masked',
    file: 'src/gateway/serve/approve.ts',
    edits: [['(shown.masked.length === 0 ? {', '(shown.masked.length >= 0 ? {']],
  },
  {
    claim: 'gateway.approver-sees-no-secret',
    without: 'the look for a mask of what the arguments stand in',
    file: 'src/policy/shown-arguments.ts',
    edits: [[' || isAtOrUnder(place, pointer)', '']],
  },
  {
    claim: 'gateway.approver-sees-no-secret',
    without: 'the digest of input that is left out',
    file: 'src/gateway/serve/approve.ts',
    edits: [['{ keys: inputKeys }', '{ keys: inputKeys, sha256: binding.inputResponsesSha256 }']],
  },
  {
    claim: 'gateway.approver-sees-what-is-called',
    without: 'the text of the arguments',
    file: 'src/gateway/serve/approve.ts',
    edits: [['${shown.text},', '${JSON.stringify(JSON.parse(shown.text))},']],
  },
  {
    claim: 'gateway.approver-sees-what-is-called',
    without: 'the exact reading in a terminal',
    file: 'src/cli/command/approve-command.ts',
    edits: [['return parseExactly(text)', 'return (parseExactly(text), JSON.parse(text))']],
  },
  {
    claim: 'gateway.what-is-sealed-opens',
    without: 'the bound of what is sealed',
    file: 'src/gateway/handle/seal.ts',
    edits: [
      ['return handle.length > sealedCharactersMax[kind] ? undefined : handle', 'return handle'],
    ],
  },
  {
    claim: 'gateway.what-is-sealed-opens',
    without: 'the room for a verdict',
    file: approvals,
    edits: [["' '.repeat(octets)", "' '.repeat(octets - octets)"]],
  },
  {
    claim: 'gateway.what-is-sealed-opens',
    without: 'the octets of what is shown',
    file: 'src/policy/shown-arguments.ts',
    edits: [['return Buffer.byteLength(text) +', 'return text.length +']],
  },
  {
    claim: 'gateway.approver-sees-no-secret',
    without: 'the mask',
    file: 'src/policy/shown-arguments.ts',
    edits: [['result: null }, changes)', 'result: null }, changes.slice(changes.length))']],
  },
  {
    claim: 'gateway.approvals-left-to-their-keys',
    without: 'the look whose key it is',
    file: approvals,
    edits: [
      [
        "if (opened === undefined && handles.isSealedElsewhere('approval', sealed)) return 'elsewhere'",
        '',
      ],
    ],
  },
  {
    claim: 'gateway.approvals-left-to-their-keys',
    without: 'the end of the time in which it may be needed',
    file: approvals,
    edits: [['if (!mayBeNeeded(kept, now(), secondsMax)) return undefined', '']],
  },
  {
    claim: 'gateway.approvals-left-to-their-keys',
    without: 'the time that this call would wait',
    file: approvals,
    edits: [['open(kept, wanted.seconds)', 'open(kept, approvalSecondsMax)']],
  },
  {
    claim: 'gateway.approvals-left-to-their-keys',
    without: 'the patience with clocks of others',
    file: approvals,
    edits: [['now() - skewMilliseconds)) await', 'now())) await']],
  },
  {
    claim: 'gateway.approval-bound',
    without: 'the look for a revocation of the approver',
    file: 'src/gateway/permit/hold-out.ts',
    edits: [
      [
        'if (findRevocation(revocations, read.svid, verdict.above.map(revocableById))) return false',
        '',
      ],
    ],
  },
  {
    claim: 'intermediate.ends-when-revoked',
    without: 'the look for a revocation of a CA above the approver',
    file: 'src/gateway/permit/hold-out.ts',
    edits: [['verdict.above.map(revocableById)', '[]']],
  },
  {
    claim: 'gateway.approval-by-approvers',
    without: 'the question to policy when an approval is used',
    file: 'src/gateway/permit/hold-out.ts',
    edits: [['return !isRefused(decided)', 'return true || isRefused(decided)']],
  },
  {
    claim: 'gateway.approval-by-approvers',
    without: 'the question to policy about the ticket',
    file: 'src/gateway/serve/approve.ts',
    edits: [
      [
        '  if (isRefused(decided)) return decided\n',
        "  if (isRefused(decided)) Object.assign(decided, { id: 'x' })\n",
      ],
    ],
  },
  {
    claim: 'gateway.approval-never-own',
    without: 'the look whose call it is, whatever policy says',
    file: 'src/gateway/approval/own-call.ts',
    edits: [['properties.pod.uid === pod.uid ||', '']],
  },
  {
    claim: 'gateway.approval-recorded',
    without: 'the event of the use',
    file: 'src/gateway/permit/hold-out.ts',
    edits: [
      [
        "decisions.note(question, 'obligations', usedBy(approval, approved)) ?? approval",
        'approval',
      ],
    ],
  },
  {
    claim: 'gateway.approvals-bounded',
    without: 'the place that is given back',
    file: approvals,
    edits: [['if (isRemoved) room.release', 'if (isRemoved && false) room.release']],
  },
  {
    claim: 'gateway.approvals-bounded',
    without: 'the turns of those whose calls wait, in the list of an approver',
    file: 'src/gateway/serve/approve.ts',
    edits: [['inLookOrder(others)', 'others.toReversed()']],
  },
  {
    claim: 'gateway.approvals-bounded',
    without: 'the look for who asks, in the list of an approver',
    file: 'src/gateway/serve/approve.ts',
    edits: [['({ request }) => !isOwnCall(', '({ request }) => true || !isOwnCall(']],
  },
  {
    claim: 'gateway.approvals-bounded',
    without: 'the shares of what waits',
    file: approvals,
    edits: [["if ('full' in place)", "if (false && 'full' in place)"]],
  },
  {
    claim: 'gateway.approval-used-once',
    without: 'the very object that is deleted',
    file: 'src/gateway/approval/approval-objects.ts',
    edits: [['preconditions: version', 'preconditions: { uid: version.uid }']],
  },
  {
    claim: 'gateway.denials-hidden',
    without: 'what is told in the place of a denial by policy',
    file: 'src/gateway/permit/hide.ts',
    edits: [['return { ...answer, refusal: asUnknown(hidden, answer.refusal) }', 'return answer']],
    tests: ['test/gateway/permit/hide.test.ts'],
  },
  {
    claim: 'gateway.denials-hidden',
    without: 'what is told in the place of a denial by ceilings',
    file: 'src/gateway/permit/hide.ts',
    edits: [
      [
        'unlisted: (hidden) => (isNamed(hidden) ?',
        'unlisted: (hidden) => (isNamed(hidden) && !hidden ?',
      ],
    ],
    tests: ['test/gateway/permit/hide.test.ts'],
  },
]
