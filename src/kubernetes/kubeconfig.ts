import { delimiter, dirname, isAbsolute, join, resolve } from 'node:path'
import { parseDocument } from 'yaml'
import * as z from 'zod'
import { CountersignError, quoted } from '../errors.ts'
import { readSmallFile, unusable } from './small-file.ts'

/** What stands in a kubeconfig itself, or in a file that it names. */
export type Material =
  | { readonly field: string; readonly text: string }
  | { readonly field: string; readonly file: string }

/** A program that gives the credential (client.authentication.k8s.io). */
export interface ExecPlugin {
  readonly command: string
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly apiVersion: string
  readonly provideClusterInfo: boolean
  readonly installHint: string | undefined
}

/** One server, how to know it, and who to be there: what one context of a kubeconfig comes to. */
export interface ClusterAccess {
  readonly server: URL
  /** The name in the server's certificate, where it is not the one of the URL. */
  readonly serverName: string | undefined
  readonly proxy: URL | undefined
  readonly authority: Material | undefined
  readonly certificate: Material | undefined
  readonly privateKey: Material | undefined
  readonly token: Material | undefined
  readonly exec: ExecPlugin | undefined
  /** Whom to act as in each request. */
  readonly as: { readonly user: string; readonly groups: readonly string[] } | undefined
}

const text = z.string().min(1)
const optional = z.string().nullish()

const clusterSchema = z.object({
  server: text,
  'tls-server-name': optional,
  'insecure-skip-tls-verify': z.boolean().nullish(),
  'certificate-authority': optional,
  'certificate-authority-data': optional,
  'proxy-url': optional,
})

const execSchema = z.object({
  apiVersion: z.enum(['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1']),
  command: text,
  args: z.array(z.string()).nullish(),
  env: z.array(z.object({ name: text, value: z.string() })).nullish(),
  installHint: optional,
  provideClusterInfo: z.boolean().nullish(),
  interactiveMode: z.enum(['Never', 'IfAvailable', 'Always']).nullish(),
})

const userSchema = z.object({
  'client-certificate': optional,
  'client-certificate-data': optional,
  'client-key': optional,
  'client-key-data': optional,
  token: optional,
  tokenFile: optional,
  username: optional,
  as: optional,
  'as-groups': z.array(text).nullish(),
  'as-uid': optional,
  'as-user-extra': z.unknown().optional(),
  'auth-provider': z.unknown().optional(),
  exec: execSchema.nullish(),
})

/** Of clusters and users only those of the context in use are looked at: another one may be broken. */
const fileSchema = z.object({
  'current-context': optional,
  contexts: z
    .array(z.object({ name: text, context: z.object({ cluster: text, user: optional }) }))
    .nullish(),
  clusters: z.array(z.object({ name: text, cluster: z.unknown() })).nullish(),
  users: z.array(z.object({ name: text, user: z.unknown() })).nullish(),
})

/** An entry, and the folder that its relative paths are relative to. */
interface Entry<T> {
  readonly value: T
  readonly folder: string
}

interface Merged {
  readonly what: string
  readonly current: string | undefined
  readonly contexts: ReadonlyMap<string, { readonly cluster: string; readonly user: string }>
  readonly clusters: ReadonlyMap<string, Entry<unknown>>
  readonly users: ReadonlyMap<string, Entry<unknown>>
}

/**
 * For commands that people give: the files of KUBECONFIG, or `~/.kube/config`. A program in a cluster is told its kubeconfig, or
 * has the service account of its pod.
 */
export function defaultKubeconfigs(
  environment: Readonly<Record<string, string | undefined>>,
  home: string,
): readonly string[] {
  const named = (environment['KUBECONFIG'] ?? '').split(delimiter).filter((path) => path !== '')
  return named.length > 0 ? named : [join(home, '.kube', 'config')]
}

