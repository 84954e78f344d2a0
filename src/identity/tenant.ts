import { CountersignError, quoted } from '../errors.ts'
import { isLowerCaseLabelValue } from './kubernetes-name.ts'

declare const brand: unique symbol

/** A tenant of the platform, named as a Kubernetes label value in lower case. */
export type Tenant = string & { readonly [brand]: 'Tenant' }

/** Parses the name of a tenant. Throws `identity/tenant`. */
export function parseTenant(text: string): Tenant {
  if (!isLowerCaseLabelValue(text)) {
    throw new CountersignError(
      'identity/tenant',
      `tenant is not a lower-case label value of 1..63 characters, got=${quoted(text)}`,
    )
  }
  return text as Tenant
}
