import * as z from 'zod'
import { parseModels, parseToolScopes, type Ceiling } from '../../identity/ceiling.ts'
import { parseSpiffeId, type SpiffeId } from '../../identity/spiffe-id.ts'
import { parseTrustDomain, type TrustDomain } from '../../identity/trust-domain.ts'
import { parsedBy, parsedListBy, pathIn } from '../configuration.ts'

/** Another trust domain, whose agents may call. */
export interface FederatedDomainConfig {
  readonly trustDomain: TrustDomain
  /** Where its bundle is read; without it `bundle` is all that is known. */
  readonly endpoint?:
    | {
        readonly url: string
        readonly profile: 'https_web' | 'https_spiffe'
        /** Of an endpoint of `https_spiffe`. */
        readonly spiffeId?: SpiffeId | undefined
        /** File of the authorities of one of `https_web`; the system's where absent. */
        readonly caCert?: string | undefined
      }
    | undefined
  /** File of its bundle, PEM or a SPIFFE bundle, followed. With an endpoint of `https_spiffe` the first one, which only the endpoint is known by. */
  readonly bundle?: string | undefined
  /** So long the bundle of an endpoint is used after it was last read. */
  readonly ageSecondsMax: number
  /** The most that any of its workloads may ever be permitted here. */
  readonly toolScopes: Ceiling['toolScopes']
  readonly models: Ceiling['models']
  readonly identityExtensionOid?: string | undefined
}

const endpointSchema = (
  folder: string,
): z.ZodType<NonNullable<FederatedDomainConfig['endpoint']>> =>
  z
    .strictObject({
      url: z
        .url({ protocol: /^https$/, error: 'want=an https URL' })
        .refine((text) => !new URL(text).username && !new URL(text).password, 'want=no user in it'),
      profile: z.enum(['https_web', 'https_spiffe']),
      spiffeId: parsedBy(parseSpiffeId).optional(),
      caCert: pathIn(folder).optional(),
    })
    .superRefine(({ profile, spiffeId, caCert }, context) => {
      const add = (field: string, message: string): void => {
        context.addIssue({ code: 'custom', path: [field], message })
      }
      const isSpiffe = profile === 'https_spiffe'
      if (isSpiffe !== (spiffeId !== undefined))
        add('spiffeId', 'want=of an endpoint of https_spiffe, and of no other')
      if (isSpiffe && caCert !== undefined) add('caCert', 'want=of an endpoint of https_web alone')
    })

export function federationSchema(folder: string): z.ZodType<readonly FederatedDomainConfig[]> {
  return z
    .array(
      z
        .strictObject({
          trustDomain: parsedBy(parseTrustDomain),
          endpoint: endpointSchema(folder).optional(),
          bundle: pathIn(folder).optional(),
          ageSecondsMax: z.int().min(300).max(604_800).default(14_400),
          toolScopes: parsedListBy((texts) => parseToolScopes(texts.join(','))),
          models: parsedListBy((texts) =>
            texts.length === 0 ? [] : parseModels(texts.join(',')),
          ).default([]),
          identityExtensionOid: z.string().max(128).optional(),
        })
        .superRefine(({ trustDomain, endpoint, bundle }, context) => {
          const add = (field: string, message: string): void => {
            context.addIssue({ code: 'custom', path: [field], message })
          }
          if (endpoint === undefined && bundle === undefined)
            add('bundle', 'want=endpoint or bundle')
          if (endpoint?.profile === 'https_spiffe' && bundle === undefined)
            add('bundle', 'required, for the endpoint to be known by')
          if (endpoint?.profile === 'https_web' && bundle !== undefined)
            add('bundle', 'want=none beside an endpoint of https_web')
          if (endpoint?.spiffeId !== undefined && endpoint.spiffeId.trustDomain !== trustDomain)
            add('endpoint', `want=a SPIFFE ID of ${trustDomain}`)
        }),
    )
    .max(32)
}

/** What is wrong with the list as a whole: our own anchors come from nowhere else, and nobody has two bundles. */
export function federationConflicts(
  own: TrustDomain,
  domains: readonly FederatedDomainConfig[],
): readonly { readonly index: number; readonly message: string }[] {
  return domains.flatMap(({ trustDomain }, index) => {
    if (trustDomain === own) return [{ index, message: 'want=another trust domain than our own' }]
    const first = domains.findIndex((each) => each.trustDomain === trustDomain)
    return first === index ? [] : [{ index, message: 'want=each trust domain once' }]
  })
}
