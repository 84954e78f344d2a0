import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parseConfiguration } from '../../src/cli/configuration.ts'
import { gatewaySchema } from '../../src/cli/gateway/gateway-configuration.ts'
import type { PolicyConfig } from '../../src/cli/shared-configuration.ts'
import { signerSchema } from '../../src/cli/signer/signer-configuration.ts'
import { requirement } from '../requirements.ts'
import {
  defaultValuesFile,
  parseRendering,
  refusalOfChart,
  renderChart,
  type Rendered,
} from '../support/chart.ts'

let file: string

before(async () => {
  file = join(await mkdtemp(join(tmpdir(), 'countersign-bundles-')), 'values.json')
})

after(() => rm(join(file, '..'), { recursive: true, force: true }))

interface Program {
  readonly policy: PolicyConfig
  readonly files: Readonly<Record<string, string>>
  /** What its volume `config` is put together of. */
  readonly sources: readonly unknown[]
}

async function programsOf(values: unknown): Promise<{ gateway: Program; signer: Program }> {
  await writeFile(file, JSON.stringify(values))
  const rendering = parseRendering(await renderChart('-f', defaultValuesFile, '-f', file))
  const find = (wanted: string, name: string): Rendered =>
    rendering.find(({ kind, metadata }) => kind === wanted && metadata.name === name) ??
    assert.fail(`${wanted} ${name}`)
  const files = (name: string): Program['files'] => find('ConfigMap', name)['data']
  const sources = (kind: string, name: string): Program['sources'] =>
    find(kind, name)['spec'].template.spec.volumes.find(
      (volume: { readonly name: string }) => volume.name === 'config',
    ).projected.sources
  const [gateway, signer] = [files('countersign-gateway'), files('countersign-signer')]
  const place = '/etc/countersign/x.yaml'
  return {
    gateway: {
      policy: parseConfiguration(gateway['gateway.yaml'] ?? '', gatewaySchema, place).policy,
      files: gateway,
      sources: sources('Deployment', 'countersign-gateway'),
    },
    signer: {
      policy: parseConfiguration(signer['signer.yaml'] ?? '', signerSchema, place).policy,
      files: signer,
      sources: sources('StatefulSet', 'countersign-signer'),
    },
  }
}

/** The archive of a ConfigMap in a folder of its own; without the ConfigMap the pod starts all the same. */
function archive(name: string, under: string): unknown {
  const items = [{ key: 'bundle.tar.gz', path: `${under}/bundle.tar.gz` }]
  return { configMap: { name, optional: true, items } }
}

const key = (id: string): Readonly<Record<string, string>> => ({
  id,
  algorithm: 'ES256',
  publicKey: `-----BEGIN PUBLIC KEY-----\n${id}\n-----END PUBLIC KEY-----\n`,
})

test('a candidate reaches gateway and signer, and its ConfigMap keeps neither from starting', async () => {
  requirement('policy.shadow-changes-nothing')
  const { gateway, signer } = await programsOf({
    policy: { candidate: { bundleConfigMap: 'next' } },
  })
  for (const { policy, sources } of [gateway, signer]) {
    assert.deepEqual(policy.candidate, {
      bundle: '/etc/countersign/policy-candidate/bundle.tar.gz',
    })
    assert.deepEqual(sources.slice(1), [archive('next', 'policy-candidate')])
  }
})

test('a candidate of the bundle server is asked for at the same place', async () => {
  requirement('policy.shadow-changes-nothing')
  const { gateway, signer } = await programsOf({
    policy: {
      service: { url: 'https://bundles.example', resource: 'bundles/now.tar.gz' },
      signature: { keys: [key('authors')] },
      candidate: { resource: 'bundles/next.tar.gz' },
    },
  })
  for (const { policy } of [gateway, signer]) {
    assert.deepEqual(policy.candidate, { resource: 'bundles/next.tar.gz' })
  }
})

