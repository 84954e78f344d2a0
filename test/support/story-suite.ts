import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openDevSession, type DevSession } from '../../dev/session/open-session.ts'
import type { Cluster } from '../../dev/cluster.ts'
import type { OwnServer } from '../../dev/story/own-server.ts'
import type { PodRunner } from '../../dev/story/pod-runner.ts'
import { chaptersOf } from '../../dev/story/story.ts'
import { createLog } from '../../src/cli/create-log.ts'
import { run } from '../../src/cli/program.ts'
import { discoverPodCertificateVersion } from '../../src/kubernetes/api-discovery.ts'
import { listObjects } from '../../src/kubernetes/objects.ts'
import { podCertificateRequests } from '../../src/kubernetes/pod-certificate-request.ts'
import { requirement } from '../requirements.ts'

interface Evaluated {
  readonly documents: readonly [{ readonly verdict: string; readonly reason?: string }]
}

const anyPorts = { gateway: 1, github: 1, notes: 1, worker: 1, own: 1 }

/** Every step of the story as a test of its own, in order, on whichever control plane it is given. */
export function storySuite(
  name: string,
  startCluster: (runner: PodRunner, folder: string) => Promise<Cluster>,
  own?: OwnServer,
): void {
  describe(name, () => {
    let folder: string
    let session: DevSession

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'countersign-story-'))
      session = await openDevSession({
        folder,
        log: createLog({ level: 'info', file: join(folder, 'countersign.log') }),
        progress: () => {},
        own,
        environment: { GREETING: 'you said: ' },
        startCluster: (runner) => startCluster(runner, folder),
      })
    })

    after(async () => {
      await session[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    })

    if (own !== undefined) {
      test('a tool of the server that was brought along is called, with its own environment', async () => {
        const desk = await session.world.runner.desk('acme/researcher')
        const [tool] = own.tools
        const answer = await desk.ask({
          do: 'call',
          tool: `own_${tool?.name}`,
          arguments: tool?.sample,
        })
        assert.match(JSON.stringify(answer), /you said: hello/)
      })
    }

    test('evaluate says of every request what the signer has said', async () => {
      requirement('cli.evaluate-says-what-the-signer-says')
      const { version } = await discoverPodCertificateVersion(session.world.admin)
      const requests = await listObjects(session.world.admin, podCertificateRequests(version))
      const answered = requests.filter(({ status }) => status.terminal !== undefined)
      assert.ok(answered.length >= 10, `got ${answered.length}`)
      for (const { metadata, status } of answered) {
        const said = status.conditions.at(-1)
        const name = `${metadata.namespace}/${metadata.name}`
        const { signerConfig } = session.world.paths
        let out = ''
        const code = await run(['evaluate', name, '--config', signerConfig, '--json'], {
          out: (text) => (out += text),
          err: () => {},
          signal: new AbortController().signal,
        })
        const [{ verdict, reason }] = (JSON.parse(out) as Evaluated).documents
        const wanted = said?.type === 'Issued' ? ['issue', undefined] : ['deny', said?.reason]
        assert.deepEqual([verdict, reason], wanted, name)
        assert.equal(code, said?.type === 'Issued' ? 0 : 1)
      }
    })

    for (const [number, chapter] of chaptersOf(anyPorts, own).entries()) {
      for (const [index, { title }] of chapter.steps.entries()) {
        test(`${chapter.title}: ${title}`, async () => {
          const step = chaptersOf(session.world.ports, own)[number]?.steps[index]
          assert.ok(step)
          assert.notEqual(await step.check(session.world), '')
        })
      }
    }

    test('a ledger that is removed ends the session with its reason', async () => {
      await rm(session.world.paths.ledger)
      await assert.rejects(session.ended, {
        code: 'ledger/unavailable',
        message: /^ledger file is removed under its writer/,
      })
    })
  })
}
