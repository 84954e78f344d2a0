import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { meetUpstream, parseUpstream, type OwnServer } from '../../../dev/story/own-server.ts'
import { CountersignError } from '../../../src/errors.ts'

const program = join(import.meta.dirname, '../../support/own-server.ts')
const environment = { PATH: process.env['PATH'] }

function meet(upstream: string): Promise<OwnServer> {
  return meetUpstream(parseUpstream(upstream), { environment, timeoutMilliseconds: 60_000 })
}

const read: readonly (readonly [text: string, upstream: object])[] = [
  ['http://127.0.0.1:3000/mcp', { kind: 'url', url: 'http://127.0.0.1:3000/mcp' }],
  ['https://localhost/mcp', { kind: 'url', url: 'https://localhost/mcp' }],
  ['http://[::1]:3000', { kind: 'url', url: 'http://[::1]:3000/' }],
  ['node server.js', { kind: 'command', program: 'node', words: ['server.js'] }],
  [
    `npx -y "a b" 'c "d"' e\\ f "g\\"h"`,
    { kind: 'command', program: 'npx', words: ['-y', 'a b', 'c "d"', 'e f', 'g"h'] },
  ],
  ["/opt/my' 'server --x=''y", { kind: 'command', program: '/opt/my server', words: ['--x=y'] }],
]

for (const [text, upstream] of read) {
  test(`${text} is read as an upstream`, () => {
    assert.deepEqual(parseUpstream(text), upstream)
  })
}

const refused: readonly (readonly [text: string, message: RegExp])[] = [
  ['https://mcp.example.com/mcp', /want=a server on this machine got="mcp\.example\.com"/],
  ['http://127.0.0.1.example.com/', /want=a server on this machine/],
  ['ftp://127.0.0.1/mcp', /want=an http or https URL/],
  ['http://', /want=an http or https URL/],
  ['', /want=a URL or a command got=nothing/],
  ['   ', /want=a URL or a command got=nothing/],
]

function isUsage(error: unknown, message: RegExp): boolean {
  assert.ok(error instanceof CountersignError)
  assert.equal(error.code, 'cli/usage')
  assert.match(error.message, message)
  assert.doesNotMatch(error.message, /\n/)
  assert.ok(error.hint !== undefined && error.hint !== '')
  return true
}

for (const [text, message] of refused) {
  test(`${JSON.stringify(text)} is no upstream, and the message says why`, () => {
    assert.throws(
      () => parseUpstream(text),
      (error) => isUsage(error, message),
    )
  })
}

const met = [{ name: 'echo', sample: { words: 'hello' } }]

// The command of an older server is in test/e2e/story.test.ts.
test('a server of MCP 2026-07-28 is met as a command', async () => {
  const { tools } = await meet(`"${process.execPath}" "${program}" modern stdio`)
  assert.deepEqual(tools, met)
})

test('a server of MCP 2025-11-25 is met at its URL', async () => {
  const child = spawn(process.execPath, [program, 'legacy', 'http'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  try {
    const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
    assert.deepEqual((await meet(url)).tools, met)
  } finally {
    const ended = once(child, 'exit')
    child.kill()
    await ended
  }
})

/** A port that was free a moment ago. */
async function silentUrl(): Promise<string> {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  await once(server.close(), 'close')
  return `http://127.0.0.1:${port}/mcp`
}

const node = `"${process.execPath}"`

const unfit: readonly (readonly [what: string, upstream: () => string, message: RegExp])[] = [
  [
    'a command that is not there',
    () => 'no-such-program --x',
    /"no-such-program" cannot be started/,
  ],
  ['a command that ends at once', () => `${node} --version`, /does not speak MCP/],
  ['a command that talks about other things', () => `${node} -p 1`, /does not speak MCP/],
]

for (const [what, upstream, message] of unfit) {
  test(`${what} is named in one line`, async () => {
    await assert.rejects(meet(upstream()), (error) => isUsage(error, message))
  })
}

test('a URL at which nothing answers is named in one line', async () => {
  const silent = meet(await silentUrl())
  await assert.rejects(silent, (error) =>
    isUsage(error, /nothing answers at http:\/\/127\.0\.0\.1:/),
  )
})

test('a web page is no MCP server', async () => {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>hello</h1>')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  try {
    const page = meet(`http://127.0.0.1:${port}/`)
    await assert.rejects(page, (error) => isUsage(error, /does not speak MCP/))
  } finally {
    server.close()
    server.closeAllConnections()
  }
})
