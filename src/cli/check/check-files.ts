import { constants, type Stats } from 'node:fs'
import { access, readFile, stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ok, plural, problem, warning, type Judgement } from '../../doctor/check.ts'
import { silentLog } from '../../log.ts'
import { silentMetrics } from '../../metrics.ts'
import { parseBundle, type Bundle } from '../../pki/bundle.ts'
import { parseCredentialBundle, type Credential } from '../../pki/credential.ts'
import { parsePem } from '../../pki/pem.ts'
import { verifyX509Svid } from '../../pki/x509-svid.ts'
import { readLogKey } from '../../tlog/log-key.ts'
import type { GatewayConfig } from '../gateway/gateway-configuration.ts'
import { acceptHistory } from '../gateway/accept-history.ts'
import { keyOfThisStart, openHandleKeys } from '../gateway/handle-keys.ts'
import { lookAtPolicy } from '../open-policy.ts'

/** A file that was looked at: what is said of it, and what it holds where it is good. */
export interface Looked<T> {
  readonly judgement: Judgement
  readonly value?: T
}

export async function checkCredential(
  config: GatewayConfig,
  o: { readonly identityExtensionOid: string; readonly now: number },
): Promise<Looked<Credential>> {
  const hint =
    'the pod needs a volume with a podCertificate source: docs/INSTALL.md; run this where that is mounted'
  try {
    const value = parseCredentialBundle(await readFile(config.credentialBundle, 'utf8'), o)
    const { spiffeId, notAfter } = value.svid
    if (spiffeId.trustDomain !== config.trustDomain) {
      const summary = `${spiffeId.uri} is of another trust domain, want=${config.trustDomain}`
      return { judgement: problem(summary, { hint: 'trustDomain is that of the signer' }) }
    }
    if (notAfter.getTime() <= o.now) {
      const summary = `${spiffeId.uri} ended at ${notAfter.toISOString()}`
      return { judgement: problem(summary, { hint: 'kubelet renews it: see the pod’s events' }) }
    }
    return { judgement: ok(`${spiffeId.uri}, valid until ${notAfter.toISOString()}`), value }
  } catch (error) {
    return { judgement: problem(messageOf(error), { hint }) }
  }
}

export async function checkTrustBundle(
  config: GatewayConfig,
  o: { readonly credential: Credential | undefined; readonly now: number },
): Promise<Looked<Bundle>> {
  try {
    const value = parseBundle(await readFile(config.trustBundle, 'utf8'), config.trustDomain)
    const last = new Date(Math.max(...value.anchors.map(({ notAfter }) => notAfter.getTime())))
    const count = plural(value.anchors.length, 'anchor')
    if (last.getTime() <= o.now) {
      const summary = `${count}, the last one ended at ${last.toISOString()}`
      return { judgement: problem(summary, { hint: 'the signer publishes the bundle anew' }) }
    }
    if (o.credential !== undefined) verifyOwn(o.credential, { bundle: value, now: o.now })
    return { judgement: ok(`${count}, the last one ends ${last.toISOString()}`), value }
  } catch (error) {
    const hint = 'it has to be the bundle of the trust domain that the credential is of'
    return { judgement: problem(messageOf(error), { hint }) }
  }
}

/** A gateway whose own certificate leads to no anchor is refused by everybody. Throws `pki/svid-untrusted` and its like. */
function verifyOwn(
  { svid, chainPem }: Credential,
  o: { readonly bundle: Bundle; readonly now: number },
): void {
  const shape = { code: 'pki/credential', what: 'chain', charactersMax: chainPem.length } as const
  const [, ...intermediates] = parsePem(chainPem, shape).map(({ der }) => der)
  verifyX509Svid(svid, { ...o, intermediates })
}

export async function checkHandleKeys(config: GatewayConfig, now: number): Promise<Judgement> {
  try {
    const ofThisStart = await keyOfThisStart(config, silentLog)
    const options = { ofThisStart, now: () => now, log: silentLog }
    await using keys = await openHandleKeys(config, options)
    const { reason } = keys.condition()
    if (config.handleKeys !== undefined) return ok(reason)
    return warning(reason, { hint: 'handleKeys, with the path of a folder of keys' })
  } catch (error) {
    return problem(messageOf(error), { hint: 'openssl rand -out <handleKeys>/<date> 32' })
  }
}

export async function checkPolicy(config: GatewayConfig, signal: AbortSignal): Promise<Judgement> {
  try {
    await using policy = await lookAtPolicy(config.policy, {
      log: silentLog,
      metrics: silentMetrics,
      signal,
      accept: acceptHistory(config),
    })
    const { revision, digest } = policy.engine
    return ok(`revision ${revision}, with its data ${digest}`)
  } catch (error) {
    return problem(messageOf(error), { hint: 'docs/POLICY.md; what is denied: opa eval, opa test' })
  }
}

const writable = constants.W_OK | constants.X_OK

/** Nothing is written: the gateway that uses the file may be running. */
export async function checkDecisionLog({
  decisionLog: { file, fileBytesMax, files, checkpoints },
  workers,
}: GatewayConfig): Promise<Judgement> {
  const folder = dirname(file)
  const hint = 'without it every call is refused: give the gateway’s user the right to write there'
  try {
    await access(folder, writable)
  } catch (error) {
    return problem(`decisionLog.file: ${messageOf(error)}`, { hint })
  }
  const there = await stat(file).catch((): Stats | undefined => undefined)
  if (there?.isFile() === false) {
    return problem(`decisionLog.file: want=a file got=something else at ${file}`, { hint })
  }
  try {
    if (there !== undefined) await access(file, constants.W_OK)
  } catch (error) {
    return problem(`decisionLog.file: ${messageOf(error)}`, { hint })
  }
  const ofKey = checkpoints && (await problemOfLogKey(checkpoints))
  if (ofKey !== undefined) return ofKey
  const { bavail, bsize } = await statfs(folder)
  const needed = workers * files * fileBytesMax - (there?.size ?? 0)
  if (bavail * bsize >= needed) return ok(`${file} can be written`)
  const summary = `${file} may grow by ${needed} octets, and ${bavail * bsize} are free`
  return warning(summary, {
    hint: 'decisionLog.files, decisionLog.fileBytesMax, or a larger volume',
  })
}

/** One that is to be made is not made here. */
async function problemOfLogKey({
  keyFile,
  makeKey,
}: NonNullable<GatewayConfig['decisionLog']['checkpoints']>): Promise<Judgement | undefined> {
  try {
    const isThere = await stat(keyFile).then(
      () => true,
      () => false,
    )
    if (makeKey && !isThere) await access(dirname(keyFile), writable)
    else await readLogKey(keyFile, { make: false })
    return undefined
  } catch (error) {
    return problem(`decisionLog.checkpoints.keyFile: ${messageOf(error)}`, {
      hint: 'openssl genpkey -algorithm ed25519 makes one, and makeKey: true beside its name, too',
    })
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
