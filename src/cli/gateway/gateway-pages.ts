/** What a gateway shows to those who verify: whom it trusts, and what it signs with. */
interface Shown {
  trustBundlePem(): string | undefined
  jwks(): string | undefined
  policyStatus(): string | undefined
}

interface Page {
  readonly contentType: string
  readonly body: string
}

const table: Readonly<Record<string, readonly [contentType: string, keyof Shown]>> = {
  '/trust-bundle.pem': ['application/x-pem-file', 'trustBundlePem'],
  '/jwks.json': ['application/jwk-set+json', 'jwks'],
  '/v1/status': ['application/json; charset=utf-8', 'policyStatus'],
}

export const pagePaths: readonly string[] = Object.keys(table)

/** The pages by their paths; each is undefined while there is nothing to show. */
export function pagesOf(
  gateway: () => Shown | undefined,
): Readonly<Record<string, () => Page | undefined>> {
  return Object.fromEntries(
    Object.entries(table).map(([path, [contentType, member]]) => [
      path,
      () => {
        const body = gateway()?.[member]()
        return body === undefined ? undefined : { contentType, body }
      },
    ]),
  )
}
