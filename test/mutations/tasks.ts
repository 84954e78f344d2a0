/** The defences of tasks of the legacy era. */
import { never, type Mutation } from './mutation.ts'

const taskTest = 'test/gateway/serve/legacy-task.test.ts'
const listTest = 'test/gateway/serve/list-tasks.test.ts'
const ownTest = 'test/gateway/serve/own-tasks.test.ts'
const toldTest = 'test/gateway/serve/task-told.test.ts'
const modernTest = 'test/gateway/serve/pass-task.test.ts'
const passTask = 'src/gateway/serve/pass-task.ts'
const task = 'src/mcp/task.ts'
const asks = 'src/gateway/serve/carry-asks.ts'

export const taskMutations: readonly Mutation[] = [
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the look whether a task of a legacy server was asked for',
    file: passTask,
    edits: never('isNew && !knowsTasks(call)'),
    tests: [taskTest],
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the look whose result a legacy server gives',
    file: passTask,
    edits: never('named !== call.taskId'),
    tests: [taskTest],
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the era of a task',
    file: 'src/gateway/handle/task.ts',
    edits: never('task.era !== era'),
    tests: ['test/gateway/handle/task.test.ts'],
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the refusal of answers in what tells of a task',
    file: task,
    edits: [['unfitMembers.every((member) => !Object.hasOwn(holder, member))', 'true']],
    tests: [taskTest],
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the end of what a request for a task says of another one',
    file: 'src/gateway/serve/as-there.ts',
    edits: [['...withoutHandles(body, params), ', '']],
    tests: [taskTest],
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the decision on each task of a list',
    file: 'src/gateway/serve/list-tasks.ts',
    edits: never('isRefused(permitted)'),
    tests: [listTest],
  },
  {
    claim: 'gateway.tasks-end-with-identity',
    without: 'the end of what is known of the tasks of a caller that is no more',
    file: 'src/gateway/gateway.ts',
    edits: [['ownTasks.endOwner(owner)', '[]']],
    tests: [ownTest],
  },
  {
    claim: 'gateway.tasks-end-with-identity',
    without: 'the look whose tasks are taken',
    file: 'src/gateway/serve/own-tasks.ts',
    edits: [['shelf.takeOf(owner, () => true)', 'shelf.takeAll(() => true)']],
    tests: [ownTest],
  },
  {
    claim: 'gateway.tasks-end-with-identity',
    without: 'the look whether it is this server that has a task',
    file: 'src/gateway/serve/cancel-tasks.ts',
    edits: [['task.spiffeId === spiffeId', 'true']],
    tests: [ownTest],
  },
  {
    claim: 'gateway.tasks-end-with-identity',
    without: 'the bound of what is cancelled',
    file: 'src/gateway/serve/cancel-tasks.ts',
    edits: [['.slice(0, left)', '']],
    tests: [ownTest],
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the owner, in the list of tasks',
    file: 'src/gateway/serve/own-tasks.ts',
    edits: [['shelf.of(owner)', 'shelf.takeAll(() => true)']],
    tests: [listTest],
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the door, in the list of tasks',
    file: 'src/gateway/serve/own-tasks.ts',
    edits: [['entry.door === door', 'true']],
    tests: [listTest],
  },
  {
    claim: 'gateway.handles-of-others-dropped',
    without: 'the look whose task a legacy server tells of',
    file: 'src/gateway/serve/own-tasks.ts',
    edits: [['JSON.stringify([owner, door,', 'JSON.stringify([door,']],
    tests: [toldTest],
  },
  {
    claim: 'gateway.handles-of-others-dropped',
    without: 'the refusal of other handles in what tells of a task',
    file: task,
    edits: never('handles.some((name) => name !== relatedTask)'),
    tests: [toldTest],
  },
  {
    claim: 'gateway.changes-decided',
    without: 'the word of policy on what is told of a task',
    file: 'src/gateway/serve/task-told.ts',
    edits: [['if (may) write', 'write']],
    tests: [toldTest],
  },
  {
    claim: 'gateway.asked-and-answered-once',
    without: 'the refusal of what is asked of a task that the client has not',
    file: asks,
    edits: [['taskId === undefined ? undefined : this.#options.taskHere(taskId)', "'some'"]],
    tests: [toldTest],
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the look whether a modern client that asks of a task knows tasks',
    file: 'src/gateway/permit/task.ts',
    edits: never("message.era === 'modern' && !knowsTasks(call)"),
    tests: [modernTest],
  },
  {
    claim: 'gateway.task-of-its-caller',
    without: 'the removal of what asks for a task from a modern call',
    file: 'src/gateway/serve/as-there.ts',
    edits: [["isOfOtherEra ? ['task'] : []", '[]']],
    tests: [modernTest],
  },
]
