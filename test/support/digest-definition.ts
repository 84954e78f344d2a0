import { canonicalize } from '../../src/gateway/catalogue/canonical.ts'

/** The digest to put into a pin. */
export function digestDefinition(text: string): string {
  return canonicalize(text, JSON.parse(text)).digest
}
