import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { Door } from '../../src/gateway/door/arrived.ts'
import { methodOf } from '../../src/gateway/methods.ts'
import { mayNeedInput } from '../../src/mcp/ask.ts'
import { listFormOf } from '../../src/mcp/lists.ts'
import { isRefused } from '../../src/gateway/refusal.ts'
import type { Era, NotificationMessage, RequestMessage } from '../../src/mcp/message.ts'

/** What a client may send, in every revision (MCP 2026-07-28, 2025-11-25, 2025-06-18 schema), and what it may not. */
const methods = [
  'initialize ping server/discover tools/list tools/call prompts/list prompts/get',
  'resources/list resources/templates/list resources/read resources/subscribe',
  'resources/unsubscribe completion/complete logging/setLevel subscriptions/listen tasks/get',
  'tasks/result tasks/cancel tasks/list tasks/update sampling/createMessage',
  'elicitation/create roots/list vendor/method toString notifications/initialized',
  'notifications/cancelled approvals/list approvals/approve approvals/deny',
  'notifications/progress notifications/roots/list_changed',
].flatMap((line) => line.split(' '))

const about: Readonly<Record<string, string>> = {
  server: 'the server',
  tool: 'the tool',
  prompt: 'the prompt',
  resource: 'the resource',
  reference: 'what `ref` names',
  task: 'the tool of the task',
}

const door: Door = { kind: 'one', name: 'mcp/files', server: 'files' }

function served(method: string, era: Era): string | undefined {
  const kind = method.startsWith('notifications/') ? 'notification' : 'request'
  const message = { kind, method, era, version: '2025-11-25', params: {} } as
    RequestMessage | NotificationMessage
  const row = methodOf(message, door)
  const isOwn = !isRefused(row) && row.eras.includes(era)
  // What nobody needs is taken as well, and is in no row.
  const isUnneeded =
    kind === 'notification' && era === 'modern' && method !== 'notifications/cancelled'
  return isOwn && !isUnneeded ? about[row.about] : undefined
}

/** What an answer owes beside being one. */
function owedBy(method: string, what: string): string {
  const owed = {
    items: listFormOf(method) !== undefined,
    size: what !== about['server'],
    asks: mayNeedInput(method),
    contents: method === 'resources/read',
    'as its call': what === about['task'],
  }
  return Object.entries(owed)
    .flatMap(([name, isOwed]) => (isOwed ? [name] : []))
    .join(', ')
}

test('the page of methods is the table of the code', async () => {
  const page = await readFile(new URL('../../docs/AUTHORIZATION.md', import.meta.url), 'utf8')
  const rows = [
    ...page.matchAll(/^\| `([a-zA-Z/_]+)` +\| ((?:modern|legacy)[a-z, ]*?) +\| (.+?) +\|(.*?)\|/gm),
  ]
  const told = Object.fromEntries(
    rows.map(([, method = '', eras, what, owes = '']) => [method, [eras, what, owes.trim()]]),
  )
  const want = methods.flatMap((method) => {
    const eras = (['modern', 'legacy'] as const).filter((era) => served(method, era) !== undefined)
    const what = eras.map((era) => served(method, era))[0]
    return what === undefined ? [] : [[method, [eras.join(', '), what, owedBy(method, what)]]]
  })
  assert.deepEqual(told, Object.fromEntries(want))
})
