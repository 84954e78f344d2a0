import { CountersignError, quoted } from '../../errors.ts'
import { outsideCeiling, outsideServerScopes } from '../../gateway/permit/ceiling.ts'
import { servesTool } from '../../gateway/upstream/upstream.ts'
import { allowsTool, emptyCeiling, parseToolScopes, type Ceiling } from '../../identity/ceiling.ts'
import { parseRole } from '../../identity/role.ts'
import { parseSpiffeId, workloadOf } from '../../identity/spiffe-id.ts'
import { parseTenant } from '../../identity/tenant.ts'
import { silentLog } from '../../log.ts'
import { silentMetrics } from '../../metrics.ts'
import type { DecisionContext } from '../../policy/asked.ts'
import { createAuthorizer, type Authorizer } from '../../policy/authorizer.ts'
import { formatInput, type InputText } from '../../policy/input.ts'
import { openPolicy } from '../open-policy.ts'
import { Refused } from '../run-program.ts'
import { seeGateway, type SeenServer, type SeenTool } from './seen-tools.ts'
import type { Terminal } from '../terminal.ts'

export interface ExplainOptions {
  readonly config?: string
  readonly server?: string
  readonly toolScopes?: string
  readonly role?: string
  readonly tenant?: string
  readonly json?: boolean
}

interface Explained {
  readonly server: string
  readonly tool: string
  readonly era: string
  readonly digest: string
  readonly shown: boolean
  /** What hides it first. */
  readonly by?: 'ceiling' | 'definition' | 'policy'
  readonly reasons: readonly { readonly code: string; readonly message: string }[]
}

/** Why each tool is or is not in the list of an identity, by the same rules as the list itself. Throws `cli/usage`. */
export async function runExplainList(
  identity: string,
  options: ExplainOptions,
  terminal: Terminal,
  now: () => number = Date.now,
): Promise<void> {
  const { config: file } = options
  if (file === undefined) {
    const message = "required option '--config <file>' not specified"
    const hint = 'countersign gateway explain-list --help'
    throw new CountersignError('cli/usage', message, { hint })
  }
  const subject = subjectOf(identity, options)
  const gateway = await seeGateway(file, { signal: terminal.signal, now })
  const servers = gateway.servers.filter(
    ({ config }) => options.server === undefined || config.server === options.server,
  )
  if (servers.length === 0) {
    const message = `no tool server ${quoted(options.server ?? '')}`
    const hint = `there are ${gateway.servers.map(({ config }) => config.server).join(', ')}`
    throw new CountersignError('cli/usage', message, { hint })
  }
  await using policy = await openPolicy(gateway.config.policy, {
    log: silentLog,
    metrics: silentMetrics,
  })
  const authorizer = createAuthorizer(policy.engine)
  const tools: Explained[] = []
  const failures: { readonly server: string; readonly why: string }[] = []
  for (const server of servers) {
    try {
      const seen = await gateway.toolsOf(server)
      tools.push(...explainTools(server, seen, { ...subject, authorizer, now }))
    } catch (error) {
      if (!(error instanceof CountersignError)) throw error
      failures.push({ server: server.config.server, why: error.message })
    }
  }
  const document = { version: 1, identity, policy: policy.engine.digest, tools, failures }
  terminal.out(options.json === true ? `${JSON.stringify(document)}\n` : format(tools))
  for (const { why } of failures) terminal.err(`${why}\n`)
  if (failures.length > 0) throw new Refused()
}

interface Subject {
  readonly text: InputText
  readonly ceiling: Ceiling
}

/** As the certificate of the identity would say it: what is not given, it has none of. */
function subjectOf(identity: string, { toolScopes, role, tenant }: ExplainOptions): Subject {
  const spiffeId = parseSpiffeId(identity)
  const workload = workloadOf(spiffeId)
  if (workload === undefined) {
    const hint = 'spiffe://<trust domain>/ns/<namespace>/sa/<service account>'
    throw new CountersignError('cli/usage', 'identity: want=SPIFFE ID of a workload', { hint })
  }
  const scopes = toolScopes === undefined ? [] : parseToolScopes(toolScopes)
  const text = formatInput({
    type: 'identity',
    id: spiffeId.uri,
    properties: {
      ...(role === undefined ? {} : { role: parseRole(role) }),
      ...(tenant === undefined ? {} : { tenant: parseTenant(tenant) }),
      models: [],
      toolScopes: scopes.map((scope) => scope.text),
      namespace: workload.namespace,
      serviceAccount: workload.serviceAccount,
      // No rule may depend on which pod or certificate it is: there is none here.
      pod: { name: '', uid: '' },
      certificate: { sha256: '', notAfter: '' },
    },
  })
  return { text, ceiling: { ...emptyCeiling, toolScopes: scopes } }
}

function explainTools(
  { config }: SeenServer,
  seen: readonly SeenTool[],
  asking: Subject & { readonly authorizer: Authorizer; readonly now: () => number },
): readonly Explained[] {
  const { ceiling, text, authorizer, now } = asking
  const { server } = config
  const context = (
    era: DecisionContext['era'],
    phase: DecisionContext['phase'],
  ): DecisionContext => ({
    era,
    time: new Date(now()).toISOString(),
    door: `mcp/${server}`,
    phase,
  })
  return seen.map(({ era, definition, quarantine }) => {
    const { name, digest } = definition
    const told = { server, tool: name, era, digest }
    const hidden = (by: Explained['by'] & string, reasons: Explained['reasons']): Explained => ({
      ...told,
      shown: false,
      by,
      reasons: reasons.map(({ code, message }) => ({ code, message })),
    })
    if (!allowsTool(ceiling, server, name)) return hidden('ceiling', [outsideCeiling])
    if (!servesTool(config, name)) return hidden('ceiling', [outsideServerScopes])
    if (quarantine !== undefined) {
      return hidden('definition', [{ code: quarantine, message: `its digest is now ${digest}` }])
    }
    const asked = definition.told(server)
    const list = { subject: text, action: 'tools/list', resources: [asked] }
    const answer = authorizer.filter({ ...list, context: context(era, 'list') })
    if (answer.value[0] === true) return { ...told, shown: true, reasons: [] }
    const resource = asked.text
    const call = { subject: text, action: 'tools/call', resource, arguments: undefined }
    const { value } = authorizer.decide({ ...call, context: context(era, 'request') })
    return hidden('policy', value.reasons)
  })
}

function format(tools: readonly Explained[]): string {
  if (tools.length === 0) return 'no tools\n'
  return tools
    .map(({ server, tool, era, shown, by, reasons }) => {
      const why = reasons.map(({ code, message }) => `${code}: ${message}`).join('; ')
      const what = shown ? 'shown' : `hidden by ${by}`
      return `${what.padEnd(20)}  ${era.padEnd(6)}  ${server}:${JSON.stringify(tool).slice(1, -1)}${why === '' ? '' : `  ${why}`}\n`
    })
    .join('')
}
