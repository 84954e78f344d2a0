/**
 * Clients and servers that others wrote, each with each, through the gateway: `npm run test:matrix [-- --client=fastmcp --write]`. What
 * works stands in docs/CLIENTS.md, and has to be what is found; `--write` writes what is found there.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { programIsHere } from '../../../examples/session.ts'
import { openStage, serverName, type Stage } from '../../conformance/stage.ts'
import { installNpm } from '../../tools/npm.ts'
import { installPip } from '../../tools/pip.ts'
import { clients, runClient, type MatrixClient } from './clients.ts'
import { judge, type Cell } from './judge.ts'
import { doorOfAll, files, planForAll, plansFor, type Plan } from './plan.ts'
import { openServers } from './servers.ts'
import { formatTable, replaceTable } from './table.ts'

const { values } = parseArgs({
  options: { client: { type: 'string', default: '' }, write: { type: 'boolean', default: false } },
})
const page = join(import.meta.dirname, '../../../docs/CLIENTS.md')

async function main(folder: string): Promise<void> {
  const modules = await installNpm(join(import.meta.dirname, 'others'))
  const python = await installPip(join(import.meta.dirname, '../fast.txt'))
  const data = join(folder, 'data')
  await mkdir(data)
  for (const [name, text] of Object.entries(files)) await writeFile(join(data, name), text)
  const own = plansFor(data)
  const plans = { ...own, [doorOfAll]: planForAll(own) }
  await using servers = await openServers({ modules, python, folder: data })
  await using stage = await openStage(standing(servers.ports, own))
  await writeIdentity(folder, stage)
  const chosen = clients.filter(({ name, needs }) => name.includes(values.client) && isHere(needs))
  const rows = new Map<string, ReadonlyMap<string, Cell>>()
  for (const client of chosen) {
    const cells = await cellsOf(client, { folder, stage, plans, modules })
    rows.set(client.name, cells)
    for (const [server, { revision, works, fails }] of cells) {
      say(`${client.name} × ${server}: ${revision ?? 'none'}: ${works.join(' ')}`)
      for (const { step, why } of fails) say(`  ${step}: ${why.slice(0, 300)}`)
    }
  }
  const text = await readFile(page, 'utf8')
  if (chosen.length < clients.length) return
  const found = replaceTable(text, formatTable(rows))
  if (values.write) await writeFile(page, found)
  else if (found !== text) {
    say('docs/CLIENTS.md says otherwise: see git diff after npm run test:matrix -- --write')
    process.exitCode = 1
  }
}

function isHere(program: MatrixClient['needs']): boolean {
  return program === undefined || programIsHere('test/sdks/matrix', program, 'version')
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function standing(
  ports: Readonly<Record<string, number>>,
  plans: Plans,
): Parameters<typeof openStage>[0] {
  const all = { prefixes: { '': {} } }
  return Object.fromEntries(
    Object.entries(plans).map(([server, { tools, eras = [] }]) => {
      const granted = Object.fromEntries(tools.map((tool) => [tool, {}]))
      const grants = { tools: granted, prompts: all, resources: all }
      return [server, { port: ports[server] ?? 0, eras, grants }]
    }),
  )
}

/** The agent's files, as they are mounted. */
async function writeIdentity(folder: string, { agent }: Stage): Promise<void> {
  const { credential, bundle } = agent
  const pem = `${credential.privateKeyPem}${credential.chainPem}`
  await writeFile(join(folder, 'credential-bundle.pem'), pem, { mode: 0o600 })
  await writeFile(join(folder, 'trust-bundle.pem'), bundle.pem)
}

async function cellsOf(
  client: MatrixClient,
  o: {
    readonly folder: string
    readonly stage: Stage
    readonly plans: Plans
    readonly modules: string
  },
): Promise<ReadonlyMap<string, Cell>> {
  const { folder, stage, plans, modules } = o
  const { port } = stage.agent
  const urlOf = (server: string): string => {
    const door = server === doorOfAll ? '/mcp' : `/mcp/${server}`
    return client.plain === true ? stage.url(door) : `https://127.0.0.1:${port}${door}`
  }
  const asked = withoutSteps(plans, client.leavesOut)
  const servers = Object.entries(asked).map(([server, { steps }]) => ({
    server,
    url: urlOf(server),
    steps,
  }))
  const plan = join(folder, 'plan.json')
  await writeFile(plan, JSON.stringify({ servers, port, serverName, folder }))
  const environment = { PLAN: plan, IDENTITY: folder, SERVER_NAME: serverName }
  const lines = await runClient(await client.prepare(modules), environment)
  return new Map(
    Object.entries(asked).map(([server, each]) => [
      server,
      judge(
        lines.filter((line) => line.server === server),
        each,
      ),
    ]),
  )
}

type Plans = Readonly<Record<string, Plan>>

function withoutSteps(plans: Plans, names: MatrixClient['leavesOut'] = []): Plans {
  return Object.fromEntries(
    Object.entries(plans).map(([server, plan]) => {
      const steps = { ...plan.steps }
      for (const name of names) delete steps[name]
      return [server, { ...plan, steps }]
    }),
  )
}

const folder = await mkdtemp(join(tmpdir(), 'countersign-matrix-'))
try {
  await main(folder)
} finally {
  await rm(folder, { recursive: true, force: true })
}
