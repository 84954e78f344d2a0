import { mappedAddress, parseAddress } from './address.ts'

/**
 * One form for all spellings of a name or an address that some verifier takes for the same: TLS compares names without case, resolvers
 * read a dot at the end, and an address of IPv4 may be written as one of IPv6.
 */
export function canonicalSpelling(text: string): string {
  const bare = text.toLowerCase().replace(/\.$/, '')
  const address = parseAddress(bare)
  if (address === undefined) return bare
  return mappedAddress(address) ?? address
}
