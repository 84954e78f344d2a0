import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { CountersignError, quoted } from '../../errors.ts'
import { exportLog } from '../../ledger/audit/export-log.ts'
import { readHoldings, type Question } from '../../ledger/audit/holdings.ts'
import {
  auditLineOctetsMax,
  joinAuditLog,
  parseAuditLine,
  type Creation,
} from '../../ledger/audit/join-audit-log.ts'
import { proveGoesOn, proveRecord } from '../../ledger/audit/prove.ts'
import { readLedgers, type Placed } from '../../ledger/audit/read-ledgers.ts'
import { verifyLedger, type Findings } from '../../ledger/audit/verify-ledger.ts'
import { cosignLedger } from '../../ledger/audit/witness.ts'
import { readLogKey } from '../../tlog/log-key.ts'
import { formatVerifierKey, parseVerifierKey } from '../../tlog/note.ts'
import type { LedgerRecord, Retention, SegmentHead } from '../../ledger/record.ts'
import { Refused } from '../run-program.ts'
import type { Terminal } from '../terminal.ts'

/*
 * What an auditor asks of ledgers. All of it only reads, beside running signers or on copies, and needs no cluster. The
 * documents of --json have `version: 1`: members are added, never changed.
 */

interface Json {
  readonly json?: boolean
}

/** Prints records, one a line, of all ledgers by their time; `find` those in which the text stands as a whole value. */
export async function runLedgerShow(
  files: readonly string[],
  options: Json & { readonly value?: string },
  terminal: Terminal,
): Promise<void> {
  let found = 0
  for await (const placed of readLedgers(files)) {
    if (terminal.signal.aborted) throw new Refused()
    if (options.value !== undefined && !holds(placed.record, options.value)) continue
    found += 1
    terminal.out(options.json === true ? `${JSON.stringify(placed)}\n` : formatRecord(placed))
  }
  if (options.value === undefined || found > 0) return
  terminal.err(`countersign: no record has ${quoted(options.value, 300)}\n`)
  throw new Refused()
}

function holds(value: unknown, text: string): boolean {
  if (typeof value === 'string') return value === text
  if (typeof value !== 'object' || value === null) return false
  return Object.values(value).some((member) => holds(member, text))
}

function formatRecord({ ledger, index, record }: Placed): string {
  if (record.kind === 'ledger-segment' || record.kind === 'ledger-retention') {
    return `${record.time} ${ledger}#${index} ${formatMark(record)}\n`
  }
  const { time, kind, issuanceId, request } = record
  const where = `${shown(request.namespace)}/${shown(request.name)}`
  const what = whatOf(record)
  return `${time} ${ledger}#${index} ${kind.replace('issuance-', '')} ${issuanceId} ${where} ${what}\n`
}

function whatOf(record: LedgerRecord): string {
  if (record.kind === 'issuance-intent') {
    const { spiffeId, pod, serialNumber, notAfter } = record
    return `${spiffeId} to pod ${shown(pod.name)} serial ${serialNumber} until ${notAfter}`
  }
  if (record.kind === 'issuance-approval') {
    const { outcome, spiffeId, pod, message } = record
    return `${outcome} approved ${spiffeId} to pod ${shown(pod.name)}: ${shown(message)}`
  }
  if (record.kind === 'issuance-result') {
    return `${record.outcome}${record.detail === '' ? '' : `: ${shown(record.detail)}`}`
  }
  if (record.kind === 'issuance-refusal') {
    return `${record.reason} for pod ${shown(record.pod.name)}: ${shown(record.message)}`
  }
  if (record.kind === 'authority-verdict') {
    const { outcome, verdict, reason, requester, message } = record
    return `${outcome} ${verdict} ${reason} for ${shown(requester.username)}: ${shown(message)}`
  }
  const { outcome, verdict, reason, node, message } = record
  return `${outcome} ${verdict} ${reason} for node ${shown(node.name)}: ${shown(message)}`
}

/** What a ledger says of its own files. */
function formatMark(mark: SegmentHead | Retention): string {
  if (mark.kind === 'ledger-segment') {
    const { firstIndex, octets, sha256 } = mark.previous
    return `segment of the records from ${firstIndex} sealed: ${octets} octets, sha256 ${sha256}`
  }
  return `retention removes the records before ${mark.removedBefore}, sealed before ${mark.olderThan}`
}

/** Pods wrote parts of it: no octet of it moves a cursor. */
function shown(text: string): string {
  return text.replaceAll(/\p{C}/gu, '\u{FFFD}')
}

