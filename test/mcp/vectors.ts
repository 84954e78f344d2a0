import { readFileSync } from 'node:fs'

/** The lines of a vector file, each one JSON object. */
export function readVectors<T>(name: string): T[] {
  const text = readFileSync(new URL(`../vectors/mcp/${name}`, import.meta.url), 'utf8')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)
}

/** A raw header list as Node gives it, of a modern `tools/call` of `read` unless told otherwise; null leaves a line out. */
export function headerList(changes: Readonly<Record<string, string | null>> = {}): string[] {
  const headers: Record<string, string | null> = {
    Host: 'localhost',
    Accept: 'application/json, text/event-stream',
    'Content-Type': 'application/json',
    'MCP-Protocol-Version': '2026-07-28',
    'Mcp-Method': 'tools/call',
    'Mcp-Name': 'read',
    ...changes,
  }
  return Object.entries(headers).flatMap(([name, value]) => (value === null ? [] : [name, value]))
}
