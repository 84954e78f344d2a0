import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, before, test } from 'node:test'
import { parse, parseAllDocuments, stringify } from 'yaml'
import type { z } from 'zod'
import type { Cluster } from '../../dev/cluster.ts'
import { agentSchema } from '../../src/cli/agent/agent-configuration.ts'
import { validate } from '../../src/cli/configuration.ts'
import { eventually } from '../support/eventually.ts'
import { startRealCluster } from '../support/real-cluster.ts'
import { toolPath } from '../tools/build.ts'

const root = join(import.meta.dirname, '..', '..')

interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly data?: Readonly<Record<string, string>>
  readonly spec?: PodLike & { readonly template?: { readonly spec: PodLike } }
}

interface PodLike {
  readonly serviceAccountName?: string
}

/** The objects of Kubernetes in a text of YAML; a part of one is none. */
function manifestsIn(text: string): readonly Manifest[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Partial<Manifest> | null)
    .filter((each): each is Manifest => each?.apiVersion !== undefined && each.kind !== undefined)
}

function blocksOf(page: string): readonly string[] {
  return Array.from(page.matchAll(/^```yaml\n(.*?)^```/gms), ([, block = '']) => block)
}

/** By where they stand. What `envoy` reads is for Envoy. */
const texts: readonly (readonly [place: string, text: string])[] = [
  ...globSync('docs/*.md', { cwd: root }).flatMap((page) =>
    blocksOf(readFileSync(join(root, page), 'utf8')).map(
      (block, at) => [`${page}, block ${at + 1}`, block] as const,
    ),
  ),
  ...globSync('examples/**/*.yaml', { cwd: root, exclude: ['**/node_modules/**'] }).map(
    (file) => [file, readFileSync(join(root, file), 'utf8')] as const,
  ),
]

/** What a ConfigMap has for a program of ours, by its name there. */
const configurations: Readonly<Record<string, (folder: string) => z.ZodType>> = {
  'agent.yaml': agentSchema,
}

let folder: string
let cluster: Cluster

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-manifests-'))
  cluster = await startRealCluster({})
  const definitions = join(root, 'charts/countersign/files/crds')
  await kubectl(['apply', '-f', definitions])
  await eventually('the resources are served', async () => {
    const names = await kubectl(['api-resources', '--api-group=countersign.dev', '-o', 'name'])
    return names.trim().split('\n').length === globSync(join(definitions, '*.yaml')).length
  })
})

after(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

function kubectl(words: readonly string[], input = ''): Promise<string> {
  const program = toolPath('kubectl')
  assert.ok(program !== undefined, 'kubectl is not built: run node test/tools/build.ts kubectl')
  const env = { PATH: process.env['PATH'], HOME: folder, KUBECONFIG: cluster.adminKubeconfig }
  return new Promise((resolve, reject) => {
    const child = execFile(program, words, { env }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(stderr || error.message))
    })
    child.stdin?.end(input)
  })
}

/** Namespaces, and the service accounts that pods run as: without them no pod is taken. */
async function prepare(manifests: readonly Manifest[]): Promise<void> {
  const namespaces = new Set(manifests.map(({ metadata }) => metadata.namespace ?? 'default'))
  for (const name of namespaces) {
    await kubectl(['create', 'namespace', name]).catch(whereThere)
  }
  const accounts = manifests.flatMap(({ metadata, spec }) => {
    const name = spec?.serviceAccountName ?? spec?.template?.spec.serviceAccountName ?? 'default'
    return [[metadata.namespace ?? 'default', name]] as const
  })
  for (const [namespace, name] of accounts) {
    await kubectl(['-n', namespace, 'create', 'serviceaccount', name]).catch(whereThere)
  }
}

function whereThere(error: unknown): void {
  if (!(error instanceof Error) || !error.message.includes('already exists')) throw error
}

for (const [place, text] of texts) {
  const manifests = manifestsIn(text)
  if (manifests.length === 0) continue
  test(`a real API server takes what ${place} shows: ${manifests.map(({ kind }) => kind).join(', ')}`, async () => {
    await prepare(manifests)
    const taken = await kubectl(
      ['apply', '--dry-run=server', '--validate=strict', '-f', '-'],
      manifests.map((each) => stringify(each)).join('---\n'),
    )
    assert.equal(taken.trim().split('\n').length, manifests.length, taken)
    for (const [name, data] of manifests.flatMap(({ data }) => Object.entries(data ?? {}))) {
      const schema = configurations[basename(name)]
      if (schema !== undefined) validate(parse(data), schema('/'), name)
    }
  })
}
