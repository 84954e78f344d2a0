import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { readSourceFile } from '../support/source-tree.ts'
import { startNode } from './rig/node.ts'
import { ask } from './stage/ask.ts'
import { buildReadersImages } from './stage/images.ts'
import { install } from './stage/install.ts'
import { system } from './stage/cast.ts'
import { readBlocks, readSteps, readYamlBlocks } from './stage/page.ts'

test('the manifests and values of both quick starts make an agent that calls a tool', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-images-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const images = await buildReadersImages(folder)
  await using node = await startNode({ images, onProgress: (line) => t.diagnostic(line) })
  const [toolServer = '', values = ''] = readYamlBlocks('docs/QUICKSTART-TOOL-SERVER.md')
  const [agent = ''] = readYamlBlocks('docs/QUICKSTART-AGENT.md')
  const file = join(node.folder, 'quick-start.yaml')
  await writeFile(file, values)
  await install(node, { more: [`--values=${file}`] })
  await node.apply(toolServer, agent)
  await node.kubectl('rollout status --namespace tools deployment/github --timeout=120s')
  await node.kubectl('wait --namespace acme --for=condition=Ready pod/researcher --timeout=120s')
  const caller = { namespace: 'acme', pod: 'researcher' }
  const words = ['call', 'github_issues_list', '{"repository":"any/repository"}']
  // The gateway was there before the tool server, and looks for it again within seconds.
  const called = async (): Promise<boolean> => (await ask(node, caller, ...words)).ok !== undefined
  await eventually('a call', called, 60)
  const [snippet = ''] = readBlocks('docs/QUICKSTART-TOOL-SERVER.md', 'ts')
  const { text: program } = readSourceFile('test/node/workloads/github-revocations.ts')
  assert.ok(program.includes(snippet), snippet)
  for (const { commands } of readSteps('docs/QUICKSTART-TOOL-SERVER.md')) {
    const { code, stdout, stderr } = await node.run('sh', ['-c', `set -e; ${commands}`], {
      timeoutSeconds: 180,
    })
    assert.equal(code, 0, stdout + stderr)
  }
  await eventually('a call of who is known not to be revoked', called, 60)
  const reason = 'its key was found in a log'
  const serviceAccount = { namespace: system, name: 'countersign-gateway' }
  const spec = { serviceAccount, reason }
  const metadata = { name: 'gateway' }
  await node.apply({ apiVersion: 'countersign.dev/v1alpha1', kind: 'Revocation', metadata, spec })
  await eventually('the tool server lets nobody in', async () => !(await called()), 60)
  await node.kubectl('delete revocation gateway')
  await eventually('it lets the gateway in again', called, 60)
  const { ok: certificate } = await ask<{ mode: string }>(node, caller, 'certificate')
  assert.equal(certificate?.mode, '600')
})
