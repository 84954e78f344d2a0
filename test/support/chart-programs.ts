import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { validate } from '../../src/cli/configuration.ts'
import { gatewaySchema } from '../../src/cli/gateway/gateway-configuration.ts'
import { runGateway } from '../../src/cli/gateway/run-gateway.ts'
import { runSigner } from '../../src/cli/signer/run-signer.ts'
import type { Running } from '../../src/cli/running.ts'
import { signerSchema } from '../../src/cli/signer/signer-configuration.ts'
import { silentLog } from '../../src/log.ts'
import { releaseNamespace, type Rendered } from './chart.ts'

/** What the chart tells each pod of itself. */
const podEnvironment = {
  POD_NAMESPACE: releaseNamespace,
  POD_NAME: 'a-pod',
  POD_UID: 'c0ffee00-0000-4000-8000-000000000001',
}

/** Starts a program from the ConfigMap that the chart renders for it; only places of files and ports are this machine's. */
export async function runFromChart(
  rendering: readonly Rendered[],
  account: string,
  kubeconfig: string,
): Promise<Running> {
  await using opened = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'countersign-chart-'))
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  const before = { ...process.env }
  opened.defer(() => void (process.env = before))
  Object.assign(process.env, podEnvironment)
  const map = rendering.find(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === account,
  )
  const data = map?.['data'] as Readonly<Record<string, string>>
  const here = {
    kubeconfig,
    admin: { port: 0 },
    policy: { data: [await written(folder, 'policy-data.json', data['policy-data.json'] ?? '')] },
  }
  const log = silentLog
  const running =
    account === 'countersign-signer'
      ? await runSigner(
          validate(
            { ...parse(data['signer.yaml'] ?? ''), ...here, ledger: { file: 'ledger' } },
            signerSchema(folder),
            account,
          ),
          { log },
        )
      : await runGateway(
          validate(
            {
              ...parse(data['gateway.yaml'] ?? ''),
              ...here,
              listen: { host: '127.0.0.1', port: 0 },
              credentialBundle: 'credential-bundle.pem',
              trustBundle: 'trust-bundle.pem',
              handleKeys: await written(folder, 'a-handle-key', '0123456789abcdef'.repeat(2)),
              decisionLog: { file: 'decisions.jsonl' },
            },
            gatewaySchema(folder),
            account,
          ),
          { log },
        )
  opened.use(running)
  const parts = opened.move()
  return {
    adminUrl: running.adminUrl,
    ready: () => running.ready(),
    conditions: () => running.conditions(),
    ended: running.ended,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

async function written(folder: string, name: string, text: string): Promise<string> {
  const file = join(folder, name)
  await writeFile(file, text, { mode: 0o600 })
  return file
}
