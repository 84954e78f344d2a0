import type { Bundle } from '../pki/bundle.ts'

/**
 * By which of two an endpoint is known: the bundle that was read last, or the one that somebody has put into a file since. That one stays
 * until something else was read: the endpoint may be away just when the file is changed, and the last one may know it no more.
 */
export function createNewestBundle(): (given: Bundle, read: Bundle | undefined) => Bundle {
  let known: { readonly given: Bundle; readonly read: Bundle | undefined } | undefined
  return (given, read) => {
    if (known?.given !== given) known = { given, read }
    return read === known.read ? given : (read ?? given)
  }
}
