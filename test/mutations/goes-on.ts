import { never, type Mutation } from './mutation.ts'

const goingOn = 'src/gateway/approval/going-on.ts'

/** What goes on with a call that somebody has approved. */
export const goesOnMutations: readonly Mutation[] = [
  {
    claim: 'gateway.approval-goes-on',
    without: 'the approval of what a legacy client makes again',
    file: 'src/gateway/serve/pass-pages.ts',
    edits: [
      ['whenThere(keepForAgain(permit, parts)', 'whenThere(undefined as Refused | undefined'],
    ],
  },
  {
    claim: 'gateway.approval-goes-on',
    without: 'the end of what is put off again and again',
    file: 'src/gateway/serve/keep-approval.ts',
    edits: never('over !== undefined'),
  },
  {
    claim: 'gateway.approval-goes-on',
    without: 'the place of what waits for another approval meanwhile',
    file: 'src/gateway/approval/going-on.ts',
    edits: never('!isMade'),
  },
  {
    claim: 'gateway.approval-goes-on',
    without: 'the look whether what goes on is of the very call',
    file: goingOn,
    edits: [['isSameBinding(withoutInput(request.binding), withoutInput(binding)) &&', '']],
    named: 'does not go on',
  },
  {
    claim: 'gateway.approval-goes-on',
    without: 'the deadline of what goes on',
    file: goingOn,
    edits: [
      ['!isOver(approval) &&\n', ''],
      ['&& !isOver(kept)', ''],
      ['&& !isOver(approval) ? approval', '? approval'],
    ],
    named: 'deadline',
  },
  {
    claim: 'gateway.approval-goes-on',
    without: 'the question whether its approver still may',
    file: goingOn,
    edits: [['(await counts(approval))', 'true']],
    named: 'revoked',
  },
  {
    claim: 'gateway.approval-goes-on',
    without: 'the end of an approval with its use',
    file: goingOn,
    edits: [['(await store.remove(found))', 'true']],
    named: 'once with one state',
  },
  {
    claim: 'gateway.approval-goes-on',
    without: 'an approval that is kept before its caller is told what is asked',
    file: 'src/gateway/serve/input-required.ts',
    edits: [["typeof approved === 'object' ? approved : tell(approved)", 'tell(undefined)']],
    named: 'not told what is asked',
  },
  {
    claim: 'gateway.approval-goes-on',
    without: 'the approval of a call that is open at a legacy server',
    file: 'src/gateway/serve/talks.ts',
    edits: [['approved: talk.permit.duties.approved', 'approved: undefined']],
    tests: ['test/gateway/serve/talk.test.ts'],
  },
]
