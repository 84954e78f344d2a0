import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parse } from 'yaml'
import type { ToolsDocument } from '../../../src/cli/command/tools-command.ts'
import { run } from '../../../src/cli/program.ts'
import { answerBoth } from '../../gateway/world/upstream.ts'
import { digestDefinition } from '../../support/digest-definition.ts'
import { files, ofFolder, openToolServerFolder } from '../tool-server-folder.ts'
import { requirement } from '../../requirements.ts'

const old = 'a'.repeat(64)

let tools: string[] = []

const stage = await openToolServerFolder((...asked) => answerBoth({ tools })(...asked))
const { folder, upstream } = stage
after(() => stage[Symbol.asyncDispose]())

const echo = '{"name":"echo","description":"says it","inputSchema":{"type":"object"}}'
const turned =
  '{"name":"echo","description":"says it \\u202e\\u001b[2J","inputSchema":{"type":"object"}}'
const big = '{"name":"big","inputSchema":{"type":"object"}}'

/** A configuration as a person writes one. */
async function configured(members: string): Promise<string> {
  const file = join(folder, 'gateway.yaml')
  await writeFile(
    file,
    `# The gateway of research.
trustDomain: ${ofFolder.trustDomain}
production: false
credentialBundle: credential.pem
trustBundle: bundle.pem
hosts: [gateway.test] # one name
upstreams:
  # Reads and writes files.
  - server: files
    url: ${upstream.url}
    spiffeId: ${files.svid.spiffeId.uri}
${members}
decisionLog: { file: decisions.jsonl }
`,
  )
  return file
}

async function cli(
  ...argv: readonly string[]
): Promise<{ code: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const code = await run(argv, {
    out: (text) => (out += text),
    err: (text) => (err += text),
    signal: new AbortController().signal,
  })
  return { code, out, err }
}

test('the tools of a server are shown with digest and state', async () => {
  tools = [turned, big]
  const pins = `    pins: { echo: ${digestDefinition(echo)}, big: ${digestDefinition(big)} }`
  const file = await configured(pins)
  const shown = await cli('tools', 'list', 'files', '--config', file)
  assert.equal(shown.code, 0, shown.err)
  assert.equal(
    shown.out,
    `definition-changed  ${digestDefinition(turned)}  modern  echo\nserved              ${digestDefinition(big)}  modern  big\n`,
  )
  const json = await cli('tools', 'list', 'files', '--config', file, '--json')
  const { pinsAt, tools: listed } = JSON.parse(json.out) as ToolsDocument
  assert.deepEqual(pinsAt, { file })
  assert.deepEqual(
    listed.map(({ name, state, pinned }) => [name, state, pinned]),
    [
      ['echo', 'definition-changed', digestDefinition(echo)],
      ['big', 'served', digestDefinition(big)],
    ],
  )
})

test('a name is one line of what is shown, whatever is in it', async () => {
  requirement('gateway.quarantine-told')
  const odd =
    '{"name":"x\\nserved  sha256  modern  y\\u202e\\u009b","inputSchema":{"type":"object"}}'
  tools = [odd, big]
  const file = await configured(`    pins: { echo: ${old} }`)
  const { out } = await cli('tools', 'list', 'files', '--config', file)
  assert.equal(out.trimEnd().split('\n').length, 2)
  assert.match(out, /  "x\\nserved  sha256  modern  y\\u202e\\u009b"\n/)
  const dry = await cli('tools', 'approve', 'files', '--config', file, '--dry-run')
  assert.match(dry.out, /^"x\\nserved  sha256  modern  y\\u202e\\u009b": it has no pin/m)
})

