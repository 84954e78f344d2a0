import { CountersignError, quoted } from '../errors.ts'
import { isLowerCaseLabelValue } from './kubernetes-name.ts'

/** Some tools of one server: a tool by its name, or all whose names begin with a prefix (`github:issues_*`). */
export interface ToolScope {
  readonly server: string
  /** The tool's name, or the prefix without its star (empty for `server:*`). */
  readonly tool: string
  readonly prefix: boolean
  /** The one spelling; two scopes are the same exactly when their texts are. */
  readonly text: string
}

/** A server of 63 characters, a colon, and a tool of 128 (the bound of MCP 2026-07-28 tools for names). */
const scopeCharactersMax = 192

/** Parses a tool scope. The only wildcard is one star at the very end. Throws `identity/tool-scope`. */
export function parseToolScope(text: string): ToolScope {
  if (text.length > scopeCharactersMax) {
    throw refused(`tool scope is too long, want=..${scopeCharactersMax} got=${text.length}`)
  }
  const colon = text.indexOf(':')
  if (colon === -1) throw refused(`tool scope has no colon, want=server:tool got=${quoted(text)}`)
  const server = text.slice(0, colon)
  if (!isLowerCaseLabelValue(server)) {
    throw refused(
      `server of a tool scope is not a lower-case label value of 1..63 characters, got=${quoted(text)}`,
    )
  }
  const pattern = text.slice(colon + 1)
  const prefix = pattern.endsWith('*')
  const tool = prefix ? pattern.slice(0, -1) : pattern
  if (pattern.length > 128 || (!(prefix && tool === '') && !isToolName(tool))) {
    throw refused(
      `tool of a tool scope is not 1..128 characters of [A-Za-z0-9_.-] with at most one star at the end, got=${quoted(text)}`,
    )
  }
  return { server, tool, prefix, text }
}

/** Whether the wider scope has every tool that the narrower one has, of every server there can ever be. */
export function containsToolScope(wider: ToolScope, narrower: ToolScope): boolean {
  if (wider.server !== narrower.server) return false
  if (wider.prefix) return narrower.tool.startsWith(wider.tool)
  return !narrower.prefix && narrower.tool === wider.tool
}

/** Whether the scope has this tool. A name outside the grammar of tool names is in no scope, not even in `server:*`. */
export function coversTool(scope: ToolScope, server: string, tool: string): boolean {
  if (scope.server !== server || !isToolName(tool)) return false
  return scope.prefix ? tool.startsWith(scope.tool) : tool === scope.tool
}

function isToolName(text: string): boolean {
  return /^[A-Za-z0-9_.-]{1,128}$/.test(text)
}

function refused(message: string): CountersignError {
  return new CountersignError('identity/tool-scope', message)
}