/** Throws 'kubernetes/configuration': what is wrong, and what to do about it. Of several files the first that says a thing is right. */
export function readKubeconfig(paths: readonly string[], context?: string): ClusterAccess {
  const merged = merge(paths)
  const { what, contexts, clusters, users } = merged
  const others = `there are: ${[...contexts.keys()].slice(0, 20).join(', ') || 'none'}`
  const name = context ?? merged.current
  if (name === undefined) {
    throw unusable(`${what}: current-context: want=a context got=none`, others)
  }
  const chosen = contexts.get(name)
  if (chosen === undefined) {
    throw unusable(`${what}: context ${quoted(name)}: want=defined got=none`, others)
  }
  const cluster = clusters.get(chosen.cluster)
  const user = users.get(chosen.user)
  if (cluster === undefined || user === undefined) {
    const [kind, missing] =
      cluster === undefined ? ['cluster', chosen.cluster] : ['user', chosen.user]
    throw unusable(
      `${what}: ${kind} ${quoted(missing)} of context ${quoted(name)}: want=defined got=none`,
      'the file is not whole: fetch it again from where it came',
    )
  }
  return {
    ...readCluster(cluster, `${what}: cluster ${quoted(chosen.cluster)}`),
    ...readUser(user, `${what}: user ${quoted(chosen.user)}`),
  }
}

function merge(paths: readonly string[]): Merged {
  const what = `kubeconfig ${paths.map((path) => quoted(path, 200)).join(', ')}`
  const contexts = new Map<string, { cluster: string; user: string }>()
  const clusters = new Map<string, Entry<unknown>>()
  const users = new Map<string, Entry<unknown>>()
  let current: string | undefined
  const put = <T>(map: Map<string, T>, name: string, value: T): void => {
    if (!map.has(name)) map.set(name, value)
  }
  for (const { path, value } of readFiles(paths)) {
    const folder = dirname(resolve(path))
    const file = check(fileSchema, value, `kubeconfig ${quoted(path, 200)}`)
    current ??= file['current-context'] || undefined
    for (const { name, context } of file.contexts ?? []) {
      put(contexts, name, { cluster: context.cluster, user: context.user ?? '' })
    }
    for (const { name, cluster } of file.clusters ?? [])
      put(clusters, name, { value: cluster, folder })
    for (const { name, user } of file.users ?? []) put(users, name, { value: user, folder })
  }
  return { what, current, contexts, clusters, users }
}

/** Of several files some may be missing, as for kubectl; of all of them, none may. */
function readFiles(
  paths: readonly string[],
): readonly { readonly path: string; readonly value: unknown }[] {
  const read: { path: string; value: unknown }[] = []
  let missing: unknown
  for (const path of paths) {
    try {
      read.push({ path, value: parseYaml(path) })
    } catch (error) {
      const absent = error instanceof CountersignError && error.message.endsWith('got=ENOENT')
      if (!absent || paths.length === 1) throw error
      missing ??= error
    }
  }
  if (read.length === 0) throw missing
  return read
}

/** The parser's own words quote the lines around a mistake, which may hold a key: only their number is told. */
function parseYaml(path: string): unknown {
  const document = parseDocument(readSmallFile(path, 'kubeconfig'), { uniqueKeys: true })
  const [problem] = document.errors
  if (problem !== undefined) {
    const line = problem.linePos?.[0].line ?? 1
    throw unusable(`kubeconfig ${quoted(path, 200)}: line ${line}: want=YAML got=malformed`)
  }
  try {
    return document.toJS({ maxAliasCount: 0 })
  } catch {
    throw unusable(`kubeconfig ${quoted(path, 200)}: want=no aliases`)
  }
}

/** Says which member is of the wrong type, and never what it is. */
function check<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  const parsed = schema.safeParse(value ?? {})
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const path = issue?.path.map(String).join('.') ?? ''
  throw unusable(`${what}: ${path === '' ? '' : `${path}: `}${issue?.message ?? 'malformed'}`)
}

