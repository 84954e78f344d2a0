/**
 * The table of methods in docs/AUTHORIZATION.md, made of the one that the gateway serves from: `npx node test/gateway/methods-page.ts`
 * writes it anew.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { mayNeedInput } from '../../src/mcp/ask.ts'
import { listFormOf } from '../../src/mcp/lists.ts'
import { methods, type Method } from '../../src/gateway/methods.ts'

export const methodsPage: URL = new URL('../../docs/AUTHORIZATION.md', import.meta.url)

const about: Readonly<Record<Method['about'], string>> = {
  server: 'the server',
  tool: 'the tool',
  prompt: 'the prompt',
  resource: 'the resource',
  reference: 'what `ref` names',
  task: 'the tool of the task',
}

const ofAll = 'of all, in pages'
const toldToEach = 'told to each server of the session'
const ownTask = 'under the id that was given there'
const approvals = 'answered by the gateway, there alone: see [Approvals](#approvals)'

/** What is said of each at the door of all, for people. */
const atAll: Readonly<Record<string, string>> = {
  'server/discover': 'answered by the gateway',
  initialize: 'a session with each server of the caller',
  ping: 'answered by the gateway',
  'tools/list': ofAll,
  'tools/call': '`<server>_<tool>`',
  'prompts/list': ofAll,
  'resources/list': ofAll,
  'resources/templates/list': ofAll,
  'prompts/get': '`<server>_<prompt>`',
  'resources/read': '`<server>+<uri>`',
  'resources/subscribe': '`<server>+<uri>`',
  'resources/unsubscribe': '`<server>+<uri>`',
  'completion/complete': 'as the prompt or the resource',
  'subscriptions/listen': 'one stream of what all of them tell',
  'tasks/get': ownTask,
  'tasks/update': ownTask,
  'tasks/cancel': ownTask,
  'tasks/result': ownTask,
  'tasks/list': "those of the caller's tasks that were given there",
  'logging/setLevel': toldToEach,
  'approvals/list': approvals,
  'approvals/approve': approvals,
  'approvals/deny': approvals,
  'notifications/initialized': 'the gateway has said it already',
  'notifications/progress': 'told to the server that has given the token',
  'notifications/roots/list_changed': toldToEach,
  'notifications/cancelled': 'legacy: told to each; modern: taken, means nothing on HTTP',
}

/** The types that `input.resource` may have of what a method is about, and whether `input.context.arguments` are there. */
const seen: Readonly<Record<Method['about'], string>> = {
  server: '`mcp_server`',
  tool: '`tool`, arguments',
  prompt: '`prompt`, arguments',
  resource: '`resource`',
  reference: '`prompt` or `resource_template`',
  task: '`tool`',
}

/** What policy sees of a request. A notification belongs to a session or a request that was decided on. */
export function seenBy(name: string): string {
  const method = methods[name]
  if (method === undefined || method.kind === 'notification') return ''
  return `${seen[method.about]}${listFormOf(name) === undefined ? '' : ', each item'}`
}

/** What an answer owes beside being one, as far as the code asks that of a method. */
function owedBy(name: string, method: Method): string {
  const owed = {
    items: listFormOf(name) !== undefined,
    size: method.about !== 'server',
    asks: mayNeedInput(name),
    contents: name === 'resources/read',
    'as its call': method.about === 'task',
  }
  return Object.entries(owed)
    .flatMap(([duty, isOwed]) => (isOwed ? [duty] : []))
    .join(', ')
}

/** This page with the table of methods as the code has it now. */
export function withMethods(page: string): string {
  const head = ['method', 'eras', 'about', 'policy sees', 'its answer', 'at `/mcp`']
  const rows = Object.entries(methods).map(([name, method]) => {
    const there = atAll[name]
    if (there === undefined) throw new Error(`nothing is said of ${name} at the door of all`)
    const owed = owedBy(name, method)
    const eras = method.eras.join(', ')
    return [`\`${name}\``, eras, about[method.about], seenBy(name), owed, there]
  })
  const widths = head.map((title, at) =>
    Math.max(title.length, ...rows.map((cells) => cells[at]?.length ?? 0)),
  )
  const dashes = widths.map((width) => '-'.repeat(width))
  const lines = [head, dashes, ...rows].map((cells) => {
    const padded = cells.map((cell, at) => cell.padEnd(widths[at] ?? 0))
    return `| ${padded.join(' | ')} |\n`
  })
  const table = /^\| method +\| eras .*\n(?:\|.*\n)+/m
  if (!table.test(page)) throw new Error('the page has no table of methods')
  return page.replace(table, () => lines.join(''))
}

if (import.meta.main) {
  await writeFile(methodsPage, withMethods(await readFile(methodsPage, 'utf8')))
}
