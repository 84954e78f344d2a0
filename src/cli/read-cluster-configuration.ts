import { parseDocument } from 'yaml'
import type { z } from 'zod'
import type { ConfigurationReader } from '../doctor/gather/installation.ts'
import { CountersignError } from '../errors.ts'
import { validate } from './configuration.ts'
import { gatewaySchema } from './gateway/gateway-configuration.ts'
import { signerSchema, type SignerConfig } from './signer/signer-configuration.ts'

/** Where the chart mounts the configuration. */
const folder = '/etc/countersign'

/** The signer's, of the text that the chart has put into a ConfigMap. Throws `cli/configuration`. */
export function signerOf(text: string): SignerConfig {
  return read(text, signerSchema(folder), 'signer.yaml')
}

/** Reads what stands in the cluster as the programs read their files. Throws `cli/configuration`. */
export const clusterConfiguration: ConfigurationReader = {
  signer: signerOf,
  gateway: (text) => read(text, gatewaySchema(folder), 'gateway.yaml'),
}

function read<S extends z.ZodType>(text: string, schema: S, what: string): z.output<S> {
  const document = parseDocument(text, { uniqueKeys: true, strict: true, version: '1.2' })
  if (document.errors.length > 0) {
    throw new CountersignError('cli/configuration', `${what}: want=YAML`)
  }
  try {
    return validate(document.toJS({ maxAliasCount: 0 }), schema, what)
  } catch (cause) {
    if (cause instanceof CountersignError) throw cause
    throw new CountersignError('cli/configuration', `${what}: want=no aliases`, { cause })
  }
}