test('an approval shows the definition, writes its digest, and keeps the comments of the file', async () => {
  requirement('gateway.approval-is-of-what-was-seen')
  tools = [turned, big]
  const file = await configured(`    pins: # reviewed\n      echo: ${old} # by ops`)
  const dry = await cli('tools', 'approve', 'files', 'echo', '--config', file, '--dry-run')
  const before = await readFile(file, 'utf8')
  assert.match(before, new RegExp(old))
  assert.match(dry.out, /nothing is written/)
  assert.match(
    dry.out,
    new RegExp(`echo: the pin is ${old}: of what was approved there is this digest`),
  )
  assert.match(dry.out, /says it \\u202e\\u001b\[2J/)
  assert.doesNotMatch(dry.out, /[^\P{C}\n]/u, 'nothing that a terminal obeys')
  const done = await cli('tools', 'approve', 'files', 'echo', '--config', file)
  assert.equal(done.code, 0, done.err)
  const now = await readFile(file, 'utf8')
  assert.deepEqual(parse(now), parse(before.replace(old, digestDefinition(turned))))
  const comments = (text: string): readonly string[] => text.match(/#.*$/gm) ?? []
  assert.deepEqual(comments(now), comments(before))
  const again = await cli('tools', 'approve', 'files', 'echo', '--config', file)
  assert.match(again.out, /^nothing to approve/)
})

test('a definition that changes between look and approval is not approved', async () => {
  requirement('gateway.approval-is-of-what-was-seen')
  tools = [turned]
  const file = await configured(`    pins: { echo: ${old} }`)
  const words = ['tools', 'approve', 'files', 'echo', '--config', file, '--digest']
  const refused = await cli(...words, digestDefinition(echo))
  assert.equal(refused.code, 2)
  assert.match(refused.err, /the definition is not the one that was looked at/)
  assert.match(await readFile(file, 'utf8'), new RegExp(old))
  assert.equal((await cli(...words, digestDefinition(turned))).code, 0)
})

test('all of a server are approved at once, and the first pin alone says what it takes away', async () => {
  tools = [echo, big]
  const file = await configured('    timeoutSeconds: 5')
  const one = await cli('tools', 'approve', 'files', 'echo', '--config', file, '--dry-run')
  assert.match(one.out, /with pins these are served no more, as they have none: big/)
  const all = await cli('tools', 'approve', 'files', '--config', file)
  assert.match(all.out, /2 approved, in /)
  const shown = await cli('tools', 'list', 'files', '--config', file)
  assert.doesNotMatch(shown.out, /definition-/)
})

test('what was listed in the pod of a gateway is approved elsewhere', async () => {
  requirement('gateway.approval-is-of-what-was-seen')
  tools = [turned]
  const file = await configured(`    pins: { echo: ${old} }`)
  const listed = join(folder, 'listed.json')
  await writeFile(listed, (await cli('tools', 'list', 'files', '--config', file, '--json')).out)
  tools = [echo]
  const done = await cli('tools', 'approve', 'files', '--listed', listed)
  assert.equal(done.code, 0, done.err)
  assert.match(await readFile(file, 'utf8'), new RegExp(digestDefinition(turned)))
  const other = await cli('tools', 'approve', 'web', '--listed', listed)
  assert.equal(other.code, 2)
})

for (const [what, argv, message] of [
  ['no configuration', ['tools', 'list', 'files'], /required option '--config <file>'/],
  ['another server', ['tools', 'list', 'fils', '--config'], /no tool server "fils"/],
  ['another tool', ['tools', 'approve', 'files', 'ecko', '--config'], /files has no tool "ecko"/],
] as const) {
  test(`${what} is an error of usage`, async () => {
    tools = [echo]
    const file = await configured('')
    const words = argv.at(-1) === '--config' ? [...argv, file] : argv
    const ended = await cli(...words)
    assert.equal(ended.code, 2)
    assert.match(ended.err, message)
  })
}

test('a tool server that does not answer is told', async () => {
  const file = await configured('')
  await writeFile(
    file,
    (await readFile(file, 'utf8')).replace(upstream.url, 'https://127.0.0.1:1/mcp'),
  )
  const ended = await cli('tools', 'list', 'files', '--config', file)
  assert.equal(ended.code, 1)
  assert.match(ended.err, /files: modern: /)
})