function readCluster(
  { value, folder }: Entry<unknown>,
  what: string,
): Pick<ClusterAccess, 'server' | 'serverName' | 'proxy' | 'authority'> {
  const cluster = check(clusterSchema, value, what)
  if (cluster['insecure-skip-tls-verify'] === true) {
    throw unusable(
      `${what}: insecure-skip-tls-verify: want=false got=true`,
      'name the server’s CA in certificate-authority-data',
    )
  }
  const server = URL.canParse(cluster.server) ? new URL(cluster.server) : undefined
  if (server?.protocol !== 'https:' || server.username !== '') {
    throw unusable(`${what}: server: want=https URL got=${quoted(cluster.server)}`)
  }
  return {
    server,
    serverName: cluster['tls-server-name'] || undefined,
    proxy: readProxy(cluster['proxy-url'], what),
    authority: material(cluster, 'certificate-authority', folder),
  }
}

/** It may hold a password, so a wrong one is not repeated. */
function readProxy(given: string | null | undefined, what: string): URL | undefined {
  if (!given) return undefined
  const proxy = URL.canParse(given) ? new URL(given) : undefined
  if (proxy?.protocol === 'http:') return proxy
  throw unusable(
    `${what}: proxy-url: want=http URL got=${proxy?.protocol ?? 'no URL'}`,
    'name an HTTP proxy, or reach the server without one',
  )
}

function readUser(
  { value, folder }: Entry<unknown>,
  what: string,
): Pick<ClusterAccess, 'certificate' | 'privateKey' | 'token' | 'exec' | 'as'> {
  const user = check(userSchema, value, what)
  for (const field of ['auth-provider', 'username', 'as-uid', 'as-user-extra'] as const) {
    if (!user[field]) continue
    const hint = field === 'auth-provider' ? 'its successor is an exec plugin' : undefined
    throw unusable(`${what}: ${field}: want=none got=some: it is not supported`, hint)
  }
  const groups = user['as-groups'] ?? []
  if (!user.as && groups.length > 0)
    throw unusable(`${what}: as-groups: want=as beside it got=none`)
  const tokenFile = user.tokenFile
    ? { field: 'tokenFile', file: pathIn(folder, user.tokenFile) }
    : undefined
  return {
    certificate: material(user, 'client-certificate', folder),
    privateKey: material(user, 'client-key', folder),
    token: tokenFile ?? (user.token ? { field: 'token', text: user.token } : undefined),
    exec: user.exec ? readExec(user.exec, folder, what) : undefined,
    as: user.as ? { user: user.as, groups } : undefined,
  }
}

function readExec(exec: z.output<typeof execSchema>, folder: string, what: string): ExecPlugin {
  if (exec.interactiveMode === 'Always') {
    throw unusable(
      `${what}: exec: interactiveMode: want=Never or IfAvailable got=Always`,
      'nobody is there to answer it: use another user',
    )
  }
  // A bare name is looked for in PATH, anything else beside the kubeconfig.
  const beside = /[/\\]/.test(exec.command) && !isAbsolute(exec.command)
  return {
    command: beside ? pathIn(folder, exec.command) : exec.command,
    args: exec.args ?? [],
    environment: Object.fromEntries((exec.env ?? []).map(({ name, value }) => [name, value])),
    apiVersion: exec.apiVersion,
    provideClusterInfo: exec.provideClusterInfo === true,
    installHint: exec.installHint ?? undefined,
  }
}

/** As client-go has it, what is given in base64 goes before a file. */
function material(
  fields: Readonly<Record<string, unknown>>,
  field: string,
  folder: string,
): Material | undefined {
  const data = fields[`${field}-data`]
  if (typeof data === 'string' && data !== '') {
    return { field: `${field}-data`, text: Buffer.from(data, 'base64').toString('utf8') }
  }
  const path = fields[field]
  if (typeof path !== 'string' || path === '') return undefined
  return { field, file: pathIn(folder, path) }
}

function pathIn(folder: string, path: string): string {
  return resolve(folder, path)
}
