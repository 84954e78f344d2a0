import { CountersignError } from '../../../errors.ts'
import { verifyLog, type LogFindings } from '../../../policy/checkpoints/verify-log.ts'
import { parseVerifierKey, type NoteVerifier } from '../../../tlog/note.ts'
import { Refused } from '../../run-program.ts'
import type { Terminal } from '../../terminal.ts'

export interface VerifyDecisionsOptions {
  readonly key?: string
  readonly checkpoint?: readonly string[]
  readonly json?: boolean
}

/** Reads a log whole. Throws `Refused`, after telling the places, where it is not what its checkpoints say. */
export async function runVerifyDecisions(
  file: string,
  options: VerifyDecisionsOptions,
  { out }: Pick<Terminal, 'out'>,
): Promise<void> {
  const log = options.key === undefined ? undefined : parseKey(options.key)
  const findings = await verifyLog(file, { log, witnesses: [], kept: options.checkpoint ?? [] })
  out(
    options.json === true
      ? `${JSON.stringify({ version: 1, log: findings })}\n`
      : formatFindings(findings),
  )
  if (findings.problems.length > 0) throw new Refused()
}

function parseKey(text: string): NoteVerifier {
  try {
    return parseVerifierKey(text)
  } catch (cause) {
    const hint = 'its writer says it at its start: the decision log is signed'
    throw new CountersignError('cli/usage', `--key: ${messageOf(cause)}`, { cause, hint })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function formatFindings(findings: LogFindings): string {
  const { file, size, rootHash, segments, checkpoints, problems } = findings
  const lines = [`${shown(file)}: ${size} lines, root ${rootHash}`]
  const told: readonly (readonly [count: number, text: string])[] = [
    [findings.removedBefore, 'lines were written over by rotation'],
    [findings.unsignedLines, 'lines are covered by no checkpoint yet'],
    [findings.unfinishedOctets, 'octets of a write that is not done'],
  ]
  for (const { path, firstIndex, lines: count } of segments) {
    lines.push(`  ${shown(path)}: ${count} lines from ${firstIndex} on`)
  }
  for (const path of findings.notCovered) {
    lines.push(`  ${shown(path)}: covered by no checkpoint`)
  }
  for (const { place, origin, size: of, signed } of checkpoints) {
    const by =
      signed === null ? 'signature not checked: no --key' : signed ? 'signed' : 'not signed'
    lines.push(`  ${shown(place)}: ${shown(origin)}, ${of} lines, ${by}`)
  }
  for (const [count, text] of told) if (count > 0) lines.push(`  ${count} ${text}`)
  for (const { place, problem } of problems) {
    lines.push(`  PROBLEM at ${shown(place)}: ${shown(problem)}`)
  }
  if (problems.length === 0) lines.push('  nothing was changed or cut, as far as these say')
  return `${lines.join('\n')}\n`
}

/** Others name files, and whoever has changed a log may have named its checkpoint: no octet of it moves a cursor. */
function shown(text: string): string {
  return text.replaceAll(/\p{C}/gu, '\u{FFFD}')
}
