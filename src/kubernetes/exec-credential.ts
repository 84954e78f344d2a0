import { execFile } from 'node:child_process'
import { quoted } from '../errors.ts'
import { checkPair, checkToken, type ClusterCredential } from './cluster-credential.ts'
import type { ClusterAccess, ExecPlugin } from './kubeconfig.ts'
import { readFields, readOptionalText, readOptionalTime } from './read-field.ts'
import { unusable } from './small-file.ts'

const outputBytesMax = 1024 * 1024
const runSeconds = 60

export interface ExecCredential extends Pick<
  ClusterCredential,
  'certificate' | 'privateKey' | 'token'
> {
  /** Undefined: until the server does not take it any more. */
  readonly expires: Date | undefined
}

/** Runs the plugin once. Throws 'kubernetes/configuration'; what the plugin says to people may hold secrets, and is not repeated. */
export async function runExecPlugin(
  plugin: ExecPlugin,
  options: {
    readonly access: Pick<ClusterAccess, 'server' | 'serverName'>
    readonly ca: string | undefined
    /** Of the plugin; ours is not for everybody. */
    readonly environment: Readonly<Record<string, string | undefined>>
  },
): Promise<ExecCredential> {
  const { command, args, apiVersion } = plugin
  const what = `exec plugin ${quoted(command)}`
  const info = {
    apiVersion,
    kind: 'ExecCredential',
    spec: {
      interactive: false,
      ...(plugin.provideClusterInfo ? { cluster: clusterInfo(options.access, options.ca) } : {}),
    },
  }
  const env = {
    ...options.environment,
    ...plugin.environment,
    KUBERNETES_EXEC_INFO: JSON.stringify(info),
  }
  const output = await new Promise<string>((done, fail) => {
    const settings = {
      env,
      timeout: runSeconds * 1000,
      // One that does not listen to SIGTERM would be waited for without end.
      killSignal: 'SIGKILL',
      maxBuffer: outputBytesMax,
      encoding: 'utf8',
    } as const
    const child = execFile(command, [...args], settings, (error, stdout) => {
      if (error === null) done(stdout)
      else fail(unusable(`${what}: want=exit 0 got=${how(error)}`, hintFor(plugin, error)))
    })
    child.stdin?.end()
  })
  return readOutput(output, apiVersion, what)
}

function clusterInfo(
  access: Pick<ClusterAccess, 'server' | 'serverName'>,
  ca: string | undefined,
): object {
  return {
    server: access.server.href.replace(/\/$/, ''),
    ...(access.serverName === undefined ? {} : { 'tls-server-name': access.serverName }),
    ...(ca === undefined
      ? {}
      : { 'certificate-authority-data': Buffer.from(ca).toString('base64') }),
  }
}

interface Failure {
  readonly code?: unknown
  readonly killed?: boolean
  readonly signal?: NodeJS.Signals | null
}

function how({ code, killed, signal }: Failure): string {
  if (killed === true) return `no end within ${runSeconds} s`
  if (signal) return `signal ${signal}`
  return typeof code === 'number' ? `exit ${code}` : String(code)
}

function hintFor(plugin: ExecPlugin, { code }: Failure): string {
  if (code === 'ENOENT') {
    return plugin.installHint === undefined
      ? 'install it, or have its folder in PATH'
      : `the kubeconfig says: ${quoted(plugin.installHint, 300)}`
  }
  return 'run it by hand: it says there what is wrong'
}

function readOutput(output: string, apiVersion: string, what: string): ExecCredential {
  try {
    const fields = readFields(JSON.parse(output), 'output')
    if (fields['kind'] !== 'ExecCredential' || fields['apiVersion'] !== apiVersion)
      throw new Error('other')
    const status = readFields(fields['status'], 'status')
    const text = (name: string): string | undefined =>
      readOptionalText(status[name], `status.${name}`)
    const token = text('token')
    const credential = {
      token: token === undefined ? undefined : checkToken(token, 'token'),
      certificate: text('clientCertificateData'),
      privateKey: text('clientKeyData'),
      expires: readOptionalTime(status['expirationTimestamp'], 'status.expirationTimestamp'),
    }
    if (token === undefined && credential.certificate === undefined) throw new Error('neither')
    checkPair(credential.certificate, credential.privateKey)
    return credential
  } catch {
    // Whatever a parser says of it, it may say with a part of a secret.
    throw unusable(`${what}: want=an ExecCredential of ${apiVersion} with a status got=other`)
  }
}
