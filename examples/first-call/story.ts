/**
 * A first call, as an agent's developer would write it: a mounted certificate, an MCP client of the official SDK, the
 * gateway. It brings up its own `npm run dev`, asserts what it shows, and exits non-zero when something is not so.
 *
 *   npm run examples
 */
import assert from 'node:assert/strict'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { openCountersignFetch } from '../../src/agent/countersign-fetch.ts'
import { openSession } from '../session.ts'

// 1. A cluster with a signer, a gateway, two tenants and their tools.
await using session = await openSession()
const { gateway, trustBundle, pods } = session.dev

// 2. What a pod mounts: its key and certificate in one file, and the anchors that it trusts in another.
const researcher = pods.find((pod) => pod.namespace === 'acme' && pod.name === 'researcher')
assert.equal(researcher?.outcome, 'issued')
assert.ok(researcher.credentialBundle)
await using mtls = await openCountersignFetch({
  credentialBundle: researcher.credentialBundle,
  trustBundle,
  server: gateway.spiffeId,
})

// 3. An MCP client, with nothing special but its fetch.
const client = new Client(
  { name: 'first-call', version: '1.0.0' },
  { versionNegotiation: { mode: { pin: '2026-07-28' } } },
)
await client.connect(
  new StreamableHTTPClientTransport(new URL('/mcp', gateway.url), { fetch: mtls.fetch }),
)

// 4. It sees the tools that its certificate covers and the policy grants, and no others.
const { tools } = await client.listTools()
const names = tools.map((tool) => tool.name)
console.log(`${researcher.spiffeId} sees ${names.join(', ')}`)
assert.deepEqual(names.toSorted(), [
  'github_issues_create',
  'github_issues_list',
  'notes_search',
  'notes_write',
])

// 5. It opens an issue in its own repository. The tool server knows who asked.
const created = await client.callTool({
  name: 'github_issues_create',
  arguments: { repository: 'acme/handbook', title: 'Say hello on page one' },
})
console.log('github_issues_create answered', JSON.stringify(created.content))
assert.match(
  JSON.stringify(created.content),
  /spiffe:\/\/agents\.example\/ns\/acme\/sa\/researcher/,
)

// 6. In somebody else's repository the same call is refused, and the refusal has a number to ask about.
const refusal = await client
  .callTool({
    name: 'github_issues_create',
    arguments: { repository: 'globex/vault', title: 'Hello' },
  })
  .then(
    () => assert.fail('a call that policy refuses went through'),
    (error: Error & { code: number }) => error,
  )
console.log(`refused: ${refusal.message}`)
assert.equal(refusal.code, -31403)
await client.close()
