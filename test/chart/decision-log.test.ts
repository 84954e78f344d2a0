import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type * as z from 'zod'
import { parseConfiguration } from '../../src/cli/configuration.ts'
import { gatewaySchema, type GatewayConfig } from '../../src/cli/gateway/gateway-configuration.ts'
import { signerSchema, type SignerConfig } from '../../src/cli/signer/signer-configuration.ts'
import {
  defaultValuesFile,
  parseRendering,
  refusalOfChart,
  renderChart,
  type Rendered,
} from '../support/chart.ts'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-decision-log-'))
})

after(() => rm(folder, { recursive: true, force: true }))

async function fileOf(upload: object, program = 'gateway'): Promise<string> {
  const file = join(folder, 'values.json')
  const enabled = program === 'signer' ? { enabled: true } : {}
  await writeFile(file, JSON.stringify({ [program]: { decisionLog: { ...enabled, upload } } }))
  return file
}

function partOf(rendering: readonly Rendered[], kind: string, program = 'gateway'): Rendered {
  const name = `countersign-${program}`
  return (
    rendering.find((each) => each.kind === kind && each.metadata.name === name) ?? assert.fail(kind)
  )
}

test('a receiver of decisions is asked with what its Secret has', async () => {
  const url = 'https://decisions.example/v1'
  const file = await fileOf({
    url,
    partitionName: 'acme',
    secretName: 'decision-receiver',
    secretKeys: ['ca.crt', 'token', 'tls.crt'],
    reporting: { uploadSizeLimitBytes: 16_777_216 },
  })
  const rendering = parseRendering(await renderChart('-f', defaultValuesFile, '-f', file))
  const text = partOf(rendering, 'ConfigMap')['data']['gateway.yaml'] as string
  const { decisionLog } = parseConfiguration(text, gatewaySchema, '/etc/countersign/gateway.yaml')
  const secret = '/etc/countersign/decision-receiver'
  assert.deepEqual(decisionLog, {
    file: '/var/log/countersign/decisions.jsonl',
    fileBytesMax: 67_108_864,
    files: 8,
    whenFull: 'block',
    drops: 'forbid',
    lists: 'digest',
    upload: {
      url,
      resource: 'logs/acme',
      tls: { caCert: `${secret}/ca.crt` },
      credentials: {
        bearer: { tokenPath: `${secret}/token` },
        clientTls: { cert: `${secret}/tls.crt`, privateKey: `${secret}/tls.key` },
      },
      responseHeaderTimeoutSeconds: 10,
      reporting: { minDelaySeconds: 10, maxDelaySeconds: 20, uploadSizeLimitBytes: 16_777_216 },
    },
  })
  const { volumes } = partOf(rendering, 'Deployment')['spec'].template.spec
  const config = volumes.find((volume: { name: string }) => volume.name === 'config')
  const items = ['ca.crt', 'token', 'tls.crt', 'tls.key'].map((key) => ({
    key,
    path: `decision-receiver/${key}`,
  }))
  assert.deepEqual(config.projected.sources.at(-1), {
    secret: { name: 'decision-receiver', items },
  })
})

const url = 'https://decisions.example'

test('a signer sends its decisions with the same words, and mounts what its receiver asks for', async () => {
  const secret = { secretName: 'decision-receiver', secretKeys: ['token'] }
  const file = await fileOf({ url, partitionName: 'signer', ...secret }, 'signer')
  const rendering = parseRendering(await renderChart('-f', defaultValuesFile, '-f', file))
  const text = partOf(rendering, 'ConfigMap', 'signer')['data']['signer.yaml'] as string
  const { decisionLog } = parseConfiguration(text, signerSchema, '/etc/countersign/signer.yaml')
  assert.deepEqual(decisionLog?.upload, {
    url,
    resource: 'logs/signer',
    credentials: { bearer: { tokenPath: '/etc/countersign/decision-receiver/token' } },
    responseHeaderTimeoutSeconds: 10,
    reporting: { minDelaySeconds: 10, maxDelaySeconds: 20, uploadSizeLimitBytes: 32_768 },
  })
  const { volumes } = partOf(rendering, 'StatefulSet', 'signer')['spec'].template.spec
  const config = volumes.find((volume: { name: string }) => volume.name === 'config')
  const items = [{ key: 'token', path: 'decision-receiver/token' }]
  assert.deepEqual(config.projected.sources.at(-1), {
    secret: { name: 'decision-receiver', items },
  })
})