test('bundles of tenants reach the gateway, each with the keys of its own author, and the signer has none', async () => {
  requirement('policy.tenant-fails-alone')
  const { gateway, signer } = await programsOf({
    policy: {
      tenants: {
        acme: { bundleConfigMap: 'acme-policy' },
        'globex.1': {
          bundleConfigMap: 'globex-policy',
          signature: { keys: [key('abcd'), key('efgh')], scope: 'calls' },
        },
      },
    },
  })
  const folder = '/etc/countersign'
  const publicKey = (index: number): string => `${folder}/policy-tenant-globex.1-key-${index}.pem`
  assert.deepEqual(gateway.policy.tenants, {
    acme: { bundle: `${folder}/policy-tenants/acme/bundle.tar.gz` },
    'globex.1': {
      bundle: `${folder}/policy-tenants/globex.1/bundle.tar.gz`,
      signature: {
        keys: [
          { id: 'abcd', algorithm: 'ES256', publicKey: publicKey(0) },
          { id: 'efgh', algorithm: 'ES256', publicKey: publicKey(1) },
        ],
        scope: 'calls',
      },
    },
  })
  assert.deepEqual(gateway.sources.slice(1), [
    archive('acme-policy', 'policy-tenants/acme'),
    archive('globex-policy', 'policy-tenants/globex.1'),
  ])
  assert.equal(gateway.files['policy-tenant-globex.1-key-0.pem'], key('abcd')['publicKey'])
  assert.equal(gateway.files['policy-tenant-globex.1-key-1.pem'], key('efgh')['publicKey'])
  assert.equal(signer.policy.tenants, undefined)
  assert.equal(signer.sources.length, 1)
  assert.doesNotMatch(JSON.stringify(signer.files), /globex/)
})

test('without the values nobody is asked beside the policy', async () => {
  const { gateway, signer } = await programsOf({})
  for (const { policy, sources } of [gateway, signer]) {
    assert.deepEqual([policy.candidate, policy.tenants, sources.length], [undefined, undefined, 1])
  }
})

const oneTenant = { acme: { bundleConfigMap: 'acme-policy' } }
const privateKey = key('abcd')['publicKey']?.replaceAll('PUBLIC', 'PRIVATE')

for (const [title, values, said] of [
  [
    'a candidate of two places',
    { policy: { candidate: { bundleConfigMap: 'next', resource: 'next.tar.gz' } } },
    /- policy\.candidate: want=bundleConfigMap or resource[^]*- policy\.candidate\.resource: needs policy\.service\.url/,
  ],
  [
    'a candidate that is not below its server',
    { policy: { candidate: { resource: 'a/../next' } } },
    /- policy\.candidate\.resource: want=a path below the URL/,
  ],
  [
    'a candidate of a misspelt place',
    { policy: { candidate: { bundle: 'next' } } },
    /at '\/policy\/candidate': additional properties 'bundle' not allowed/,
  ],
  [
    'a tenant that no namespace can be labelled with',
    { policy: { tenants: { 'ac/me': oneTenant.acme } } },
    /at '\/policy\/tenants': additional properties 'ac\/me' not allowed/,
  ],
  [
    'a tenant without a bundle',
    { policy: { tenants: { acme: {} } } },
    /at '\/policy\/tenants\/acme': missing property 'bundleConfigMap'/,
  ],
  [
    'a tenant with no name of a bundle',
    { policy: { tenants: { acme: { bundleConfigMap: '' } } } },
    /at '\/policy\/tenants\/acme\/bundleConfigMap': minLength: got 0, want 1/,
  ],
  [
    'a signature of a tenant by nobody',
    { policy: { tenants: { acme: { ...oneTenant.acme, signature: { keys: [] } } } } },
    /at '\/policy\/tenants\/acme\/signature\/keys': minItems: got 0, want 1/,
  ],
  [
    'a private key of a tenant',
    {
      policy: {
        tenants: {
          acme: {
            ...oneTenant.acme,
            signature: { keys: [{ ...key('abcd'), publicKey: privateKey }] },
          },
        },
      },
    },
    /at '\/policy\/tenants\/acme\/signature\/keys\/0\/publicKey': [^]* does not match pattern/,
  ],
  [
    'more tenants than a gateway takes',
    {
      policy: {
        tenants: Object.fromEntries(
          Array.from({ length: 101 }, (_, index) => [`t${index}`, oneTenant.acme]),
        ),
      },
    },
    /at '\/policy\/tenants': maxProperties: got 101, want 100/,
  ],
  [
    'tenants of a signer alone',
    { gateway: { enabled: false }, policy: { tenants: oneTenant } },
    /- policy\.tenants: bundles of tenants are asked about calls, and gateway\.enabled is false/,
  ],
] as const) {
  test(`refused, by the value's name: ${title}`, async () => {
    requirement('chart.values-closed')
    await writeFile(file, JSON.stringify(values))
    assert.match(await refusalOfChart('-f', file), said)
  })
}
