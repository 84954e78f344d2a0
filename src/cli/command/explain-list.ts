import { CountersignError, quoted } from '../../errors.ts'
import { silentLog } from '../../log.ts'
import { silentMetrics } from '../../metrics.ts'
import { createAuthorizer } from '../../policy/authorizer.ts'
import { lookAtPolicy } from '../open-policy.ts'
import { requiredFile } from '../required-file.ts'
import { Refused } from '../run-program.ts'
import type { Terminal } from '../terminal.ts'
import {
  explainOffers,
  explainTools,
  offerMethods,
  type Explained,
  type ExplainedOffer,
  type ExplainedTool,
  type Explaining,
} from './explain-offers.ts'
import { readSubject, type ExplainedSubject, type SubjectOptions } from './explained-subject.ts'
import { seeGateway, type SeenGateway, type SeenServer } from './seen-tools.ts'

export interface ExplainOptions extends SubjectOptions {
  readonly config?: string
  readonly server?: string
  readonly json?: boolean
}

/** By the names that the protocol gives the lists. */
interface Lists {
  readonly tools: ExplainedTool[]
  readonly prompts: ExplainedOffer[]
  readonly resources: ExplainedOffer[]
  readonly resourceTemplates: ExplainedOffer[]
}

/** Why each tool, prompt, resource and template is or is not in the lists of an identity, by the rules of the lists. Throws `cli/usage`. */
export async function runExplainList(
  identity: string | undefined,
  options: ExplainOptions,
  terminal: Terminal,
  now: () => number = Date.now,
): Promise<void> {
  const file = requiredFile(options.config, 'gateway explain-list')
  const { signal } = terminal
  const gateway = await seeGateway(file, { signal, now })
  const { config } = gateway
  const subject = await readSubject(identity, options, { config, signal })
  const servers = serversOf(gateway, options.server)
  await using policy = await lookAtPolicy(config.policy, {
    log: silentLog,
    metrics: silentMetrics,
    signal,
  })
  const explaining = { ...subject, authorizer: createAuthorizer(policy.engine), now }
  const lists: Lists = { tools: [], prompts: [], resources: [], resourceTemplates: [] }
  const failures: { readonly server: string; readonly why: string }[] = []
  for (const server of servers) {
    try {
      await explain(lists, { gateway, server, explaining })
    } catch (error) {
      if (!(error instanceof CountersignError)) throw error
      failures.push({ server: server.config.server, why: error.message })
    }
  }
  const { digest } = policy.engine
  const document = { version: 1, ...toldOf(subject), policy: digest, ...lists, failures }
  terminal.out(options.json === true ? `${JSON.stringify(document)}\n` : format(subject, lists))
  for (const { why } of failures) terminal.err(`${why}\n`)
  if (failures.length > 0) throw new Refused()
}

function serversOf({ servers }: SeenGateway, wanted: string | undefined): readonly SeenServer[] {
  const chosen = servers.filter(({ config }) => wanted === undefined || config.server === wanted)
  if (chosen.length > 0) return chosen
  const message = `no tool server ${quoted(wanted ?? '')}`
  const hint = `there are ${servers.map(({ config }) => config.server).join(', ')}`
  throw new CountersignError('cli/usage', message, { hint })
}

async function explain(
  lists: Lists,
  {
    gateway,
    server,
    explaining,
  }: {
    readonly gateway: SeenGateway
    readonly server: SeenServer
    readonly explaining: Explaining
  },
): Promise<void> {
  lists.tools.push(...explainTools(server, await gateway.toolsOf(server), explaining))
  for (const member of ['prompts', 'resources', 'resourceTemplates'] as const) {
    const methods = offerMethods[member]
    const seen = await gateway.offersOf(server, methods.list)
    lists[member].push(...explainOffers(server, seen, explaining, methods))
  }
}

/** What its certificate says, or would say. */
function toldOf({ id, role, tenant, ceiling }: ExplainedSubject): object {
  const toolScopes = ceiling.toolScopes.map((scope) => scope.text)
  return { identity: id, role: role ?? null, tenant: tenant ?? null, toolScopes }
}

function format(subject: ExplainedSubject, lists: Lists): string {
  const { id, role = 'none', tenant = 'none', ceiling } = subject
  const scopes = ceiling.toolScopes.map((scope) => scope.text).join(',')
  const who = `${id}: role ${role}, tenant ${tenant}, tool scopes ${scopes === '' ? 'none' : scopes}\n`
  const lines = [
    ...lists.tools.map((each) => line('tool', each.tool, each)),
    ...lists.prompts.map((each) => line('prompt', each.name, each)),
    ...lists.resources.map((each) => line('resource', each.name, each)),
    ...lists.resourceTemplates.map((each) => line('template', each.name, each)),
  ]
  return who + (lines.length === 0 ? 'nothing is listed\n' : lines.join(''))
}

function line(kind: string, name: string, { server, era, shown, by, reasons }: Explained): string {
  const why = reasons.map(({ code, message }) => `${code}: ${message}`).join('; ')
  const what = shown ? 'shown' : `hidden by ${by}`
  const of = `${server}:${quoted(name, Number.POSITIVE_INFINITY).slice(1, -1)}`
  return `${what.padEnd(20)}  ${era.padEnd(6)}  ${kind.padEnd(8)}  ${of}${why === '' ? '' : `  ${why}`}\n`
}
