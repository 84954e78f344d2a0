import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Node } from '../rig/node.ts'
import { identityExtensionOid, system, systemNamespace, trustDomain } from './cast.ts'

export const chart: string = join(import.meta.dirname, '../../../charts/countersign')

/** What the stories have granted: two tools of one server to one tenant, one of them for one repository. */
const grants = {
  tenants: {
    acme: {
      github: {
        tools: { issues_create: { arguments: { repository: ['acme/website'] } } },
        prefixes: { issues_: {} },
      },
    },
  },
}

/** The values that a newcomer writes, and nothing more. */
export const values: object = {
  trustDomain,
  // Nobody has pinned the tools of a first day, and what is trusted on first use has to outlive its pods in production.
  production: false,
  cluster: 'node',
  identityExtensionOid,
  policy: { grants },
  gateway: {
    upstreams: [
      {
        server: 'github',
        url: 'https://github.tools.svc:8443/mcp',
        spiffeId: `spiffe://${trustDomain}/ns/tools/sa/github`,
        trustOnFirstUse: true,
      },
    ],
  },
}

async function prepare(node: Node): Promise<string> {
  const file = join(node.folder, 'values.json')
  await writeFile(file, JSON.stringify(values))
  await node.apply(systemNamespace)
  return file
}

/** Installs or upgrades the release, and waits until its pods are Ready. */
export async function install(
  node: Node,
  options: { readonly chart?: string; readonly more?: readonly string[] } = {},
): Promise<void> {
  const file = await prepare(node)
  await node.helm(
    `upgrade --install countersign ${options.chart ?? chart} --namespace ${system}`,
    `--values=${file}`,
    '--wait',
    '--timeout=120s',
    ...(options.more ?? []),
  )
}

/** Installs it with something wrong, waits for nothing, and gives what the command said. */
export async function begin(node: Node, settings: readonly string[]): Promise<string> {
  const file = await prepare(node)
  const words = ['install', 'countersign', chart, '--namespace', system, `--values=${file}`]
  const { stdout, stderr } = await node.run('helm', [...words, ...settings])
  return `${stdout}${stderr}`
}
