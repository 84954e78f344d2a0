import { readBoundedFile } from '../bounded-file.ts'
import { quoted } from '../errors.ts'
import { BundleServiceError } from './bundle-exchange.ts'

/** What a server is asked with. Files are read for each request: they are renewed where they are mounted. */
export interface ServiceCredentials {
  /** Node's own authorities when absent. */
  readonly tls?: { readonly caCert: string } | undefined
  readonly credentials?:
    | {
        readonly bearer?: { readonly tokenPath: string } | undefined
        /** Of a registry alone. */
        readonly basic?: { readonly username: string; readonly passwordPath: string } | undefined
        /** Of a registry alone, in the place of the former: a file that has users by registries. */
        readonly dockerConfig?: { readonly path: string } | undefined
        readonly clientTls?: { readonly cert: string; readonly privateKey: string } | undefined
      }
    | undefined
}

export interface ServiceTls {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** Tokens, keys and chains are far smaller. */
const credentialOctetsMax = 1024 * 1024

/** RFC 6750 §2.1, b64token: nothing of a file, or of an answer, may begin another header. */
export const tokenPattern: RegExp = /^[A-Za-z0-9\-._~+/]+=*$/

export async function readBearer({
  credentials,
}: ServiceCredentials): Promise<{ readonly authorization?: string }> {
  if (credentials?.bearer === undefined) return {}
  const token = (await readCredential(credentials.bearer.tokenPath)).trim()
  if (!tokenPattern.test(token)) {
    throw new BundleServiceError('bearer token is no token, want=b64token of RFC 6750', {})
  }
  return { authorization: `Bearer ${token}` }
}

/** RFC 7617; undefined where no user is configured. */
export async function readBasic({ credentials }: ServiceCredentials): Promise<string | undefined> {
  if (credentials?.basic === undefined) return undefined
  const { username, passwordPath } = credentials.basic
  const password = (await readCredential(passwordPath)).replace(/\r?\n$/, '')
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

export async function readTls({ tls, credentials }: ServiceCredentials): Promise<ServiceTls> {
  const { clientTls } = credentials ?? {}
  const [ca, cert, key] = await Promise.all(
    [tls?.caCert, clientTls?.cert, clientTls?.privateKey].map(async (file) =>
      file === undefined ? undefined : await readCredential(file),
    ),
  )
  // Of an empty text, as a file has that is written anew, Node makes the authorities of the system.
  if (ca === '') throw new BundleServiceError('file of authorities is empty', {})
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  }
}

/** The text of the file that has users by registries; undefined where none is configured. */
export async function readDockerConfig({
  credentials,
}: ServiceCredentials): Promise<string | undefined> {
  const { path } = credentials?.dockerConfig ?? {}
  return path === undefined ? undefined : await readCredential(path)
}

async function readCredential(file: string): Promise<string> {
  try {
    // Mounted files are links of the kubelet, so links are followed.
    const found = await readBoundedFile(file, credentialOctetsMax)
    if (found !== undefined) return found.content.toString()
  } catch (cause) {
    const message = `file of the service cannot be read, got=${quoted(file, 200)}`
    throw new BundleServiceError(message, { cause })
  }
  throw new BundleServiceError(`file of the service is too large: ${quoted(file, 200)}`, {})
}
