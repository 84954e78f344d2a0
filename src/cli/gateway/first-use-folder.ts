import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CountersignError, quoted } from '../../errors.ts'
import type { FirstUse } from '../../gateway/catalogue/pins.ts'
import type { Log } from '../../log.ts'

/** Of one tool server, as many as a ToolServer may pin: it must not fill the disk with ever new names. */
const toolsMax = 1000

/**
 * Remembers definitions in a folder: a file for each tool of each server, made once and never written again. It is made before anything
 * is trusted, and only one of several processes can make it, so workers and replicas of one volume are of one mind. What cannot be
 * read or made trusts nothing. Throws `cli/configuration` where the folder cannot be made.
 */
export function openFirstUseFolder(folder: string, log: Log): FirstUse {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (cause) {
    const got = (cause as NodeJS.ErrnoException).code ?? 'unknown'
    const message = `firstUseFolder: cannot make ${quoted(folder, 300)}, got=${got}`
    const hint = 'a folder that the gateway may write, and that outlives it'
    throw new CountersignError('cli/configuration', message, { cause, hint })
  }
  const known = new Map<string, Map<string, string>>()
  let isTold = false

  function digestsOf(server: string): Map<string, string> {
    const digests = known.get(server) ?? readServer(join(folder, server))
    known.set(server, digests)
    return digests
  }
  function complain(error: unknown): undefined {
    if (!isTold) log.error({ error }, 'first use cannot be remembered, so nothing new is trusted')
    isTold = true
    return undefined
  }
  return {
    recall: (server, tool) => digestsOf(server).get(tool),
    remember(server, tool, digest) {
      try {
        const digests = digestsOf(server)
        const before = digests.get(tool)
        if (before !== undefined) return before
        if (digests.size >= toolsMax) return undefined
        const kept = keep(join(folder, server), tool, digest)
        if (kept !== undefined) digests.set(tool, kept)
        return kept
      } catch (error) {
        return complain(error)
      }
    },
  }
}

/** Makes the file of a tool, or reads what another process has made it of. */
function keep(folder: string, tool: string, digest: string): string | undefined {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  // A name of a tool is whatever its server says.
  const file = join(folder, createHash('sha256').update(tool).digest('hex'))
  try {
    writeFileSync(file, JSON.stringify({ tool, digest }), { flag: 'wx', mode: 0o600 })
    return digest
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const found = readOne(file)
  return found?.tool === tool ? found.digest : undefined
}

interface Remembered {
  readonly tool: string
  readonly digest: string
}

function readServer(folder: string): Map<string, string> {
  const digests = new Map<string, string>()
  for (const name of namesIn(folder).slice(0, toolsMax)) {
    const found = readOne(join(folder, name))
    if (found !== undefined) digests.set(found.tool, found.digest)
  }
  return digests
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).toSorted()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** What was not written to its end says nothing, and stays in the way of another first use. */
function readOne(file: string): Remembered | undefined {
  try {
    const { tool, digest } = JSON.parse(readFileSync(file, 'utf8')) as Partial<Remembered>
    const isWhole = typeof tool === 'string' && /^[0-9a-f]{64}$/.test(String(digest))
    return isWhole ? { tool, digest: String(digest) } : undefined
  } catch {
    return undefined
  }
}
