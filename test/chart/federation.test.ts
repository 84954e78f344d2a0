import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parseConfiguration } from '../../src/cli/configuration.ts'
import { gatewaySchema } from '../../src/cli/gateway/gateway-configuration.ts'
import { signerSchema } from '../../src/cli/signer/signer-configuration.ts'
import {
  defaultValuesFile,
  parseRendering,
  refusalOfChart,
  renderChart,
  type Rendered,
} from '../support/chart.ts'

const certificate = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'
const partner = {
  trustDomain: 'partner.example',
  endpoint: { url: 'https://bundles.partner.example/', profile: 'https_web', caCert: certificate },
  toolScopes: ['search:*'],
  models: ['small'],
  ageSecondsMax: 3600,
  identityExtensionOid: '1.3.6.1.4.1.99999.2',
}
const spiffe = {
  trustDomain: 'other.example',
  endpoint: {
    url: 'https://other.example:8443/',
    profile: 'https_spiffe',
    spiffeId: 'spiffe://other.example/bundle',
  },
  bundle: certificate,
  toolScopes: ['search:find'],
  identityExtensionOid: '1.3.6.1.4.1.99999.3',
}

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-chart-federation-'))
})
after(() => rm(folder, { recursive: true, force: true }))

async function valuesFile(values: object): Promise<string> {
  const file = join(folder, `${crypto.randomUUID()}.yaml`)
  await writeFile(file, JSON.stringify(values))
  return file
}

const render = async (values: object): Promise<readonly Rendered[]> =>
  parseRendering(await renderChart('-f', defaultValuesFile, '-f', await valuesFile(values)))

const ofKind = (rendering: readonly Rendered[], kind: string, name: string): Rendered =>
  rendering.find((each) => each.kind === kind && each.metadata.name === name) ??
  assert.fail(`${kind} ${name}`)

test('with a Secret the signer serves its bundle to those who may come, and nothing of it is there without', async () => {
  const clients = [{ ipBlock: { cidr: '192.0.2.0/24' } }]
  const rendering = await render({ bundleEndpoint: { secretName: 'bundle-tls', clients } })
  const { data } = ofKind(rendering, 'ConfigMap', 'countersign-signer')
  const config = parseConfiguration(
    data['signer.yaml'] as string,
    signerSchema,
    '/etc/countersign/signer.yaml',
  )
  const place = '/etc/countersign/bundle-endpoint'
  assert.deepEqual(config.bundleEndpoint, {
    host: '0.0.0.0',
    port: 8445,
    refreshHintSeconds: 60,
    web: { certificate: `${place}/tls.crt`, privateKey: `${place}/tls.key` },
  })
  const { template } = ofKind(rendering, 'StatefulSet', 'countersign-signer')['spec']
  const { containers, volumes } = template.spec
  assert.deepEqual(containers[0].ports.at(-1), { name: 'bundle', containerPort: 8445 })
  const { sources } = volumes.find(({ name }: { name: string }) => name === 'config').projected
  assert.deepEqual(
    sources.find(({ secret }: { secret?: { name: string } }) => secret?.name === 'bundle-tls'),
    {
      secret: {
        name: 'bundle-tls',
        optional: true,
        items: ['tls.crt', 'tls.key'].map((key) => ({ key, path: `bundle-endpoint/${key}` })),
      },
    },
  )
  assert.equal(
    ofKind(rendering, 'Service', 'countersign-bundle')['spec'].ports[0].targetPort,
    'bundle',
  )
  const { ingress } = ofKind(rendering, 'NetworkPolicy', 'countersign-signer')['spec']
  assert.deepEqual(ingress[0], { from: clients, ports: [{ port: 'bundle', protocol: 'TCP' }] })
  const without = await render({})
  assert.equal(
    without.some(({ metadata }) => metadata.name === 'countersign-bundle'),
    false,
  )
})

test('other trust domains reach the gateway’s configuration, their PEM as files', async () => {
  const rendering = await render({ gateway: { federation: [partner, spiffe] } })
  const { data } = ofKind(rendering, 'ConfigMap', 'countersign-gateway')
  const { federation = [] } = parseConfiguration(
    data['gateway.yaml'] as string,
    gatewaySchema,
    '/etc/countersign/gateway.yaml',
  )
  assert.deepEqual(
    federation.map(({ trustDomain, ageSecondsMax, bundle, endpoint }) => ({
      trustDomain,
      ageSecondsMax,
      bundle,
      caCert: endpoint?.caCert,
      spiffeId: endpoint?.spiffeId?.uri,
    })),
    [
      {
        trustDomain: 'partner.example',
        ageSecondsMax: 3600,
        bundle: undefined,
        caCert: '/etc/countersign/federation-0-authorities.pem',
        spiffeId: undefined,
      },
      {
        trustDomain: 'other.example',
        ageSecondsMax: 14_400,
        bundle: '/etc/countersign/federation-1-bundle',
        caCert: undefined,
        spiffeId: 'spiffe://other.example/bundle',
      },
    ],
  )
  assert.equal(data['federation-0-authorities.pem'], certificate)
  assert.equal(data['federation-1-bundle'], certificate)
})

const { identityExtensionOid: _number, ...unnumbered } = partner
const refusals: Readonly<Record<string, readonly [values: object, said: RegExp]>> = {
  'our own trust domain': [
    { gateway: { federation: [{ ...partner, trustDomain: 'agents.example' }] } },
    /gateway\.federation: trust domain agents\.example is our own, or named twice/,
  ],
  'a trust domain twice': [
    { gateway: { federation: [partner, partner] } },
    /gateway\.federation: trust domain partner\.example is our own, or named twice/,
  ],
  'a trust domain without the number of its extension': [
    { gateway: { federation: [unnumbered] } },
    /gateway\.federation: trust domain partner\.example: identityExtensionOid is required/,
  ],
  'an endpoint without TLS': [
    {
      gateway: {
        federation: [{ ...partner, endpoint: { ...partner.endpoint, url: 'http://a.example/' } }],
      },
    },
    /'\/gateway\/federation\/0\/endpoint\/url'/,
  ],
  'a field that there is not': [
    { gateway: { federation: [{ ...partner, tenant: 'acme' }] } },
    /'\/gateway\/federation\/0': additional properties 'tenant' not allowed/,
  ],
  'a hint that is too long for new anchors to be known in time': [
    { bundleEndpoint: { secretName: 'a', refreshHintSeconds: 101 } },
    /bundleEndpoint\.refreshHintSeconds: a third of trustBundle\.propagationSeconds at most in production, 100/,
  ],
}

for (const [what, [values, said]] of Object.entries(refusals)) {
  test(`the chart refuses ${what}, and names the value`, async () => {
    const production = { production: true, identityExtensionOid: '1.3.6.1.4.1.99999.1' }
    const file = await valuesFile({ ...production, ...values })
    assert.match(await refusalOfChart('-f', file), said)
  })
}
