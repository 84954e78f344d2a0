import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import { signerSchema } from '../../../src/cli/signer/signer-configuration.ts'
import { runRequestApprover } from '../../../src/cli/signer/run-request-approver.ts'
import { run } from '../../../src/cli/program.ts'
import { requirement } from '../../requirements.ts'

const config = {
  trustDomain: 'agents.example',
  cluster: 'test',
  authority: { files: { certificate: 'ca.pem', privateKey: 'ca.key' } },
  ledger: { file: 'none.jsonl' },
}

for (const [requests, got] of [
  [undefined, 'got=none'],
  [{ approve: true }, 'got=approve: true, where the signer approves itself'],
] as const) {
  test(`a signer that approves itself has no approver beside it: ${got}`, async () => {
    requirement('signer.approver-proves')
    const read = signerSchema('/').parse({ ...config, certificateSigningRequests: requests })
    await assert.rejects(runRequestApprover(read, { log: silentLog }), {
      code: 'cli/configuration',
      message: `certificateSigningRequests: want=approve: false ${got}`,
    })
  })
}

test('an approver is of nodes or of a signer', async () => {
  let told = ''
  const say = (text: string): void => void (told += text)
  const { signal } = new AbortController()
  const words = ['approve-requests', '--config', 'a.yaml', '--signer', 'b.yaml']
  assert.equal(await run(words, { out: say, err: say, signal }), 2)
  assert.match(told, /--config or --signer, not both/)
})
