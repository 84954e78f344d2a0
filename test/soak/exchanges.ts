import type { Reply } from '../gateway/world/client.ts'
import type { Random } from '../fuzz/random.ts'
import type { Caller } from './callers.ts'
import { whats, type Ledger } from './ledger.ts'
import { liveUri } from './servers.ts'

/** What one exchange needs, and what it leaves to others. */
export interface Acting {
  readonly caller: Caller
  readonly name: string
  readonly server: string
  readonly random: Random
  readonly ledger: Ledger
  /** Ids of tasks and who has them: what is another's is tried, too. */
  readonly tasks: { readonly name: string; readonly taskId: string; readonly door: string }[]
  /** Decides a ticket as somebody who may. */
  decide(method: 'approve' | 'deny', ticket: string): Promise<unknown>
}

/** Several requests that belong together; gives each reply as it comes. */
type Exchange = (o: Acting) => AsyncGenerator<Reply>

const listsMethods = [
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
] as const

const tasksMax = 64

const call: Exchange = async function* (o) {
  const what = o.random.pick(whats)
  const mark = o.ledger.mark(o.name, what)
  yield await ask(o, 'tools/call', { name: what, arguments: { mark } }, mark)
}

const prompt: Exchange = async function* (o) {
  const what = o.random.pick(whats)
  const mark = o.ledger.mark(o.name, what)
  yield await ask(o, 'prompts/get', { name: what, arguments: { mark } }, mark)
}

const read: Exchange = async function* (o) {
  const what = o.random.pick(whats)
  const mark = o.ledger.mark(o.name, what)
  yield await ask(o, 'resources/read', { uri: `test://${what}/${mark}` }, mark)
}

const complete: Exchange = async function* (o) {
  const what = o.random.pick(whats)
  const mark = o.ledger.mark(o.name, what)
  const ref = o.random.oneIn(2)
    ? { type: 'ref/prompt', name: what }
    : { type: 'ref/resource', uri: `test://${what}/{id}` }
  yield await ask(o, 'completion/complete', { ref, argument: { name: 'id', value: mark } }, mark)
}

const list: Exchange = async function* (o) {
  const method = o.random.pick(listsMethods)
  const mark = o.ledger.mark(o.name, 'other')
  if (o.random.oneIn(2)) yield await ask(o, method, {}, mark)
  else yield await o.caller.ask('/mcp', method, {}, mark)
}

/** A call that becomes a task, and what its caller asks of it, or of a task of somebody else. */
const task: Exchange = async function* (o) {
  const { caller, random, ledger, name, tasks } = o
  const door = `/mcp/${o.server}`
  const mark = ledger.mark(name, 'work')
  const wanted = caller.era === 'legacy' ? { task: { ttl: 60_000 } } : {}
  const called = await ask(o, 'tools/call', { name: 'work', arguments: { mark }, ...wanted }, mark)
  yield called
  const [, taskId] = /"taskId":"([^"]+)"/.exec(called.text) ?? []
  if (taskId === undefined) return
  if (tasks.length < tasksMax) tasks.push({ name, taskId, door })
  else tasks[random.below(tasksMax)] = { name, taskId, door }
  const methods = caller.era === 'legacy' ? ['tasks/result', 'tasks/list'] : ['tasks/update']
  for (const method of ['tasks/get', ...methods, 'tasks/cancel']) {
    const more = method === 'tasks/update' ? { inputResponses: {} } : {}
    const isList = method === 'tasks/list'
    const params = isList ? {} : { taskId, ...more }
    yield await ask(o, method, params, ledger.mark(name, isList ? 'tasks' : 'work'))
  }
  const other = random.pick(tasks)
  const foreign = ledger.mark(name, other.name === name ? 'work' : 'never')
  yield await caller.ask(other.door, 'tasks/get', { taskId: other.taskId }, foreign)
}

/** A call for which its server asks something: of both eras, at servers of both. */
const answer: Exchange = async function* ({ caller, server, ledger, name }) {
  const mark = ledger.mark(name, 'ask')
  const params = { name: 'ask', arguments: { mark } }
  yield await caller.answering(`/mcp/${server}`, 'tools/call', params, mark)
}

/** A call that waits for an approval. It is used once. */
const hold: Exchange = async function* (o) {
  const mark = o.ledger.mark(o.name, 'hold')
  const params = { name: 'hold', arguments: { mark } }
  const held = await ask(o, 'tools/call', params, mark)
  yield held
  const [ticket] = /[a-z2-7]{24}-[a-z2-7]{16}/.exec(held.text) ?? []
  if (ticket === undefined) return
  const method = o.random.oneIn(3) ? 'deny' : 'approve'
  if (method === 'approve') o.ledger.approve(mark)
  await o.decide(method, ticket)
  yield await ask(o, 'tools/call', params, mark)
  yield await ask(o, 'tools/call', params, mark)
}

const listen: Exchange = async function* ({ caller, server, random }) {
  const door = random.oneIn(4) ? '/mcp' : `/mcp/${server}`
  const prefix = door === '/mcp' ? `${server}+` : ''
  const uris = [liveUri, 'test://never/live'].map((uri) => prefix + uri)
  yield await caller.listen(door, uris, random.below(3000))
}

/** As often as it stands here. */
const exchanges: readonly Exchange[] = [
  call,
  call,
  call,
  prompt,
  read,
  complete,
  list,
  task,
  answer,
  hold,
  listen,
]

export function exchange(o: Acting): AsyncGenerator<Reply> {
  return o.random.pick(exchanges)(o)
}

function ask(
  { caller, server }: Acting,
  method: string,
  params: Readonly<Record<string, unknown>>,
  mark: string,
): Promise<Reply> {
  return caller.ask(`/mcp/${server}`, method, params, mark)
}
