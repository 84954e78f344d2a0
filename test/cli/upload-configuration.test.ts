import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfiguration } from '../../src/cli/configuration.ts'
import { uploadSchema } from '../../src/cli/upload-configuration.ts'
import type { UploadConfig } from '../../src/policy/upload/upload.ts'
import { requirement } from '../requirements.ts'

function parse(upload: object): UploadConfig {
  return parseConfiguration(JSON.stringify(upload), uploadSchema, '/etc/countersign/gateway.yaml')
}

const url = 'https://decisions.example/v1'

test('an address is enough, and files stand beside the configuration', () => {
  assert.deepEqual(parse({ url }), {
    url,
    resource: 'logs',
    responseHeaderTimeoutSeconds: 10,
    reporting: { minDelaySeconds: 10, maxDelaySeconds: 20, uploadSizeLimitBytes: 32_768 },
  })
  const files = parse({
    url,
    tls: { caCert: 'ca.crt' },
    credentials: {
      bearer: { tokenPath: 'token' },
      clientTls: { cert: 'tls.crt', privateKey: '/run/tls.key' },
    },
  })
  assert.deepEqual(files.tls, { caCert: '/etc/countersign/ca.crt' })
  assert.deepEqual(files.credentials, {
    bearer: { tokenPath: '/etc/countersign/token' },
    clientTls: { cert: '/etc/countersign/tls.crt', privateKey: '/run/tls.key' },
  })
})

test('chunks go where OPA sends them: logs, a partition of them, or a path of its own', () => {
  assert.equal(parse({ url, partitionName: 'acme' }).resource, 'logs/acme')
  assert.equal(parse({ url, resource: 'ingest/opa' }).resource, 'ingest/opa')
})

const refused: Readonly<Record<string, readonly [upload: object, message: RegExp]>> = {
  'no address': [{}, /: url: /],
  'http to elsewhere': [{ url: 'http://decisions.example' }, /: url: want=https, or http on loop/],
  'an address with a password': [{ url: 'https://me:secret@decisions.example' }, /: url: want=/],
  'an address with a query': [{ url: `${url}?token=secret` }, /: url: want=/],
  'two places': [{ url, partitionName: 'a', resource: 'b' }, /: resource: want=partitionName or /],
  'a way up': [{ url, resource: '../logs' }, /: resource: want=a path below the URL/],
  'a partition that is a path': [{ url, partitionName: 'a/b' }, /: partitionName: want=one seg/],
  'a partition that is above': [{ url, partitionName: '..' }, /: partitionName: want=one segment/],
  'delays the other way round': [
    { url, reporting: { minDelaySeconds: 30 } },
    /: reporting.minDelaySeconds: want=..maxDelaySeconds$/,
  ],
  'a chunk that holds nothing': [{ url, reporting: { uploadSizeLimitBytes: 1023 } }, /: reporting/],
  'the user of a registry': [
    { url, credentials: { basic: { username: 'a', passwordPath: 'b' } } },
    /basic/,
  ],
}

for (const [what, [upload, message]] of Object.entries(refused)) {
  test(`${what} is refused`, () => {
    requirement('policy.upload-credentials-stay')
    assert.throws(() => parse(upload), { code: 'cli/configuration', message })
  })
}
