import { ok, plural, problem, warning, type Judgement } from '../../doctor/check.ts'
import { toolServerRights } from '../../gateway/rights.ts'
import {
  chooseToolServers,
  isAccepted,
  type ToolServer,
} from '../../gateway/upstream/tool-server.ts'
import { toolServerResource } from '../../gateway/upstream/tool-server-watch.ts'
import type { UpstreamConfig } from '../../gateway/upstream/upstream.ts'
import { workloadOf } from '../../identity/spiffe-id.ts'
import { formatRight, missingRights, type Right } from '../../kubernetes/access-review.ts'
import { createApiClient, type ApiClient } from '../../kubernetes/api-client.ts'
import { isNotFound } from '../../kubernetes/api-error.ts'
import { listPages } from '../../kubernetes/list-pages.ts'
import type { Credential } from '../../pki/credential.ts'
import { messageOf } from './check-files.ts'
import { upstreamConfigOf, type GatewayConfig } from '../gateway/gateway-configuration.ts'

/** What is said of the ToolServers of a cluster, and those that the gateway would serve. */
export interface CheckedToolServers {
  readonly judgement: Judgement
  readonly accepted: readonly UpstreamConfig[]
}

/**
 * Judges the ToolServers of the cluster as the gateway does. That it cannot know of them is a problem; what is wrong with one of them is
 * its author's to mend, and must not keep anybody else from going on.
 */
export async function checkToolServers(
  config: GatewayConfig,
  { credential, signal }: { readonly credential: Credential; readonly signal: AbortSignal },
): Promise<CheckedToolServers> {
  const hint = 'it asks the API server as kubeconfig says, or with the service account of its pod'
  try {
    const client = createApiClient({
      kubeconfig: config.kubeconfig,
      environment: process.env,
      userAgent: 'countersign-gateway-check',
    })
    try {
      const missing = await missingRights(client, toolServerRights, signal)
      if (missing.some(({ optional }) => optional !== true)) return lacking(missing)
      return judgeAll(await listAll(client, signal), missing, { config, credential })
    } finally {
      client.close()
    }
  } catch (error) {
    const summary = isNotFound(error) ? (toolServerResource.missing ?? '') : messageOf(error)
    return { judgement: problem(summary, { hint }), accepted: [] }
  }
}

function lacking(missing: readonly Right[]): CheckedToolServers {
  const hint =
    'install the chart with gateway.toolServers=true, or give them to its service account'
  const evidence = missing.map(describeRight)
  const judgement = problem(`${plural(missing.length, 'right')} missing`, { evidence, hint })
  return { judgement, accepted: [] }
}

function describeRight(right: Right): string {
  return `${formatRight(right)} is missing: ${right.without}`
}

interface Listed {
  readonly toolServers: readonly ToolServer[]
  readonly unreadable: readonly string[]
}

async function listAll(client: ApiClient, signal: AbortSignal): Promise<Listed> {
  const { readings } = await listPages(client, toolServerResource, { signal })
  return {
    toolServers: readings.flatMap((each) => ('object' in each ? [each.object.toolServer] : [])),
    unreadable: readings.flatMap((each) =>
      'object' in each ? [] : [`${each.unreadable.key}: ${messageOf(each.unreadable.error)}`],
    ),
  }
}

function judgeAll(
  { toolServers, unreadable }: Listed,
  missing: readonly Right[],
  { config, credential }: { readonly config: GatewayConfig; readonly credential: Credential },
): CheckedToolServers {
  const configured = config.upstreams.map(upstreamConfigOf)
  const { trustDomain, production, firstUseFolder } = config
  const ownNamespace = workloadOf(credential.svid.spiffeId)?.namespace ?? ''
  const { configs, verdicts } = chooseToolServers(toolServers, {
    trustDomain,
    ownNamespace,
    configured,
    definitions: { production, remembers: firstUseFolder !== undefined },
  })
  const evidence = [
    ...verdicts
      .filter((verdict) => !isAccepted(verdict))
      .map(({ object, reason, message }) => `${object}: ${reason}: ${message}`),
    ...unreadable,
    ...missing.map(describeRight),
  ]
  const accepted = configs.slice(configured.length)
  const summary = `${plural(verdicts.length + unreadable.length, 'ToolServer')}, ${accepted.length} of them accepted`
  if (evidence.length === 0) return { judgement: ok(summary), accepted }
  const hint =
    'each line says what is to be changed: docs/AUTHORIZATION.md, Tool servers as resources'
  return { judgement: warning(summary, { evidence, hint }), accepted }
}
