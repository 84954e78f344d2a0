import { CountersignError, quoted } from '../../errors.ts'
import type { ChildCommand } from '../../guard/child.ts'
import { parseInside, type Inside } from '../../guard/inside.ts'
import { parseSpiffeId } from '../../identity/spiffe-id.ts'
import { parseTrustDomain } from '../../identity/trust-domain.ts'
import type { RequireCountersignOptions } from '../../toolserver/require-countersign.ts'

export interface GuardOptions {
  readonly to?: string
  readonly stdio?: boolean
  readonly path?: string
  readonly env?: readonly string[]
  readonly sessionsMax?: string
  readonly gateway?: readonly string[]
  readonly callerTrustDomain?: readonly string[]
  readonly server?: string
  readonly credentialBundle?: string
  readonly trustBundle?: string
  readonly identityExtensionOid?: string
  readonly revocations?: string
  readonly listen: string
  readonly admin: string
  readonly graceSeconds: string
  readonly production: boolean
}

export interface Address {
  readonly host: string
  readonly port: number
}

/** What is guarded: a server that listens, or a command that is a server on its standard input and output. */
export type Guarded = { readonly inside: Inside } | { readonly stdio: StdioConfig }

export interface StdioConfig {
  readonly command: ChildCommand
  readonly path: string
  readonly sessionsMax: number
}

export interface GuardConfig {
  readonly guarded: Guarded
  readonly countersign: RequireCountersignOptions
  readonly listen: Address
  readonly admin: Address
  readonly graceSeconds: number
}

const graceSecondsMax = 600

/** What can be seen to be wrong before anything is opened. Throws `cli/usage`, `guard/inside` and `identity/spiffe-id`. */
export function parseGuardOptions(
  options: GuardOptions,
  words: readonly string[] = [],
): GuardConfig {
  const guarded = parseGuarded(options, words)
  const gateways = options.gateway ?? []
  const [first] = gateways
  const listen = parseAddress('listen', options.listen)
  if ('inside' in guarded && listen.port === guarded.inside.port) {
    throw usage(`listen: want=another port than the server's inside got=${listen.port}`)
  }
  const graceSeconds = Number(options.graceSeconds)
  if (!/^\d+$/.test(options.graceSeconds) || graceSeconds > graceSecondsMax) {
    throw usage(`grace-seconds: want=0..${graceSecondsMax} got=${quoted(options.graceSeconds)}`)
  }
  return {
    guarded,
    listen,
    admin: parseAddress('admin', options.admin),
    graceSeconds,
    countersign: {
      credentialBundle: required(options.credentialBundle, 'credential-bundle'),
      trustBundle: required(options.trustBundle, 'trust-bundle'),
      trustDomain: trustDomainOf(required(first, 'gateway')),
      gateways,
      callerTrustDomains: (options.callerTrustDomain ?? []).map(parseTrustDomain),
      production: options.production,
      ...(options.server === undefined ? {} : { server: options.server }),
      ...(options.identityExtensionOid === undefined
        ? {}
        : { identityExtensionOid: options.identityExtensionOid }),
      ...(options.revocations === undefined ? {} : { revocations: sourceOf(options.revocations) }),
    },
  }
}

function parseGuarded(options: GuardOptions, words: readonly string[]): Guarded {
  const { to, stdio = false, path, env, sessionsMax } = options
  const [file, ...args] = words
  if (!stdio) {
    const [odd] = Object.entries({ path, env, 'sessions-max': sessionsMax, command: file })
      .filter(([, value]) => value !== undefined)
      .map(([name]) => name)
    if (odd !== undefined) throw usage(`${odd}: want=--stdio beside it`)
    return { inside: parseInside(required(to, 'to')) }
  }
  if (to !== undefined) throw usage('to: want=--to or --stdio, and not both')
  if (file === undefined || file === '') throw usage('stdio: want=-- <command> at its end')
  const sessions = parseCount('sessions-max', sessionsMax ?? '16', 256)
  const command = { file, args, env: environmentOf(env ?? []) }
  return { stdio: { command, path: parsePath(path ?? '/mcp'), sessionsMax: sessions } }
}

/** What every program may know of where it runs. All else, secrets among them, it gets by name. */
const environmentOfAll = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'LC_CTYPE', 'TZ', 'TMPDIR']

function environmentOf(names: readonly string[]): Record<string, string> {
  const missing = names.find((name) => process.env[name] === undefined)
  if (missing !== undefined) throw usage(`env: ${quoted(missing)} is not in the environment`)
  const known = [...environmentOfAll, ...names].flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return Object.fromEntries(known)
}

function parsePath(path: string): string {
  if (/^\/[!"$-~]*$/.test(path)) return path
  throw usage(`path: want=/<path> got=${quoted(path)}`)
}

function parseCount(name: string, text: string, max: number): number {
  const count = Number(text)
  if (/^\d+$/.test(text) && count >= 1 && count <= max) return count
  throw usage(`${name}: want=1..${max} got=${quoted(text)}`)
}

function sourceOf(revocations: string): true | { readonly file: string } {
  return revocations === 'cluster' ? true : { file: revocations }
}

function trustDomainOf(gateway: string): string {
  try {
    return parseSpiffeId(gateway).trustDomain
  } catch (cause) {
    throw new CountersignError('cli/usage', 'guard: gateway', {
      cause,
      hint: 'such as spiffe://agents.example/ns/countersign-system/sa/countersign-gateway',
    })
  }
}

function required(value: string | undefined, name: string): string {
  if (value !== undefined && value !== '') return value
  throw usage(`${name}: required`)
}

function parseAddress(name: string, text: string): Address {
  const [, host, port] = /^(\[[0-9a-fA-F:.]+\]|[0-9.]+):(\d{1,5})$/.exec(text) ?? []
  if (host === undefined || Number(port) > 65_535) {
    throw usage(`${name}: want=<address>:<port> got=${quoted(text)}`)
  }
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
}

function usage(message: string): CountersignError {
  return new CountersignError('cli/usage', `guard: ${message}`, {
    hint: 'countersign guard --help',
  })
}
