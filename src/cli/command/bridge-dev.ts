import { readFile } from 'node:fs/promises'
import * as z from 'zod'
import { CountersignError, quoted } from '../../errors.ts'
import type { BridgeTarget } from './bridge-command.ts'
import { validate } from '../configuration.ts'

const devFileSchema = z.object({
  gateway: z.object({ url: z.string(), spiffeId: z.string() }),
  trustBundle: z.string(),
  pods: z.array(
    z.object({ namespace: z.string(), name: z.string(), credentialBundle: z.string().nullable() }),
  ),
})

/** What the dev.json of a running `npm run dev` says of the gateway and of one of its pods. */
export async function targetInDev(file: string, pod: string): Promise<BridgeTarget> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new CountersignError('cli/usage', `bridge: cannot read ${quoted(file, 300)}`, {
      cause,
      hint: 'it is the dev.json that `npm run dev` writes when all is ready',
    })
  })
  const dev = validate(JSON.parse(text), devFileSchema, file)
  const { credentialBundle } =
    dev.pods.find(({ namespace, name }) => `${namespace}/${name}` === pod) ?? {}
  if (typeof credentialBundle === 'string') {
    return {
      url: `${dev.gateway.url}/mcp`,
      server: dev.gateway.spiffeId,
      credentialBundle,
      trustBundle: dev.trustBundle,
    }
  }
  const named = dev.pods.filter((each) => each.credentialBundle !== null)
  throw new CountersignError('cli/usage', `bridge: ${quoted(pod)} has no certificate there`, {
    hint: `one of ${named.map(({ namespace, name }) => `${namespace}/${name}`).join(', ')}`,
  })
}
