import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfiguration } from '../../src/cli/configuration.ts'
import { signerSchema, type SignerConfig } from '../../src/cli/signer/signer-configuration.ts'
import { requirement } from '../requirements.ts'
import {
  defaultValuesFile,
  parseRendering,
  refusalOfChart,
  renderChart,
  type Rendered,
} from '../support/chart.ts'

const published = 'signer.ledger.log.secretName=ledger-keys'

interface Signer {
  readonly ledger: SignerConfig['ledger']
  /** Of its pods. */
  readonly spec: Rendered
}

async function signerOf(...values: readonly string[]): Promise<Signer> {
  const set = values.flatMap((each) => ['--set', each])
  const rendering = parseRendering(await renderChart('-f', defaultValuesFile, ...set))
  const ofKind = (wanted: string): Rendered =>
    rendering.find(
      ({ kind, metadata }) => kind === wanted && metadata.name === 'countersign-signer',
    ) ?? assert.fail(wanted)
  const text: unknown = ofKind('ConfigMap')['data']['signer.yaml']
  assert.ok(typeof text === 'string')
  const { ledger } = parseConfiguration(text, signerSchema, '/etc/countersign/signer.yaml')
  return { ledger, spec: ofKind('StatefulSet')['spec'].template.spec }
}

test('each replica publishes its ledger with the key of its own name, and sees no other', async () => {
  requirement('ledger.published-as-log')
  const { ledger, spec } = await signerOf(published, 'signer.replicas=3')
  // Without an origin the program takes its own, with the replica's name in it: one for all would be one log twice.
  assert.deepEqual(ledger.log, { keyFile: '/etc/countersign-ledger/key.pem', makeKey: false })
  assert.equal(ledger.retentionDays, undefined)
  const [{ env, volumeMounts }] = spec['containers']
  const fieldRef = { fieldPath: 'metadata.name' }
  assert.deepEqual(
    env.filter(({ name }: { name: string }) => name === 'POD_NAME'),
    [{ name: 'POD_NAME', valueFrom: { fieldRef } }],
  )
  assert.deepEqual(
    volumeMounts.filter(({ name }: { name: string }) => name === 'ledger-keys'),
    [
      {
        name: 'ledger-keys',
        mountPath: ledger.log?.keyFile,
        subPathExpr: '$(POD_NAME).pem',
        readOnly: true,
      },
    ],
  )
  const items = [0, 1, 2].map((ordinal) => {
    const key = `countersign-signer-${ordinal}.pem`
    return { key, path: key }
  })
  const [volume] = spec['volumes'].filter(({ name }: { name: string }) => name === 'ledger-keys')
  assert.deepEqual(volume.secret, { secretName: 'ledger-keys', defaultMode: 0o440, items })
})

test('without the value no ledger is published, and no key is mounted', async () => {
  const { ledger, spec } = await signerOf()
  assert.equal(ledger.log, undefined)
  assert.doesNotMatch(JSON.stringify(spec), /ledger-keys|subPathExpr/)
})

test('retention reaches the signer in days', async () => {
  requirement('ledger.retention-keeps-proofs')
  const { ledger } = await signerOf(published, 'signer.ledger.retentionDays=36500')
  assert.equal(ledger.retentionDays, 36_500)
})

for (const [title, values, said] of [
  [
    'retention without a log that proves what is gone',
    ['signer.ledger.retentionDays=90'],
    /- signer\.ledger\.retentionDays: needs signer\.ledger\.log\.secretName/,
  ],
  [
    'a retention shorter than certificates and keys are remembered',
    [published, 'signer.ledger.retentionDays=2'],
    /at '\/signer\/ledger\/retentionDays'/,
  ],
  [
    'a retention of more than a century',
    [published, 'signer.ledger.retentionDays=36501'],
    /at '\/signer\/ledger\/retentionDays': maximum: got 36,?501, want 36,?500/,
  ],
  [
    'one name for the logs of all replicas',
    [published, 'signer.ledger.log.origin=agents.example/ledger'],
    /at '\/signer\/ledger\/log': additional properties 'origin' not allowed/,
  ],
  [
    'what is no name of a Secret',
    ['signer.ledger.log.secretName=../keys'],
    /at '\/signer\/ledger\/log\/secretName': '\.\.\/keys' does not match/,
  ],
] as const) {
  test(`refused, by the value's name: ${title}`, async () => {
    requirement('chart.values-closed')
    const set = values.flatMap((each) => ['--set', each])
    assert.match(await refusalOfChart(...set), said)
  })
}
