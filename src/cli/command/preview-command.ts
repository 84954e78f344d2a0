import { CountersignError, quoted } from '../../errors.ts'
import { isDnsLabel } from '../../identity/kubernetes-name.ts'
import { parseChange, withChanges } from '../../signer/preview/changes.ts'
import {
  isLost,
  previewPods,
  type CertificateContent,
  type Previewed,
  type Said,
} from '../../signer/preview/preview.ts'
import { readProtection } from '../../signer/preview/protection.ts'
import { readSnapshot } from '../../signer/preview/read-snapshot.ts'
import type { Snapshot } from '../../signer/preview/snapshot.ts'
import { enforcementModes, type EnforcementMode } from '../../signer/verdict/enforcement.ts'
import type { FieldRefusal } from '../../signer/verdict/verdict.ts'
import type { Requester } from '../../signer/verdict/check.ts'
import { readConfiguration } from '../configuration.ts'
import { requiredFile } from '../required-file.ts'
import { Refused } from '../run-program.ts'
import { signerSchema, type SignerConfig } from '../signer/signer-configuration.ts'
import type { PolicyConfig } from '../shared-configuration.ts'
import type { Terminal } from '../terminal.ts'
import { openJudge, readObjectFiles, requesterOf } from './judging.ts'
import { openClient } from './open-client.ts'

export interface PreviewOptions {
  readonly config?: string
  readonly kubeconfig?: string
  readonly objects?: readonly string[]
  readonly label?: readonly string[]
  readonly annotation?: readonly string[]
  readonly mode?: readonly string[]
  readonly policy?: string
  readonly data?: readonly string[]
  readonly all?: boolean
  readonly json?: boolean
}

/**
 * Says which running pods would lose their certificate at their next refresh, or get another one, if something were changed. Throws
 * `Refused` where one would lose it.
 */
export async function runPreview(
  options: PreviewOptions,
  terminal: Terminal,
  now: () => number = Date.now,
): Promise<void> {
  const config = await readConfiguration(requiredFile(options.config, 'preview'), signerSchema)
  const changes = [
    ...(options.label ?? []).map((text) => parseChange(text, 'labels')),
    ...(options.annotation ?? []).map((text) => parseChange(text, 'annotations')),
  ]
  const changedPolicy = policyOf(config, options)
  const changedModes = modesAfter(config, options.mode ?? [])
  const { length } = [...changes, ...(options.mode ?? [])]
  if (length === 0 && changedPolicy === config.policy) {
    const message = 'nothing would change, want=--label, --annotation, --mode, --policy or --data'
    throw new CountersignError('cli/usage', message, { hint: 'countersign preview --help' })
  }
  const { snapshot, requester } = await seenBy(config, options, terminal.signal)
  const changed = withChanges(snapshot, changes)
  const judging = { requester, now, signal: terminal.signal }
  await using judge = await openJudge(config, config.policy, judging)
  await using judgeAfter = await openJudge(changedModes, changedPolicy, judging)
  const rows = previewPods(
    { snapshot, judge },
    { snapshot: changed, judge: judgeAfter },
    config.signerName,
  )
  const shown = options.all === true ? rows : rows.filter(({ change }) => change !== 'none')
  if (options.json === true) {
    const looked = rows.length
    terminal.out(`${JSON.stringify({ version: 1, looked, certificates: shown })}\n`)
  } else terminal.out(`${[...shown.map(format), summary(rows)].join('\n')}\n`)
  if (rows.some(isLost)) throw new Refused()
}

function policyOf(
  { policy }: SignerConfig,
  { policy: bundle, data }: PreviewOptions,
): PolicyConfig {
  if (bundle === undefined && data === undefined) return policy
  const own = { bundle, service: undefined }
  return { ...policy, ...(bundle === undefined ? {} : own), data: data ?? policy.data }
}

/** The configuration with `<namespace>=<mode>` for each of them, by the rules of the file. */
function modesAfter(config: SignerConfig, texts: readonly string[]): SignerConfig {
  const modes = texts.map((text): readonly [string, EnforcementMode] => {
    const [, namespace = '', given] = /^([^=]*)=(.*)$/s.exec(text) ?? []
    const mode = enforcementModes.find((each) => each === given)
    if (mode !== undefined && isDnsLabel(namespace)) return [namespace, mode]
    const want = `<namespace>=${enforcementModes.join('|')}`
    throw new CountersignError('cli/usage', `--mode: want=${want} got=${quoted(text, 300)}`)
  })
  const namespaces = { ...config.enforcement.namespaces, ...Object.fromEntries(modes) }
  return { ...config, enforcement: { namespaces } }
}

async function seenBy(
  config: SignerConfig,
  { objects, kubeconfig }: PreviewOptions,
  signal: AbortSignal,
): Promise<{ readonly snapshot: Snapshot; readonly requester: Requester }> {
  if (objects !== undefined) {
    const { snapshot, protection } = await readObjectFiles(objects, config.claims)
    return { snapshot, requester: await requesterOf(config, () => Promise.resolve(protection)) }
  }
  const client = openClient(kubeconfig ?? config.kubeconfig, 'preview')
  try {
    const requester = await requesterOf(config, (name) => readProtection(client, name, signal))
    return { snapshot: await readSnapshot(client, config.claims?.owners, signal), requester }
  } finally {
    client.close()
  }
}

const marks: Readonly<Record<Previewed['change'], string>> = {
  refused: 'REFUSED',
  waiting: 'WAITS',
  other: 'other',
  warned: 'warned',
  issued: 'issued',
  none: 'as now',
}

function format({ pod, volume, change, before, after }: Previewed): string {
  const lines = [`${marks[change].padEnd(9)}${pod}  volume ${volume}`]
  if (change === 'other' || change === 'warned') lines.push(...differences(before, after))
  else if (after.verdict === 'wait') lines.push(`    ${after.why}`)
  for (const { field, asked, proved, change: wanted } of refusedFields(after)) {
    lines.push(`    ${field}: asked ${asked}; proved: ${proved}; fix: ${wanted}`)
  }
  return lines.join('\n')
}

function refusedFields(said: Said): readonly FieldRefusal[] {
  if (said.verdict === 'deny') return said.fields
  return (said.verdict === 'issue' && said.wouldDeny?.fields) || []
}

function differences(before: Said, after: Said): readonly string[] {
  if (before.verdict !== 'issue' || after.verdict !== 'issue') return []
  const was = before.certificate
  return Object.entries(after.certificate).flatMap(([name, value]) => {
    const [from, to] = [textOf(was[name as keyof typeof was]), textOf(value)]
    return from === to ? [] : [`    ${name}: ${from} -> ${to}`]
  })
}

function textOf(value: CertificateContent[keyof CertificateContent]): string {
  const text = typeof value === 'object' ? value.join(', ') : String(value ?? '')
  return text === '' ? 'none' : text
}

function summary(rows: readonly Previewed[]): string {
  const count = (change: Previewed['change']): number =>
    rows.filter((row) => row.change === change).length
  return `${rows.length} certificates of running pods: ${count('refused')} refused, ${count('waiting')} waiting, ${count('other')} other, ${count('warned')} warned, ${count('issued')} issued that are not now, ${count('none')} as now`
}
