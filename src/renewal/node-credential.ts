import { CountersignError, quoted } from '../errors.ts'
import { checkServingAnchors } from '../pki/node-serving.ts'
import { readRegularFile } from './regular-file.ts'

const octetsMax = 1024 * 1024

/** Anchors of a file, PEM: those of the signer of Kubernetes, which publishes none. Throws `renewal/trust-bundle` and `pki/bundle`. */
export async function readServingAnchors(file: string): Promise<string> {
  const code = 'renewal/trust-bundle'
  const found = await readRegularFile(file, { code, what: 'trustBundle', octetsMax })
  if (found === undefined) {
    throw new CountersignError(code, `trustBundle: ${quoted(file, 200)} is not there`)
  }
  checkServingAnchors(found.text)
  return found.text
}