export interface HistoryOptions extends Json {
  readonly spiffeId?: string
  readonly pod?: string
  readonly node?: string
  readonly serial?: string
  readonly sha256?: string
  readonly at?: string
}

/** Who held what when. */
export async function runLedgerHistory(
  files: readonly string[],
  options: HistoryOptions,
  terminal: Terminal,
): Promise<void> {
  const { spiffeId, pod, node, serial, sha256 } = options
  const at = options.at === undefined ? undefined : Date.parse(options.at)
  if (Number.isNaN(at)) throw usage(`--at: want=RFC 3339 time got=${quoted(options.at ?? '')}`)
  const question: Question = { spiffeId, pod, node, serialNumber: serial, sha256, at }
  const holdings = await readHoldings(readLedgers(files), question)
  if (options.json === true) {
    terminal.out(`${JSON.stringify({ version: 1, holdings })}\n`)
    return
  }
  for (const each of holdings) {
    const { spiffeId: id, outcome, serialNumber, notBefore, notAfter } = each
    const where = `pod ${shown(each.pod.namespace)}/${shown(each.pod.name)} (${shown(each.pod.uid)}) on ${shown(each.node)}`
    terminal.out(
      `${notBefore} .. ${notAfter} ${id} ${where} serial ${serialNumber} ${outcome} ${each.ledger}#${each.index}\n`,
    )
  }
  if (holdings.length === 0) terminal.out('nobody, as far as these ledgers say\n')
}

export interface VerifyOptions extends Json {
  readonly key?: string
  readonly witness?: readonly string[]
  readonly quorum?: string
  readonly checkpoint?: readonly string[]
}

/** Reads each ledger whole. Throws `Refused`, after telling the place, when anything was changed or cut. */
export async function runLedgerVerify(
  files: readonly string[],
  options: VerifyOptions,
  terminal: Terminal,
): Promise<void> {
  const log = options.key === undefined ? undefined : parseVerifierKey(options.key)
  const witnesses = (options.witness ?? []).map(parseVerifierKey)
  const quorum = options.quorum === undefined ? witnesses.length : Number(options.quorum)
  if (!Number.isInteger(quorum) || quorum < 0 || quorum > witnesses.length) {
    throw usage(`--quorum: want=0..${witnesses.length} got=${quoted(options.quorum ?? '')}`)
  }
  const kept = options.checkpoint ?? []
  if (files.length > 1 && (log !== undefined || kept.length > 0)) {
    throw usage('--key and --checkpoint are of one ledger: verify each by itself')
  }
  const all: Findings[] = []
  for (const file of files) {
    const findings = await verifyLedger(file, { log, witnesses, kept })
    const best = Math.max(0, ...findings.checkpoints.map((each) => each.witnesses.length))
    const few = { place: file, problem: `witnesses: want≥${quorum} on one checkpoint got=${best}` }
    all.push(best < quorum ? { ...findings, problems: [...findings.problems, few] } : findings)
  }
  if (options.json === true) terminal.out(`${JSON.stringify({ version: 1, ledgers: all })}\n`)
  else for (const findings of all) terminal.out(formatFindings(findings))
  if (all.some(({ problems }) => problems.length > 0)) throw new Refused()
}

function formatFindings(findings: Findings): string {
  const { file, size, rootHash, removed, unfinishedOctets, checkpoints, problems } = findings
  const lines = [`${file}: ${size} records, root ${rootHash}`]
  if (removed !== null) {
    lines.push(`  records 0..${removed.before - 1} were removed by retention at ${removed.time}`)
  }
  if (unfinishedOctets > 0) lines.push(`  ${unfinishedOctets} octets of a write that is not done`)
  for (const { place, origin, size: of, signed, witnesses } of checkpoints) {
    const by =
      signed === null ? 'signature not checked: no --key' : signed ? 'signed' : 'not signed'
    const seen = witnesses.length === 0 ? '' : `, seen by ${witnesses.join(', ')}`
    lines.push(`  ${place}: ${origin}, ${of} records, ${by}${seen}`)
  }
  for (const { place, problem } of problems) lines.push(`  PROBLEM at ${place}: ${problem}`)
  if (problems.length === 0) lines.push('  nothing was changed or cut, as far as these say')
  return `${lines.join('\n')}\n`
}

export interface ProveOptions extends Json {
  readonly index?: string
  readonly leafHash?: string
  readonly from?: string
}

