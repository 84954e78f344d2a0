import { CountersignError, cut } from '../../errors.ts'
import { parseDataDocument } from '../../policy/data-document.ts'
import { openPolicyBase } from '../../policy/engine.ts'
import type { Fact, GatewaySettings, PolicyDataFact } from '../facts.ts'
import type { ConfigMap } from './installation.ts'

/** Puts the data of the gateway's ConfigMap to the shipped policy, as the gateway does when it starts. */
export async function learnPolicyData(
  configMap: Fact<ConfigMap | undefined>,
  gateway: Fact<GatewaySettings>,
): Promise<Fact<PolicyDataFact>> {
  if (!configMap.known) return configMap
  if (!gateway.known) return gateway
  const { bundle, service, data } = gateway.value.policy
  const named = new Set(data.map((path) => path.replace(/^.*\//, '')))
  const entries = Object.entries(configMap.value ?? {}).filter(([file]) => named.has(file))
  const files = entries.map(([file]) => file)
  if (bundle !== undefined || service !== undefined) {
    return { known: true, value: { files, fault: undefined, foreignBundle: true } }
  }
  const base = await openPolicyBase()
  return { known: true, value: { files, fault: faultOf(base, entries), foreignBundle: false } }
}

function faultOf(
  base: Awaited<ReturnType<typeof openPolicyBase>>,
  entries: readonly (readonly [string, string])[],
): string | undefined {
  try {
    base.engineWith(entries.map(([file, text]) => parseDataDocument(text, file)))
    return undefined
  } catch (error) {
    if (error instanceof CountersignError) return cut(error.message, 1000)
    throw error
  }
}
