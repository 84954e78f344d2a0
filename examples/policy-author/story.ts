/** An author's walk through docs/POLICY.md: a rule is written, tested, compared with what was and is decided, put in force and explained. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { DevFile } from '../../dev/story/dev-file.ts'
import { openCountersignFetch } from '../../src/agent/countersign-fetch.ts'
import { toolPath } from '../../test/tools/build.ts'
import { openSession, programIsHere } from '../session.ts'

const opa = process.env['COUNTERSIGN_OPA'] ?? toolPath('opa') ?? 'opa'
const main = join(import.meta.dirname, '../../src/cli/main.ts')

interface Ended {
  readonly code: number | null
  readonly document: Readonly<Record<string, unknown>>
}

/** Runs `countersign policy …`, as its author would, and reads what it prints. */
async function policy(...words: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [main, 'policy', ...words, '--json'], {
    env: { ...process.env, COUNTERSIGN_OPA: opa },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let out = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  const [code] = (await once(child, 'close')) as [number | null]
  console.log(`countersign policy ${words[0]}: exit ${code}`)
  return { code, document: JSON.parse(out || '{}') as Ended['document'] }
}

/** A rule of a tool's argument; `condition` is what its author takes for the ticket's absence. */
function ruleWith(condition: string): string {
  return `package countersign.custom

# METADATA
# title: Tickets
# description: The title of an issue begins with its ticket.
# scope: document
# schemas:
#   - input: schema.mcp.decision
deny contains {"code": "ticket-missing", "message": "the title does not begin with a ticket, such as DOC-7"} if {
	input.action.name == "tools/call"
	input.resource.properties.server == "github"
	input.resource.id == "issues_create"
	${condition}
}

# METADATA
# title: Has a ticket
# schemas:
#   - input: schema.mcp.decision
has_ticket if startswith(input.context.arguments.title, "DOC-")
`
}

const tests = `package countersign.custom_test

import data.countersign.custom

create(arguments) := {
	"action": {"name": "tools/call"},
	"resource": {"type": "tool", "id": "issues_create", "properties": {"server": "github"}},
	"context": {"arguments": arguments},
}

test_with_a_ticket if count(custom.deny) == 0 with input as create({"title": "DOC-7 a title"})

test_denied[name] if {
	some name, arguments in {"without a ticket": {"title": "a title"}, "without a title": {}, "with a list": {"title": ["DOC-7 a title"]}}
	count(custom.deny) == 1 with input as create(arguments)
}
`

interface Case {
  readonly name: readonly string[]
  readonly outcome: string
}

interface Refusal extends Error {
  readonly code: number
  readonly data: {
    readonly decisionId: string
    readonly reasons: readonly string[]
  }
}

interface Places {
  readonly folder: string
  readonly sources: string
  readonly bundle: string
}

async function walk({ folder, sources, bundle }: Places): Promise<void> {
  // 1. A folder of sources. The log shows arguments here, so that rules which read them can be replayed.
  assert.equal((await policy('new', sources)).code, 0)
  const dataFile = join(sources, 'data.json')
  const data = JSON.parse(await readFile(dataFile, 'utf8')) as object
  await writeFile(dataFile, JSON.stringify({ ...data, log: { arguments: 'plain' } }))
  const first = await policy('build', sources, '-o', bundle)
  assert.equal(first.code, 0)

  // 2. What was yesterday: a gateway decides by that bundle, and writes down what it has decided. There is no candidate yet.
  const candidate = join(folder, 'candidate.tar.gz')
  const configuration = join(folder, 'policy.yaml')
  await writeFile(configuration, JSON.stringify({ bundle, candidate: { bundle: candidate } }))
  await using session = await openSession({ words: ['--policy-config', configuration] })
  const { dev } = session
  await using agent = await openAgent(dev)
  assert.equal(await agent.create('DOC-7 say hello'), undefined)
  assert.equal(await agent.create('say hello'), undefined)
  assert.equal((await agent.create('DOC-7 say hello', 'globex/vault'))?.code, -31403)

  // 3. and 4. A rule, and what it would have changed yesterday.
  await writeRule(sources)
  const { code, document } = await policy('build', sources, '-o', candidate)
  assert.equal(code, 0)
  const revision = String(document['revision'])
  await compare(folder, candidate, dev)

  // 5. What it would change now: the gateway asks the candidate beside its bundle, and answers as before.
  await watchShadow(agent, revision, dev)

  // 6. In force: the candidate that was watched, and no other one. Nothing was restarted.
  const other = await policy('promote', candidate, '--to', bundle, '--revision', 'another')
  assert.equal(other.code, 1)
  const words = ['--to', bundle, '--data', dev.policyData, '--by', 'the author']
  assert.equal((await policy('promote', candidate, '--revision', revision, ...words)).code, 0)
  const refused =
    (await untilIn(
      'force',
      () => agent.create('say hello'),
      (answer) => answer !== undefined,
    )) ?? assert.fail('it is allowed')
  assert.equal(await agent.create('DOC-8 say hello'), undefined)

  // 7. The agent is told the rule's reason, and a number; the number finds the rule.
  console.log(`refused: ${refused.message}`)
  assert.equal(refused.code, -31403)
  assert.match(refused.data.reasons.join(), /^the title does not begin with a ticket/)
  await explain(refused.data.decisionId, bundle, dev)

  // 8. Back, in one command, and forth.
  const back = ['--roll-back', '--revision', String(first.document['revision'])]
  assert.equal((await policy('promote', ...back, ...words)).code, 0)
  await untilIn(
    'force again',
    () => agent.create('say hello'),
    (answer) => answer === undefined,
  )
  assert.deepEqual(
    (await promotionsOf(bundle)).map(({ act, by }) => [act, by]),
    [
      ['promote', 'the author'],
      ['roll-back', 'the author'],
    ],
  )
}

/** Each has a second line, which tells how it ended. */
async function promotionsOf(bundle: string): Promise<readonly Promotion[]> {
  const record = await readFile(`${bundle}.promotions.jsonl`, 'utf8')
  const lines = record.trim().split('\n')
  return lines
    .map((line) => JSON.parse(line) as Promotion)
    .filter(({ outcome }) => outcome === undefined)
}

interface Promotion {
  readonly act: string
  readonly by: string
  readonly outcome?: string
}

/** Asks until what is asked for has come. */
async function untilIn<T>(
  what: string,
  ask: () => Promise<T>,
  holds: (answer: T) => boolean,
): Promise<T> {
  const since = performance.now()
  for (;;) {
    const answer = await ask()
    if (holds(answer)) {
      console.log(`in ${what} after ${((performance.now() - since) / 1000).toFixed(1)} s`)
      return answer
    }
    assert.ok(performance.now() - since < 60_000, `not in ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Calls go on while the candidate is asked about them; what it says is in the decision log. */
async function watchShadow(agent: StoryAgent, revision: string, dev: DevFile): Promise<void> {
  const words = ['shadow', '--log', dev.decisionLog, '--revision', revision] as const
  const { code, document } = await untilIn(
    'the log',
    async () => {
      assert.equal(await agent.create('say hello'), undefined)
      return policy(...words)
    },
    ({ document: { groups } }) => (groups as readonly unknown[]).length > 0,
  )
  assert.equal(code, 0)
  const [group] = document['groups'] as readonly Record<string, unknown>[]
  console.log(group)
  const { change, rule, resource, to } = group ?? {}
  const told = ['narrowed', 'ticket-missing', 'github:issues_create', 'deny ticket-missing']
  assert.deepEqual([change, rule, resource, to], told)
}

interface StoryAgent extends AsyncDisposable {
  /** Opens an issue, and gives the refusal where there is one. */
  create(title: string, repository?: string): Promise<Refusal | undefined>
}

async function openAgent({ gateway, trustBundle, pods }: DevFile): Promise<StoryAgent> {
  const pod = pods.find(({ namespace, name }) => namespace === 'acme' && name === 'researcher')
  const credentialBundle = pod?.credentialBundle ?? assert.fail('no certificate')
  const server = gateway.spiffeId
  const mtls = await openCountersignFetch({ credentialBundle, trustBundle, server })
  const client = new Client(
    { name: 'policy-author', version: '1.0.0' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  )
  const url = new URL('/mcp', gateway.url)
  await client.connect(new StreamableHTTPClientTransport(url, { fetch: mtls.fetch }))
  return {
    create: (title, repository = 'acme/handbook') =>
      client.callTool({ name: 'github_issues_create', arguments: { repository, title } }).then(
        () => undefined,
        (error: Refusal) => error,
      ),
    async [Symbol.asyncDispose]() {
      await client.close()
      await mtls[Symbol.asyncDispose]()
    },
  }
}

/** A rule that looks right. Its test finds the call that it lets pass: where there is no title, nothing of it is said to be wrong. */
async function writeRule(sources: string): Promise<void> {
  const custom = join(sources, 'countersign', 'custom')
  const naive = 'title := input.context.arguments.title\n\tnot startswith(title, "DOC-")'
  await writeFile(join(custom, 'deny.rego'), ruleWith(naive))
  await writeFile(join(custom, 'deny_test.rego'), tests)
  const { code, document } = await policy('test', sources)
  assert.equal(code, 1)
  const failed = (document['tests'] as readonly { cases?: readonly Case[] }[])
    .flatMap(({ cases = [] }) => cases)
    .filter(({ outcome }) => outcome === 'fail')
  assert.deepEqual(failed, [{ name: ['without a title'], outcome: 'fail' }])
  const checked = await policy('check', sources, '--strict')
  assert.equal(checked.code, 1)
  const warnings = checked.document['warnings'] as readonly { code: string; row: number }[]
  assert.deepEqual(
    warnings.map(({ code: warning, row }) => [warning, row]),
    [['absent-argument', 14]],
  )

  // It says what is allowed now, and denies the rest.
  await writeFile(join(custom, 'deny.rego'), ruleWith('not has_ticket'))
  assert.equal((await policy('test', sources)).code, 0)
  assert.equal((await policy('check', sources, '--strict')).code, 0)
}

/** What the candidate would have changed: it denies some calls, and allows none that were denied. */
async function compare(folder: string, candidate: string, dev: DevFile): Promise<void> {
  const asked = ['replay', '--log', dev.decisionLog, '--candidate', candidate, '--data']
  const { code, document } = await policy(...asked, dev.policyData)
  const groups = document['groups'] as readonly { change: string; to: string }[]
  console.log(groups)
  assert.equal(code, 0)
  assert.ok(groups.length > 0)
  for (const { change, to } of groups) {
    assert.deepEqual([change, to], ['narrowed', 'deny ticket-missing'])
  }

  // Whoever grants more beside it is told, and ends with 1.
  const wider = join(folder, 'wider.json')
  const grants = await readFile(dev.policyData, 'utf8')
  await writeFile(wider, grants.replace('"acme/handbook"', '"acme/handbook","globex/vault"'))
  const widened = await policy(...asked, wider)
  assert.equal(widened.code, 1)
  assert.ok((widened.document['counts'] as { widened: number }).widened > 0)
}

async function explain(id: string, bundle: string, dev: DevFile): Promise<void> {
  const where = ['--log', dev.decisionLog, '--bundle', bundle, '--data', dev.policyData]
  const { code, document } = await policy('explain', id, ...where)
  assert.equal(code, 0)
  const held = document['held'] as readonly { path: string; file: string; row: number }[]
  const { ways } = document['nearest'] as { readonly ways: readonly unknown[] }
  assert.deepEqual(ways, [], 'there is no way around a rule')
  const own = held.filter(({ path }) => path === 'countersign/custom/deny')
  assert.equal(own.length, 1)
  console.log(`denied by ${own[0]?.file}:${own[0]?.row}`)
}

if (programIsHere('policy-author', opa, 'version')) {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-policy-author-'))
  try {
    await walk({
      folder,
      sources: join(folder, 'my-policy'),
      bundle: join(folder, 'bundle.tar.gz'),
    })
  } finally {
    await rm(folder, { recursive: true })
  }
}