/** Prints a proof that a record is in the published log, or that the log goes on from an earlier size. */
export async function runLedgerProve(
  file: string,
  options: ProveOptions,
  terminal: Terminal,
): Promise<void> {
  const { index, leafHash, from } = options
  const asked = [index, leafHash, from].filter((each) => each !== undefined)
  if (asked.length !== 1) {
    throw usage('want=--index <record>, --leaf-hash <hash> or --from <size>')
  }
  const whole = index ?? from ?? '0'
  if (!/^\d{1,15}$/.test(whole)) throw usage(`want=a whole number got=${quoted(whole)}`)
  if (leafHash !== undefined && !/^[0-9a-f]{64}$/.test(leafHash)) {
    throw usage(`--leaf-hash: want=64 hex digits got=${quoted(leafHash)}`)
  }
  const { what, named, hashes, text, checkpoint } =
    from === undefined
      ? await proveRecord(file, leafHash ?? Number(whole))
      : await proveGoesOn(file, Number(whole))
  if (options.json === true) {
    const proof = hashes.map((hash) => hash.toString('hex'))
    terminal.out(`${JSON.stringify({ version: 1, ...what, ...checkpoint, proof })}\n`)
    return
  }
  const lines = hashes.map((hash) => `${hash.toString('base64')}\n`).join('')
  terminal.out(`${named}\n${lines}\n${text}`)
}

/** Writes the log as any web server can serve it. */
export async function runLedgerExport(
  file: string,
  folder: string,
  terminal: Terminal,
): Promise<void> {
  const size = await exportLog(file, folder)
  terminal.out(`${size} records in ${folder}\n`)
}

export interface CosignOptions {
  readonly key?: string
  readonly witnessKey?: string
  readonly witnessName?: string
  readonly state?: string
  readonly makeKey?: boolean
}

/** A witness without a network: prints the checkpoint with its signature, and on the other stream its verifier key. */
export async function runLedgerCosign(
  file: string,
  options: CosignOptions,
  terminal: Terminal,
): Promise<void> {
  const { key, witnessKey, witnessName, state } = options
  if (!key || !witnessKey || !witnessName || !state) {
    throw usage('want=--key, --witness-key, --witness-name and --state')
  }
  const log = parseVerifierKey(key)
  const privateKey = await readLogKey(witnessKey, { make: options.makeKey === true })
  const witness = { name: witnessName, privateKey, state, now: Date.now }
  const { cosigned, verifier } = await cosignLedger(file, log, witness)
  terminal.out(cosigned)
  terminal.err(`witness key: ${formatVerifierKey(verifier)}\n`)
}

/** Names each request that did not come from the kubelet of its pod's node. Throws `Refused` when there is one. */
export async function runLedgerJoin(
  files: readonly string[],
  options: Json & { readonly auditLog?: readonly string[] },
  terminal: Terminal,
): Promise<void> {
  if (options.auditLog === undefined) throw usage('want=--audit-log <file>')
  const creations: Creation[] = []
  let unreadableLines = 0
  for (const file of options.auditLog) {
    for await (const line of linesOf(file)) {
      const creation = line.length > auditLineOctetsMax ? 'unreadable' : parseAuditLine(line)
      if (creation === 'unreadable') unreadableLines += 1
      else if (creation !== undefined) creations.push(creation)
    }
  }
  const joined = await joinAuditLog(readLedgers(files), creations)
  const strange = joined.filter(({ maker }) => maker !== 'kubelet')
  if (options.json === true) {
    terminal.out(`${JSON.stringify({ version: 1, unreadableLines, requests: joined })}\n`)
  } else {
    for (const { request, pod, node, by, maker, ledger, index } of strange) {
      const who = maker === 'unknown' ? 'no event of its creation' : `made by ${shown(by)}`
      const what = `${shown(request.namespace)}/${shown(request.name)} for pod ${shown(pod)} on ${shown(node)}`
      terminal.out(`${what}: ${who} ${ledger}#${index}\n`)
    }
    const known = joined.length - strange.length
    terminal.out(`${joined.length} requests, ${known} of them from the kubelet of their node\n`)
    if (unreadableLines > 0) terminal.out(`${unreadableLines} lines are no audit events\n`)
  }
  if (strange.length > 0) throw new Refused()
}

async function* linesOf(file: string): AsyncGenerator<string> {
  const input = createReadStream(file, 'utf8')
  try {
    for await (const line of createInterface({ input, crlfDelay: Infinity })) {
      if (line !== '') yield line
    }
  } catch (cause) {
    const hint = 'the audit log of the API server, one JSON event a line'
    throw new CountersignError('cli/usage', `cannot read ${quoted(file, 300)}`, { cause, hint })
  } finally {
    input.destroy()
  }
}

function usage(rule: string): CountersignError {
  return new CountersignError('cli/usage', rule, { hint: 'countersign ledger --help' })
}
