import { quoted } from '../../errors.ts'
import {
  archiveOctetsMax,
  BundleServiceError,
  sendExchange,
  type Exchange,
  type Received,
} from '../bundle-exchange.ts'
import type { BundleQuestion, BundleService, BundleServiceConfig } from '../bundle-service.ts'
import { readBearer, readTls } from '../service-credentials.ts'
import { anchorsOf, authorizationFor, type Manner } from './authorization.ts'
import {
  digestOf,
  imageIn,
  indexType,
  isOf,
  manifestOctetsMax,
  manifestType,
  parseManifest,
} from './manifest.ts'
import type { Descriptor } from './manifest.ts'
import { isDigest, parseReference, referenceWant, type OciReference } from './reference.ts'

export interface RegistryConfig extends BundleServiceConfig {
  /** Where tokens are asked for, where that is not the registry itself. */
  readonly tokenUrl?: string | undefined
  /** Hosts, with their ports, that the registry may send us to for a layer. */
  readonly blobHosts?: readonly string[] | undefined
}

/** What is asked for, and how much of it may come. */
type Wanted = Pick<Exchange, 'octetsMax' | 'what' | 'headers'> & { readonly path: string }

/** One question to a registry: what it has said of who asks is good for all of it. */
interface Conversation {
  readonly config: RegistryConfig
  readonly reference: OciReference
  readonly manner: Manner
  authorization: string | undefined
}

const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/**
 * Asks an OCI registry for the manifest of a tag or a digest, and for the one layer that OPA takes for a bundle. What comes is what its
 * digest names, or no answer; the digest of the manifest plays the ETag. Throws `policy/bundle` where the manifest is of no bundle.
 */
export function createRegistryService(
  config: RegistryConfig,
  options: { readonly bodyMilliseconds?: number } = {},
): BundleService {
  const reference = parseReference(config.resource)
  if (reference === undefined) throw new TypeError(`resource: want=${referenceWant}`)
  /** Good until the registry says that it is not. */
  let authorization: string | undefined
  return {
    async ask({ etag, signal }) {
      const manner = {
        signal,
        tls: await readTls(config),
        headerMilliseconds: config.responseHeaderTimeoutSeconds * 1000,
        bodyMilliseconds: options.bodyMilliseconds,
        server: 'registry',
      } as const
      const talk = { config, reference, manner, authorization }
      talk.authorization = (await readBearer(config)).authorization ?? authorization
      try {
        return await pull(talk, etag)
      } finally {
        authorization = talk.authorization
      }
    },
  }
}

async function pull(
  talk: Conversation,
  etag: BundleQuestion['etag'],
): ReturnType<BundleService['ask']> {
  const isLongPoll = false
  const manifest = await askManifest(talk, etag)
  // A registry that knows no ETag sends what is known.
  const digest = manifest && `"${digestOf(manifest)}"`
  if (manifest === undefined || digest === etag) return { kind: 'unchanged', isLongPoll }
  const image = imageIn(manifest)
  const bundle = image === undefined ? manifest : await askImage(talk, image)
  const archive = await askLayer(talk, parseManifest(bundle))
  return { kind: 'bundle', isLongPoll, archive, etag: digest }
}

/** Undefined where it is the known one. */
async function askManifest(
  talk: Conversation,
  etag: string | undefined,
): Promise<Buffer | undefined> {
  const { text, kind } = talk.reference
  const accept = `${manifestType}, ${indexType}`
  const headers = { accept, ...(etag === undefined ? {} : { 'if-none-match': etag }) }
  const wanted = { path: `manifests/${text}`, octetsMax: manifestOctetsMax, headers }
  const answer = await ask(talk, { ...wanted, what: 'manifest' })
  const { status, body } = answer
  if (status === 304 && etag !== undefined) return undefined
  if (status !== 200) throw unwanted(status, etag === undefined ? '200' : '200 or 304')
  const digest = digestOf(body)
  const said = answer.headers['docker-content-digest']
  const named = [said, kind === 'digest' ? text : undefined].filter((each) => each !== undefined)
  const other = named.find((each) => each !== digest)
  if (other === undefined) return body
  // What is none may be anything, also what we have asked with.
  const want = isDigest(other) ? other : 'sha256:<hex>'
  throw lying(`manifest is not what its digest names, want=${want} got=${digest}`)
}

