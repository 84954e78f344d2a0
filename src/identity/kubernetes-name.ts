/** RFC 1123 label, as the API server checks names of namespaces and services: at most 63 octets. */
export function isDnsLabel(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(text)
}

/**
 * RFC 1123 subdomain, as the API server checks names of service accounts, pods and nodes: at most 253 octets.
 * Labels inside have no bound of their own there, only the whole name has.
 */
export function isDnsSubdomain(text: string): boolean {
  return (
    text.length <= 253 &&
    /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/.test(text)
  )
}

/** A Kubernetes label value that is lower case and not empty: at most 63 octets. */
export function isLowerCaseLabelValue(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/.test(text)
}

/** A Kubernetes UID: opaque to us, visible ASCII, at most 128 octets (the API server's bound). */
export function isUid(text: string): boolean {
  return /^[\x21-\x7e]{1,128}$/.test(text)
}
