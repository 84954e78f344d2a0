/**
 * An MCP server as its authors write them, with either generation of the official SDK, on standard input and output or on
 * HTTP: `own-server.ts <modern|legacy> <stdio|http>`. On HTTP it prints its URL.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { McpServer as LegacyServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { z } from 'zod'

const words = { words: z.string() }
const echo = { description: 'Says it again.' }

function answer(input: { words: string }): { content: [{ type: 'text'; text: string }] } {
  return { content: [{ type: 'text', text: `${process.env['GREETING'] ?? ''}${input.words}` }] }
}

function modern(): McpServer {
  const server = new McpServer({ name: 'echo', version: '1.0.0' })
  server.registerTool('echo', { ...echo, inputSchema: z.object(words) }, answer)
  return server
}

function legacy(): LegacyServer {
  const server = new LegacyServer({ name: 'echo', version: '1.0.0' })
  server.registerTool('echo', { ...echo, inputSchema: words }, answer)
  return server
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  return chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString('utf8'))
}

type Handle = (request: IncomingMessage, response: ServerResponse) => Promise<void>

const serveModern = toNodeHandler(createMcpHandler(modern))
// The SDK's own types differ on undefined members (exactOptionalPropertyTypes).
const handleModern: Handle = (request, response) =>
  serveModern(request as Parameters<typeof serveModern>[0], response)

/** Without sessions: one transport a request. */
const handleLegacy: Handle = async (request, response) => {
  const transport = new StreamableHTTPServerTransport()
  await legacy().connect(transport)
  await transport.handleRequest(request, response, await bodyOf(request))
}

const [generation, way] = process.argv.slice(2)
if (way === 'stdio' && generation === 'modern') serveStdio(modern)
else if (way === 'stdio') await legacy().connect(new StdioServerTransport())
else {
  const handle = generation === 'modern' ? handleModern : handleLegacy
  const server = createServer((request, response) => void handle(request, response))
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo
    process.stdout.write(`http://127.0.0.1:${port}/mcp\n`)
  })
  process.stdin.resume().once('end', () => server.close())
}