/** Of an index: what is named there by its digest. */
async function askImage(talk: Conversation, image: Descriptor): Promise<Buffer> {
  const octetsMax = Math.min(image.size, manifestOctetsMax)
  const wanted = { path: `manifests/${image.digest}`, octetsMax, headers: { accept: manifestType } }
  const { status, body } = await ask(talk, { ...wanted, what: 'manifest' })
  if (status !== 200) throw unwanted(status, '200')
  if (isOf(body, image)) return body
  throw lying(`manifest is not what its digest names, want=${image.digest} got=${digestOf(body)}`)
}

async function askLayer(talk: Conversation, layer: Descriptor): Promise<Buffer> {
  const octetsMax = Math.min(layer.size, archiveOctetsMax)
  const wanted = { path: `blobs/${layer.digest}`, octetsMax, headers: {}, what: 'archive' } as const
  const { status, body } = await askThere(talk, wanted, await ask(talk, wanted))
  if (status !== 200) throw unwanted(status, '200')
  if (isOf(body, layer)) return body
  throw lying(`archive is not what its digest names, want=${layer.digest} got=${digestOf(body)}`)
}

/** Once more where it is told how. */
async function ask(talk: Conversation, wanted: Wanted): Promise<Received> {
  const { config, reference, manner } = talk
  const url = urlOf(talk, wanted)
  const send = (): Promise<Received> =>
    sendExchange({ ...manner, ...wanted, url, headers: ownHeaders(talk, wanted) })
  const first = await send()
  if (first.status !== 401 || config.credentials?.bearer !== undefined) return first
  const options = { ...config, origin: url.origin, repository: reference.repository }
  talk.authorization = undefined
  talk.authorization = await authorizationFor(first.headers['www-authenticate'], manner, options)
  return send()
}

function urlOf({ config, reference }: Conversation, { path }: Wanted): URL {
  return new URL(`${config.url.replace(/\/+$/, '')}/v2/${reference.repository}/${path}`)
}

function ownHeaders({ authorization }: Conversation, { headers }: Wanted): Exchange['headers'] {
  return { ...headers, ...(authorization === undefined ? {} : { authorization }) }
}

/**
 * Many registries keep layers elsewhere. One step is followed, to the registry's own origin or to a host that is named, which is asked
 * with nothing that is ours: what is there is what its digest names, or is not taken.
 */
async function askThere(talk: Conversation, wanted: Wanted, told: Received): Promise<Received> {
  if (!redirects.has(told.status)) return told
  const { config, manner } = talk
  const { blobHosts = [] } = config
  const before = urlOf(talk, wanted)
  const url = URL.parse(told.headers.location ?? '', before.href)
  if (url?.origin === before.origin) {
    return sendExchange({ ...manner, ...wanted, url, headers: ownHeaders(talk, wanted) })
  }
  if (url !== null && isSafe(url) && blobHosts.includes(url.host)) {
    return sendExchange({ ...manner, ...wanted, url, tls: anchorsOf(manner.tls) })
  }
  // What else it says may be as good as a password.
  const got = quoted(url?.host ?? 'none', 255)
  const want = quoted([before.host, ...blobHosts].join(' '), 300)
  const message = `registry sends us elsewhere for the archive, want=${want} got=${got}`
  throw new BundleServiceError(message, { httpCode: told.status })
}

/** As the URL of the registry has to be. */
function isSafe({ protocol, hostname }: URL): boolean {
  if (protocol === 'https:') return true
  return protocol === 'http:' && /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
}

function unwanted(status: number, want: string): BundleServiceError {
  return new BundleServiceError(`registry answers ${status}, want=${want}`, { httpCode: status })
}

function lying(message: string): BundleServiceError {
  return new BundleServiceError(message, { httpCode: 200 })
}
