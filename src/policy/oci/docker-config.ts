import { BundleServiceError } from '../bundle-exchange.ts'

/** Docker Hub answers at one host and is logged in to by another, for which alone tools write an entry. */
const hubHost = 'registry-1.docker.io'
const hubNames = ['docker.io', 'index.docker.io', hubHost]

/**
 * The value of `Authorization` for a registry, of a file as `docker login`, `oras login` and Secrets of the type kubernetes.io/dockerconfigjson have it.
 * Its entry is that of the host, with its port, and of no other; none, or two, is an error. Nothing of the file is in a message. Throws `BundleServiceError`.
 */
export function basicOf(text: string, host: string): string {
  const entries = entriesIn(text).filter(([name]) => hostOf(name) === namedHost(host))
  const [entry, ...more] = entries
  if (entry === undefined || more.length > 0) {
    throw fault(`want=one entry of auths for ${host} got=${entries.length}`)
  }
  const user = userOf(entry[1])
  if (user === undefined) {
    throw fault('want=auth, or username and password, of the registry; no helper or token')
  }
  return `Basic ${Buffer.from(user).toString('base64')}`
}

function entriesIn(text: string): readonly (readonly [name: string, entry: unknown])[] {
  try {
    const { auths } = JSON.parse(text) as { readonly auths?: unknown }
    if (typeof auths === 'object' && auths !== null) return Object.entries(auths)
  } catch {
    // What is no JSON has no auths, and its text is nobody's to read.
  }
  throw fault('want=a JSON object with auths')
}

/** Tools write the host alone, or a URL of the registry's first versions. A longer path is that of a repository, which other tools would prefer. */
function hostOf(name: string): string | undefined {
  const [, host] = /^(?:https:\/\/)?([^/]+?)(?:\/(?:v[12]\/?)?)?$/.exec(name) ?? []
  return host === undefined ? undefined : namedHost(host)
}

function namedHost(host: string): string {
  const name = host.toLowerCase()
  return hubNames.includes(name) ? hubHost : name
}

/** User and password with a colon between (RFC 7617 §2). Of both forms tools read `auth` first. */
function userOf(entry: unknown): string | undefined {
  const { auth, username, password } = (entry ?? {}) as Record<string, unknown>
  if (typeof auth === 'string' && auth !== '') {
    const text = Buffer.from(auth, 'base64').toString('utf8')
    return /^[^:\p{C}]+:./su.test(text) ? text : undefined
  }
  if (typeof username !== 'string' || typeof password !== 'string') return undefined
  return /^[^:\p{C}]+$/u.test(username) && password !== '' ? `${username}:${password}` : undefined
}

function fault(message: string): BundleServiceError {
  return new BundleServiceError(`file of registry credentials: ${message}`, {})
}
