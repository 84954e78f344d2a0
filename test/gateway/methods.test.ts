import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { Door } from '../../src/gateway/door/arrived.ts'
import { methodOf, methods } from '../../src/gateway/methods.ts'
import { isRefused } from '../../src/gateway/refusal.ts'
import type { Era, NotificationMessage, RequestMessage } from '../../src/mcp/message.ts'
import { methodsPage, withMethods } from './methods-page.ts'

/** What a client may send, in every revision (MCP 2026-07-28, 2025-11-25, 2025-06-18 schema), and what it may not. */
const names = [
  'initialize ping server/discover tools/list tools/call prompts/list prompts/get',
  'resources/list resources/templates/list resources/read resources/subscribe',
  'resources/unsubscribe completion/complete logging/setLevel subscriptions/listen tasks/get',
  'tasks/result tasks/cancel tasks/list tasks/update sampling/createMessage',
  'elicitation/create roots/list vendor/method toString notifications/initialized',
  'notifications/cancelled approvals/list approvals/approve approvals/deny',
  'notifications/progress notifications/roots/list_changed',
].flatMap((line) => line.split(' '))

const door: Door = { kind: 'one', name: 'mcp/files', server: 'files' }

function isServed(method: string, era: Era): boolean {
  const kind = method.startsWith('notifications/') ? 'notification' : 'request'
  const message = { kind, method, era, version: '2025-11-25', params: {} } as
    RequestMessage | NotificationMessage
  const row = methodOf(message, door)
  // What nobody needs is taken as well, and is in no row.
  return !isRefused(row) && row === methods[method]
}

test('the page of methods is made of the table of the code', async () => {
  const page = await readFile(methodsPage, 'utf8')
  assert.ok(
    page === withMethods(page),
    'docs/AUTHORIZATION.md has another table of methods than the code, want=npx node test/gateway/methods-page.ts',
  )
})

test('what the table has is served in its eras, and nothing else is', () => {
  const served = names.flatMap((name) => {
    const eras = (['modern', 'legacy'] as const).filter((era) => isServed(name, era))
    return eras.length === 0 ? [] : [[name, eras]]
  })
  const table = Object.entries(methods).map(([name, { eras }]) => [name, eras])
  assert.deepEqual(Object.fromEntries(served), Object.fromEntries(table))
})
