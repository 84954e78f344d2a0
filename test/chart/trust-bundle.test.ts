import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import { validate } from '../../src/cli/configuration.ts'
import { signerSchema } from '../../src/cli/signer/signer-configuration.ts'
import { asksForAnnotation } from '../../src/signer/anchors/anchor-copies.ts'
import { anchorsKey } from '../../src/signer/anchors/anchor-place.ts'
import { signerRights } from '../../src/signer/rights.ts'
import { requirement } from '../requirements.ts'
import {
  defaultValuesFile,
  parseRendering,
  releaseNamespace,
  renderChart,
} from '../support/chart.ts'
import {
  lineOf,
  placeOf,
  renderedSigner,
  rolesOf,
  singleRules,
} from '../support/rendered-rights.ts'

test('where anchors are in ConfigMaps signer and operator have the rights to those of that name, and the gateway mounts one', async () => {
  requirement('chart.rights-to-the-letter')
  const name = 'countersign-trust-bundle'
  const rendering = parseRendering(
    await renderChart('-f', defaultValuesFile, '--set', `trustBundle.configMap=${name}`),
  )
  const given = rolesOf(rendering, 'countersign-signer').flatMap(({ rules, metadata }) =>
    singleRules(rules).map((rule) => lineOf(placeOf(rule, metadata.namespace))),
  )
  const wanted = signerRights({ ...renderedSigner, trustBundleConfigMap: name }).map(lineOf)
  assert.deepEqual(given.toSorted(), wanted.toSorted())
  const maps = rendering.filter(({ kind }) => kind === 'ConfigMap')
  const own = maps.find(({ metadata }) => metadata.name === name) ?? assert.fail()
  assert.equal(own['data'], undefined)
  assert.equal(own.metadata.namespace, releaseNamespace)
  const { annotations } = own.metadata as unknown as { annotations: Record<string, string> }
  assert.equal(annotations[asksForAnnotation], renderedSigner.trustDomain)
  const file = maps.find(({ metadata }) => metadata.name === 'countersign-signer')
  const config = validate(parse(file?.['data']['signer.yaml']), signerSchema('/'), 'signer.yaml')
  assert.equal(config.trustBundle.configMap, name)
  const operator = rendering.find(
    ({ kind, metadata }) => kind === 'Role' && metadata.name === 'countersign-ca-operator',
  )
  const read = singleRules(operator?.['rules']).flatMap(({ resourceNames = [] }) => resourceNames)
  assert.ok(read.includes(name))
  const gateway = JSON.stringify(rendering.filter(({ kind }) => kind === 'Deployment'))
  assert.ok(gateway.includes(JSON.stringify({ key: anchorsKey, path: 'trust-bundle.pem' })))
  assert.ok(!gateway.includes('clusterTrustBundle'))
})