test('a log is signed with the key of a Secret, and its volume has room for the hashes', async () => {
  const file = join(folder, 'checkpoints.json')
  const decisionLog = {
    checkpoints: { secretName: 'log-key', everySeconds: 5 },
    fileSecondsMax: 3600,
  }
  const signer = { decisionLog: { ...decisionLog, enabled: true } }
  await writeFile(file, JSON.stringify({ gateway: { decisionLog }, signer }))
  const rendering = parseRendering(await renderChart('-f', defaultValuesFile, '-f', file))
  const items = [{ key: 'key.pem', path: 'decision-log-key/key.pem' }]
  const kinds = [
    ['gateway', 'Deployment', gatewaySchema, 8 * 64],
    ['signer', 'StatefulSet', signerSchema, 4 * 16],
  ] as const
  for (const [program, kind, schema, mebibytes] of kinds) {
    const text = partOf(rendering, 'ConfigMap', program)['data'][`${program}.yaml`] as string
    const read: (configFolder: string) => z.ZodType<GatewayConfig | SignerConfig> = schema
    const config = parseConfiguration(text, read, `/etc/countersign/${program}.yaml`)
    assert.deepEqual(config.decisionLog?.checkpoints, {
      keyFile: '/etc/countersign/decision-log-key/key.pem',
      makeKey: false,
      everySeconds: 5,
    })
    assert.equal(config.decisionLog?.fileSecondsMax, 3600)
    const { volumes } = partOf(rendering, kind, program)['spec'].template.spec
    const named = (name: string) => volumes.find((volume: { name: string }) => volume.name === name)
    const secret = { secret: { name: 'log-key', items } }
    assert.deepEqual(named('config').projected.sources.at(-1), secret)
    const octets = (16 + mebibytes + mebibytes / 16) * 1024 * 1024
    assert.equal(named('decisions').emptyDir.sizeLimit, octets)
  }
})

test('what contradicts itself is refused of a signer, too', async () => {
  const file = await fileOf({ url, partitionName: 'a', resource: 'b' }, 'signer')
  const said = /- signer\.decisionLog\.upload\.resource/
  assert.match(await refusalOfChart('-f', defaultValuesFile, '-f', file), said)
})

const refused: Readonly<Record<string, readonly [upload: object, said: RegExp]>> = {
  http: [{ url: 'http://decisions.example' }, /upload\/url/],
  'two places': [{ url, partitionName: 'a', resource: 'b' }, /- gateway\.decisionLog\.upload\.res/],
  'a way up': [{ url, resource: 'a/../b' }, /upload\.resource: want=a path below the URL/],
  'a Secret of which nothing is used': [
    { url, secretName: 'a' },
    /upload\.secretName: want=secret/,
  ],
  'keys of no Secret': [{ url, secretKeys: ['token'] }, /upload\.secretName: want=secretName and/],
  'delays the other way round': [
    { url, reporting: { minDelaySeconds: 30 } },
    /upload\.reporting\.minDelaySeconds: at most maxDelaySeconds/,
  ],
  'a Secret for nobody': [{ secretName: 'a', secretKeys: ['token'] }, /upload\.url: required for/],
}

for (const [what, [upload, said]] of Object.entries(refused)) {
  test(`refused: ${what}`, async () => {
    assert.match(await refusalOfChart('-f', defaultValuesFile, '-f', await fileOf(upload)), said)
  })
}
