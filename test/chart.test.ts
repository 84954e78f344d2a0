import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import manifest from '../package.json' with { type: 'json' }
import { validate } from '../src/cli/configuration.ts'
import { gatewaySchema } from '../src/cli/gateway/gateway-configuration.ts'
import { signerSchema } from '../src/cli/signer/signer-configuration.ts'
import { limitRanges, serverLimitNames } from '../src/gateway/limits.ts'
import { requirement } from './requirements.ts'
import { readChartValues, valuesRows } from './support/chart-values.ts'
import { chartFolder, readDefaultRendering, type Rendered } from './support/chart.ts'
import {
  lineOf,
  placeOf,
  programRights,
  rolesOf,
  singleRules,
  type Rule,
} from './support/rendered-rights.ts'

const rendering = await readDefaultRendering()

function find(kind: string, name: string): Rendered {
  const found = rendering.find((each) => each.kind === kind && each.metadata.name === name)
  assert.ok(found, `want=${kind} ${name}`)
  return found
}

test('the programs take the configuration that the chart writes', () => {
  const signer = parse(find('ConfigMap', 'countersign-signer')['data']['signer.yaml'])
  assert.equal(validate(signer, signerSchema('/'), 'signer').cluster, 'dev')
  const gateway = parse(find('ConfigMap', 'countersign-gateway')['data']['gateway.yaml'])
  assert.equal(validate(gateway, gatewaySchema('/'), 'gateway').trustDomain, 'agents.example')
})

for (const [account, rights] of Object.entries(programRights)) {
  test(`the chart gives ${account} the rights that the program uses, and no others`, () => {
    requirement('chart.rights-to-the-letter')
    const given = rolesOf(rendering, account).flatMap(({ rules, metadata }) =>
      singleRules(rules).map((rule) => lineOf(placeOf(rule, metadata.namespace))),
    )
    assert.deepEqual(given.toSorted(), rights.map(lineOf).toSorted())
  })
}

test('tool servers may be given the right to list revocations, and nobody has it by that', () => {
  requirement('chart.rights-to-the-letter')
  const role = rendering.find(({ metadata }) =>
    metadata.name.startsWith('countersign-revocation-reader.'),
  )
  assert.ok(role)
  assert.deepEqual(
    singleRules(role['rules']).map((rule) => lineOf(placeOf(rule, undefined))),
    [lineOf({ verb: 'list', group: 'countersign.dev', resource: 'revocations' })],
  )
  const bound = rendering.filter(({ roleRef }) => roleRef?.name === role.metadata.name)
  assert.deepEqual(bound, [])
})

test('no role has a wildcard, and no Secret is touched but by its name', () => {
  requirement('chart.rights-to-the-letter')
  for (const { kind, rules, metadata } of rendering) {
    if (!kind.endsWith('Role')) continue
    assert.doesNotMatch(JSON.stringify(rules), /"\*"/, metadata.name)
    for (const rule of rules as readonly Rule[]) {
      const secret = rule.resources.includes('secrets')
      assert.ok(!secret || rule.resourceNames?.length === 1, metadata.name)
    }
  }
})

test('every value says what it is, and its README the same', async () => {
  const silent = (await readChartValues()).filter(({ comment }) => comment === '')
  assert.deepEqual(silent, [])
  const readme = await readFile(join(chartFolder, 'README.md'), 'utf8')
  const table = readme.split('## Values\n')[1] ?? ''
  const rows = [...table.matchAll(/^\| (`.*) \|$/gm)].map(([, row = '']) =>
    row.split(/(?<!\\)\|/).map((cell) => cell.trim()),
  )
  assert.deepEqual(rows, await valuesRows(), 'run node test/chart/update.ts')
})

test('what no user may set is no value: the schema is closed at every level', async () => {
  const schema = JSON.parse(await readFile(join(chartFolder, 'values.schema.json'), 'utf8'))
  const open: string[] = []
  const visit = (node: Record<string, unknown>, path: string): void => {
    if (node['properties'] !== undefined && node['additionalProperties'] !== false) open.push(path)
    for (const [name, inner] of Object.entries(node)) {
      if (typeof inner === 'object' && inner !== null) {
        visit(inner as Record<string, unknown>, `${path}/${name}`)
      }
    }
  }
  visit(schema, '')
  assert.deepEqual(open, [])
})

test('a tool server has the same limits in the values, in a ToolServer and in the gateway', async () => {
  const schema = JSON.parse(await readFile(join(chartFolder, 'values.schema.json'), 'utf8'))
  const definition = find('CustomResourceDefinition', 'toolservers.countersign.dev')
  const { openAPIV3Schema } = definition['spec'].versions[0].schema
  const wanted = serverLimitNames.map((name) => [name, ...limitRanges[name].slice(0, 2)])
  for (const { limits } of [
    schema.properties.gateway.properties.upstreams.items.properties,
    openAPIV3Schema.properties.spec.properties,
  ]) {
    const bounds = Object.entries(
      limits.properties as Readonly<Record<string, { minimum: number; maximum: number }>>,
    ).map(([name, { minimum, maximum }]) => [name, minimum, maximum])
    assert.deepEqual(bounds, wanted)
  }
})

test('the chart takes every limit of the gateway, within the same bounds', async () => {
  const schema = JSON.parse(await readFile(join(chartFolder, 'values.schema.json'), 'utf8'))
  const { properties } = schema.properties.gateway.properties.limits
  const bounds = Object.entries(limitRanges).map(([name, [minimum, maximum]]) => [
    name,
    { type: 'integer', minimum, maximum },
  ])
  assert.deepEqual(properties, Object.fromEntries(bounds))
})

test('the chart is of the version of its programs', async () => {
  const { version, appVersion } = parse(await readFile(join(chartFolder, 'Chart.yaml'), 'utf8'))
  assert.deepEqual([version, appVersion], [manifest.version, manifest.version])
})

test('dashboards ask for metrics that there are', async () => {
  const text = await readFile(join(chartFolder, 'files/dashboards/countersign.json'), 'utf8')
  const { panels } = JSON.parse(text) as { panels: { targets: { expr: string }[] }[] }
  const metrics = await readFile(new URL('../src/metrics.ts', import.meta.url), 'utf8')
  const asked = panels.flatMap(({ targets }) =>
    targets.flatMap(({ expr }) => expr.match(/countersign_\w+/g) ?? []),
  )
  assert.ok(asked.length > 10)
  const unknown = asked.filter((name) => !metrics.includes(`${name.replace(/_bucket$/, '')}:`))
  assert.deepEqual(unknown, [])
})
