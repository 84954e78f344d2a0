import { readFile } from 'node:fs/promises'
import { request as httpsRequest } from 'node:https'
import { failureOf } from './calls.ts'
import { issueForeignCredential } from './foreign-credential.ts'
import type { WorkloadFailure } from './pod-runner.ts'
import { metadataOf, svidOf } from './requests.ts'
import { create, eventually, expect, type Chapter, type World } from './world.ts'

const hour = 3600

/** No certificate, the wrong one, an old one: all refused, on open connections too. */
export const connectionsChapter: Chapter = {
  title: 'Without a good certificate',
  steps: [
    {
      title: 'no client certificate',
      check: async (world) => `refused: ${await handshake(world, {})}`,
    },
    {
      title: 'a certificate that says the same, of another authority',
      async check(world) {
        const { identity } = await svidOf(world, 'acme', 'researcher')
        expect(identity !== undefined, 'want=an identity')
        const foreign = await issueForeignCredential(identity)
        return `refused: ${await handshake(world, foreign)}`
      },
    },
    {
      title: 'an expired certificate on a connection that is already open',
      async check(world) {
        const desk = await world.runner.desk('acme/researcher')
        const call = { tool: 'github_issues_list', arguments: { repository: 'acme/website' } }
        const before = (await desk.ask({ do: 'call', ...call })) as { localPort: number }
        world.setGatewayClock(2 * hour)
        try {
          const failure = await failureOf(world, 'acme/researcher', call)
          expect(/expired/.test(failure.message), `want=expired got=${failure.message}`)
          return `open connection ${before.localPort}, two hours later by the gateway’s clock: ${brief(failure.message)}`
        } finally {
          world.setGatewayClock(0)
        }
      },
    },
  ],
}

/** Revoked with one kubectl apply; the next request on the open connection is refused. */
export const revocationChapter: Chapter = {
  title: 'A revocation that bites',
  steps: [
    {
      title: 'acme/contractor is revoked by its pod UID while its connection is open',
      async check(world) {
        const call = { tool: 'github_issues_list', arguments: { repository: 'acme/website' } }
        const desk = await world.runner.desk('acme/contractor')
        await desk.ask({ do: 'call', ...call })
        const { uid } = await metadataOf(world, 'Pod', 'contractor', 'acme')
        await create(world.admin, {
          apiVersion: 'countersign.dev/v1alpha1',
          kind: 'Revocation',
          metadata: { name: 'contractor-left' },
          spec: { podUID: uid, reason: 'the contract has ended' },
        })
        const applied = performance.now()
        const refusal = (): Promise<WorkloadFailure> => failureOf(world, 'acme/contractor', call)
        const first = await eventually('a refusal', refusal, { everyMilliseconds: 1 })
        const milliseconds = Math.round(performance.now() - applied)
        // The gateway ends the open connection at once, so the first failure may be just that; a new one says why.
        const told = /revoked/.test(first.message) ? first : await refusal()
        expect(/revoked/.test(told.message), `want=revoked got=${told.message}`)
        return `the open connection was refused ${milliseconds} ms after it was applied: ${brief(told.message)}`
      },
    },
    {
      title: 'acme/researcher, of the same service account, still works',
      async check(world) {
        const desk = await world.runner.desk('acme/researcher')
        const call = { tool: 'github_issues_list', arguments: { repository: 'acme/website' } }
        await desk.ask({ do: 'call', ...call })
        return 'github_issues_list answered'
      },
    },
  ],
}

function brief(message: string): string {
  return message.replaceAll(/\s+/g, ' ').slice(0, 200)
}

/** Tries to call the gateway with this credential; gives the reason why that failed. */
async function handshake(
  world: World,
  credential: { readonly cert?: string; readonly key?: string },
): Promise<string> {
  const ca = await readFile(world.paths.trustBundle, 'utf8')
  const outcome = await new Promise<string | undefined>((resolve) => {
    const request = httpsRequest(
      {
        ...credential,
        host: '127.0.0.1',
        port: world.ports.gateway,
        path: '/mcp',
        method: 'POST',
        agent: false,
        ca,
        checkServerIdentity: () => undefined,
      },
      (response) => {
        response.resume()
        resolve(undefined)
      },
    )
    request.once('error', (error) => resolve(error.message))
    request.end('{}')
  })
  expect(outcome !== undefined, 'want=a refused handshake got=an answer')
  return brief(outcome)
}
