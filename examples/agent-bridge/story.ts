/** A client that can show no certificate: it starts the command of the configuration, whose places are a session's of its own. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import configuration from './claude_desktop_config.json' with { type: 'json' }
import { openSession } from '../session.ts'

const root = join(import.meta.dirname, '../..')

// What the document shows is what runs here.
const document = await readFile(join(root, 'docs', 'QUICKSTART-AGENT.md'), 'utf8')
assert.ok(document.includes(JSON.stringify(configuration, undefined, 2)))

await using session = await openSession()
const { dev, environment } = session
const { command, args } = configuration.mcpServers.countersign
assert.equal(command, 'countersign')

/** What differs from a cluster: the words after these. */
const here: Readonly<Record<string, string>> = {
  '--url': environment['GATEWAY'] ?? '',
  '--credential-bundle': join(environment['IDENTITY'] ?? '', 'credential-bundle.pem'),
  '--trust-bundle': dev.trustBundle,
}
const words = args.map((word, index) => here[args[index - 1] ?? ''] ?? word)
const main = join(root, 'src', 'cli', 'main.ts')

const client = new Client({ name: 'desktop', version: '1.0.0' })
await client.connect(
  new StdioClientTransport({ command: process.execPath, args: [main, ...words] }),
)
const { tools } = await client.listTools()
console.log('sees', tools.map(({ name }) => name).join(', '))
assert.ok(tools.some(({ name }) => name === 'notes_search' || name === 'github_issues_list'))

const asked = { repository: 'acme/handbook', title: 'Hello from the desktop' }
const answered = await client.callTool({ name: 'github_issues_create', arguments: asked })
console.log('answered', JSON.stringify(answered.content))
assert.match(
  JSON.stringify(answered.content),
  /spiffe:\/\/agents\.example\/ns\/acme\/sa\/researcher/,
)

const other = { ...asked, repository: 'globex/vault' }
await assert.rejects(client.callTool({ name: 'github_issues_create', arguments: other }), {
  code: -31403,
})
console.log('refused, as policy has it')
await client.close()
