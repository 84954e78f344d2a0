import { readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { CountersignError, quoted, type ErrorCode } from '../errors.ts'
import { createBundleService, type BundleService } from '../policy/bundle-service.ts'
import { createBundleTrust, parseBundleKey, type BundleTrust } from '../policy/bundle-trust.ts'
import { createRegistryService } from '../policy/oci/registry.ts'
import type { SelfTest } from '../policy/self-test.ts'
import { createSelfTest } from './bundle-process.ts'
import type { ServiceConfig } from './service-configuration.ts'
import type { SignatureConfig } from './shared-configuration.ts'

/** In the image all files of the program stand in one folder, and so they do in the package. */
export const program: string = join(import.meta.dirname, `main${extname(import.meta.filename)}`)

export function openSelfTest(): SelfTest {
  return createSelfTest({ program })
}

/** Asks whatever it is that holds the bundles. */
export function openService(service: ServiceConfig): BundleService {
  return service.type === 'oci' ? createRegistryService(service) : createBundleService(service)
}

/** Reads the keys of those who sign bundles; `dated`: each says when it was signed. Throws `policy/signature`. */
export async function openTrust(
  signature: SignatureConfig | undefined,
  how: { readonly dated?: () => number } = {},
): Promise<BundleTrust> {
  if (signature === undefined) return createBundleTrust(undefined)
  const keys = signature.keys.map(async ({ publicKey: file, ...key }) =>
    parseBundleKey(await readPolicyFile(file, 'policy/signature'), key),
  )
  return createBundleTrust({ keys: await Promise.all(keys), scope: signature.scope }, how)
}

/** Throws `code` when it cannot be read. */
export async function readPolicyFile(file: string, code: ErrorCode): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new CountersignError(code, `file cannot be read, got=${quoted(file, 200)}`, { cause })
  }
}
