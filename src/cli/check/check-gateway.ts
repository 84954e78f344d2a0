import { access } from 'node:fs/promises'
import { ok, problem, warning, type Judgement } from '../../doctor/check.ts'
import { formatChecks } from '../../doctor/format-report.ts'
import { bounded, counted, formatTime, type Report } from '../../doctor/report.ts'
import { CountersignError, quoted } from '../../errors.ts'
import { parseIdentityExtensionOid } from '../../pki/identity-extension-oid.ts'
import { version } from '../../version.ts'
import {
  checkCredential,
  checkDecisionLog,
  checkPolicy,
  checkHandleKeys,
  checkTrustBundle,
} from './check-files.ts'
import { checkToolServers } from './check-tool-servers.ts'
import { checkReceiver } from './check-receiver.ts'
import { checkUpstream, type UpstreamCheckOptions } from './check-upstream.ts'
import { readConfiguration } from '../configuration.ts'
import {
  gatewaySchema,
  upstreamConfigOf,
  type GatewayConfig,
} from '../gateway/gateway-configuration.ts'
import type { UpstreamConfig } from '../../gateway/upstream/upstream.ts'
import { Refused } from '../run-program.ts'
import type { Terminal } from '../terminal.ts'

/** Every check has a name: docs/TROUBLESHOOTING.md has a row for each. Those of tool servers have the server's name behind them. */
export type GatewayCheckName =
  | 'configuration'
  | 'credential'
  | 'trust-bundle'
  | 'handle-keys'
  | 'policy'
  | 'decision-receiver'
  | 'decision-log'
  | 'tool-servers'
  | 'upstream'

interface CheckReport extends Judgement {
  readonly name: GatewayCheckName | `upstream ${string}`
}

/** The document of `--json` (docs/OPERATING.md). Members are added, never changed, as long as `version` stays. */
export interface GatewayReport extends Pick<Report, 'version' | 'release' | 'status' | 'counts'> {
  /** Its file. */
  readonly configuration: string
  /** RFC 3339. */
  readonly checkedAt: string
  readonly checks: readonly CheckReport[]
}

/** So many tool servers are asked at once. */
const atOnceMax = 8

/**
 * Checks a gateway's configuration and what it points at, before a gateway does. It writes nothing and calls no tool. Throws `Refused`
 * when there is a problem, so that the exit code is 1.
 */
export async function runGatewayCheck(
  file: string,
  options: { readonly json?: boolean },
  terminal: Terminal,
  now: () => number = Date.now,
): Promise<void> {
  await readable(file)
  const progress = (line: string): void => terminal.err(`${line}\n`)
  const checks = await checkGateway(file, { signal: terminal.signal, now, progress })
  // Whoever stops it knows that it has not ended.
  if (terminal.signal.aborted) throw new Refused()
  const report: GatewayReport = {
    version: 1,
    release: version,
    configuration: file,
    checkedAt: formatTime(now()),
    ...counted(checks),
    checks,
  }
  const text = formatChecks(`countersign ${version}, gateway configuration ${file}`, report)
  terminal.out(options.json === true ? `${JSON.stringify(report)}\n` : text)
  if (report.status === 'problem') throw new Refused()
}

async function readable(file: string): Promise<void> {
  try {
    await access(file)
  } catch (cause) {
    throw new CountersignError('cli/usage', `cannot read ${quoted(file, 300)}`, {
      cause,
      hint: 'countersign gateway check <config>',
    })
  }
}

interface CheckOptions {
  readonly signal: AbortSignal
  readonly now: () => number
  readonly progress: (line: string) => void
}

/** All checks, in the order of the report. */
async function checkGateway(
  file: string,
  { signal, now, progress }: CheckOptions,
): Promise<readonly CheckReport[]> {
  const reports: CheckReport[] = []
  const say = (name: CheckReport['name'], judgement: Judgement): void => {
    reports.push({ name, ...bounded(judgement) })
  }
  const read = await readAll(file)
  if ('judgement' in read) {
    say('configuration', read.judgement)
    return reports
  }
  const { config, identityExtensionOid } = read
  say('configuration', ok('every field is as it should be'))
  const at = { identityExtensionOid, now: now() }
  const credential = await checkCredential(config, at)
  say('credential', credential.judgement)
  const own = credential.value
  const trustBundle = await checkTrustBundle(config, { credential: own, now: now() })
  say('trust-bundle', trustBundle.judgement)
  say('handle-keys', await checkHandleKeys(config, now()))
  say('policy', await checkPolicy(config, signal))
  say('decision-log', await checkDecisionLog(config))
  const { upload } = config.decisionLog
  if (upload !== undefined) say('decision-receiver', await checkReceiver(upload, signal))
  if (own === undefined || trustBundle.value === undefined) {
    const hint = 'mend credential and trust bundle first: a connection is made with both'
    if (config.toolServers)
      say('tool-servers', warning('not checked: whose they are to be is not known', { hint }))
    say('upstream', warning('not checked: nobody can be connected to', { hint }))
    return reports
  }
  const bundle = trustBundle.value
  const options = { credential: own, trustBundle: bundle, identityExtensionOid, now, signal }
  const ofResources = config.toolServers ? await checkToolServers(config, options) : undefined
  if (ofResources !== undefined) say('tool-servers', ofResources.judgement)
  const configured = config.upstreams.map(upstreamConfigOf)
  const asked = { ...options, progress }
  return [
    ...reports,
    ...(await checkUpstreams(configured, asked)),
    ...(await checkUpstreams(ofResources?.accepted ?? [], asked)).map(ofAuthor),
  ]
}

/** What is wrong with a tool server that a resource names is for its author to mend: the gateway goes on without it. */
function ofAuthor({ status, hint, ...report }: CheckReport): CheckReport {
  if (status !== 'problem') return { ...report, status, ...(hint === undefined ? {} : { hint }) }
  const own = 'spec.service of its ToolServer says where it is, spec.serviceAccount who'
  return { ...report, status: 'warning', hint: own }
}

type Read =
  | { readonly judgement: Judgement }
  | { readonly config: GatewayConfig; readonly identityExtensionOid: string }

async function readAll(file: string): Promise<Read> {
  try {
    const config = await readConfiguration(file, gatewaySchema)
    const { identityExtensionOid: oid } = config
    return { config, identityExtensionOid: parseIdentityExtensionOid(oid, config) }
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    const evidence = error.message.split('; ')
    const hint = error.hint ?? 'every field is described in docs/OPERATING.md'
    return { judgement: problem('it is refused at the start', { evidence, hint }) }
  }
}

async function checkUpstreams(
  upstreams: readonly UpstreamConfig[],
  { progress, ...options }: UpstreamCheckOptions & Pick<CheckOptions, 'progress'>,
): Promise<readonly CheckReport[]> {
  const reports: CheckReport[] = []
  for (let at = 0; at < upstreams.length && !options.signal.aborted; at += atOnceMax) {
    const some = upstreams.slice(at, at + atOnceMax)
    progress(`asking ${some.map(({ server }) => server).join(', ')}`)
    const judged = some.map(async (upstream) => {
      const judgement = await checkUpstream(upstream, options)
      return { name: `upstream ${upstream.server}` as const, ...bounded(judgement) }
    })
    reports.push(...(await Promise.all(judged)))
  }
  return reports
}
