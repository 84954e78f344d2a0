import { quoted } from '../../errors.ts'
import { BundleServiceError, sendExchange, type Exchange } from '../bundle-exchange.ts'
import {
  readBasic,
  readDockerConfig,
  tokenPattern,
  type ServiceCredentials,
} from '../service-credentials.ts'
import { basicOf } from './docker-config.ts'
import { parseChallenges, type Challenge } from './challenge.ts'

export interface AuthorizationOptions extends ServiceCredentials {
  /** Of the registry: nobody else is asked for a token, but who is named. */
  readonly origin: string
  /** Where tokens are asked for, where that is elsewhere. */
  readonly tokenUrl?: string | undefined
  readonly repository: string
}

/** How an exchange is sent, without what it is about. */
export type Manner = Pick<
  Exchange,
  'tls' | 'signal' | 'headerMilliseconds' | 'bodyMilliseconds' | 'server'
>

/** With a token of a large registry, which says what it is good for. */
const tokenOctetsMax = 64 * 1024
/** A header that servers take. */
const tokenLengthMax = 12 * 1024
const nameLengthMax = 1024

/**
 * What a registry wants to hear after it has answered 401: a token that its own token server gives for reading this repository, or the
 * user's password. Neither is sent anywhere but to the registry's own origin and the configured token server. Throws `BundleServiceError`.
 */
export async function authorizationFor(
  header: string | undefined,
  manner: Manner,
  options: AuthorizationOptions,
): Promise<string> {
  const basic = await basicFor(options)
  const challenges = parseChallenges(header)
  const bearer = challenges.find(({ scheme }) => scheme === 'bearer')
  if (bearer !== undefined) return askToken(bearer, basic, manner, options)
  if (basic !== undefined && challenges.length > 0) return basic
  throw new BundleServiceError('registry answers 401, want=200 or a challenge that we can answer', {
    httpCode: 401,
  })
}

async function basicFor(options: AuthorizationOptions): Promise<string | undefined> {
  const file = await readDockerConfig(options)
  return file === undefined ? readBasic(options) : basicOf(file, new URL(options.origin).host)
}

async function askToken(
  { parameters }: Challenge,
  basic: string | undefined,
  manner: Manner,
  options: AuthorizationOptions,
): Promise<string> {
  const url = realmOf(parameters.get('realm'), options)
  const service = parameters.get('service')
  if (service !== undefined) url.searchParams.set('service', service.slice(0, nameLengthMax))
  // Ours, whatever the challenge says: a token for more would be worth more to whoever finds it.
  url.searchParams.set('scope', `repository:${options.repository}:pull`)
  const isOwn = url.origin === options.origin
  const { status, body } = await sendExchange({
    ...manner,
    url,
    tls: isOwn ? manner.tls : anchorsOf(manner.tls),
    headers: basic === undefined ? {} : { authorization: basic },
    octetsMax: tokenOctetsMax,
    what: 'token',
  })
  if (status === 200) return `Bearer ${tokenOf(body)}`
  throw new BundleServiceError(`token server of the registry answers ${status}, want=200`, {
    httpCode: status,
  })
}

/** Whoever answers 401 could ask for our password to be sent anywhere. */
function realmOf(realm: string | undefined, { origin, tokenUrl }: AuthorizationOptions): URL {
  const url = URL.parse(realm ?? '')
  const want = tokenUrl === undefined ? origin : tokenUrl
  const isThere =
    tokenUrl === undefined
      ? url?.origin === origin
      : url !== null && withoutQuery(url) === withoutQuery(new URL(tokenUrl))
  if (url !== null && isThere && url.username === '' && url.password === '') return url
  // The rest of it may be what we were asked with.
  const told = `want=${quoted(want, 200)} got=${quoted(url?.host ?? 'none', 255)}`
  throw new BundleServiceError(`registry wants a token of another server, ${told}`, {
    httpCode: 401,
  })
}

function withoutQuery({ origin, pathname }: URL): string {
  return `${origin}${pathname}`
}

/** Our own key is for the registry alone. */
export function anchorsOf({ ca }: Exchange['tls']): Exchange['tls'] {
  return ca === undefined ? {} : { ca }
}

/** OCI distribution leaves it to others: `token` of Docker's registry, `access_token` of OAuth 2. */
function tokenOf(body: Buffer): string {
  const token = readToken(body)
  if (token !== undefined && token.length <= tokenLengthMax && tokenPattern.test(token)) {
    return token
  }
  // What was sent in its place is not shown: it may be what we have sent.
  const want = `token or access_token, 1..${tokenLengthMax} characters of RFC 6750`
  throw new BundleServiceError(`token server of the registry gives no token, want=${want}`, {
    httpCode: 200,
  })
}

function readToken(body: Buffer): string | undefined {
  try {
    const value = JSON.parse(body.toString('utf8')) as { token?: unknown; access_token?: unknown }
    const token = value.token ?? value.access_token
    return typeof token === 'string' ? token : undefined
  } catch {
    return undefined
  }
}
