import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfiguration } from '../../src/cli/configuration.ts'
import { serviceSchema, type ServiceConfig } from '../../src/cli/service-configuration.ts'
import { requirement } from '../requirements.ts'

const server = { url: 'https://bundles.example', resource: 'bundles/gateway.tar.gz' }
const registry = { type: 'oci', url: 'https://r.example', resource: 'org/policies:live' }

function parse(service: object): ServiceConfig {
  return parseConfiguration(JSON.stringify(service), serviceSchema, '/etc/countersign/gateway.yaml')
}

test('a bundle server is asked over TLS, and over plain HTTP on loopback alone', () => {
  requirement('policy.bundle-followed')
  const parseUrl = (url: string): ServiceConfig => parse({ ...server, url })
  for (const url of [
    'http://127.0.0.1:80/a',
    'http://[::1]',
    'http://localhost:1',
    'https://a/b',
  ]) {
    assert.equal(parseUrl(url).url, url)
  }
  for (const url of [
    'http://bundles.example',
    'http://127.0.0.1.example',
    'http://localhost.example',
    'ftp://127.0.0.1',
    'https://user@bundles.example',
    'https://:word@bundles.example',
    'https://bundles.example?token=1',
    'https://bundles.example/#a',
    'bundles.example',
  ]) {
    assert.throws(() => parseUrl(url), { message: /: url: want=https, or http on/ }, url)
  }
})

test('a resource is a path below the URL', () => {
  const parseResource = (resource: string): ServiceConfig => parse({ ...server, resource })
  for (const resource of ['a', 'a/b.tar.gz', 'a/..b/c..', '.a']) parseResource(resource)
  for (const resource of [
    '',
    '/a',
    'a/',
    'a//b',
    '..',
    '../a',
    'a/..',
    'a/./b',
    'a?b',
    'a#b',
    'a%2fb',
  ]) {
    assert.throws(() => parseResource(resource), { message: /: resource: / }, resource)
  }
})

test('a registry is asked for a repository, and with what it may want', () => {
  const digest = `sha256:${'0a'.repeat(32)}`
  for (const resource of ['policies:v1', 'org/policies:live', `org/policies@${digest}`]) {
    assert.equal(parse({ ...registry, resource }).resource, resource)
  }
  const more = {
    credentials: { basic: { username: 'robot', passwordPath: 'password' } },
    tokenUrl: 'https://auth.example/token',
    blobHosts: ['store.example', 'store.example:8443', '[::1]:5000'],
  }
  const { credentials, blobHosts } = parse({ ...registry, ...more })
  assert.equal(credentials?.basic?.passwordPath, '/etc/countersign/password')
  assert.deepEqual(blobHosts, more.blobHosts)
})

const basic = { username: 'robot', passwordPath: 'password' }

const refused: Readonly<Record<string, readonly [object, RegExp]>> = {
  'no tag': [{ ...registry, resource: 'org/policies' }, /: resource: want=<repository>:<tag> or /],
  'a host in the resource': [{ ...registry, resource: 'r.example:443/p:v1' }, /: resource: want=</],
  'a question that is held': [
    { ...registry, polling: { longPollingTimeoutSeconds: 10 } },
    /: polling.longPollingTimeoutSeconds: has to be absent with type: oci/,
  ],
  'a token and a password': [
    { ...registry, credentials: { basic, bearer: { tokenPath: 'token' } } },
    /: credentials: want=one of bearer, basic and dockerConfig$/,
  ],
  'a colon in a name': [
    { ...registry, credentials: { basic: { ...basic, username: 'a:b' } } },
    /: credentials.basic.username: want=a name without a colon$/,
  ],
  'a password and a file of users': [
    { ...registry, credentials: { basic, dockerConfig: { path: 'users.json' } } },
    /: credentials: want=one of bearer, basic and dockerConfig$/,
  ],
  'a file of users of a bundle server': [
    { ...server, credentials: { dockerConfig: { path: 'users.json' } } },
    /: credentials.dockerConfig: want=type: oci, too$/,
  ],
  'a password of a bundle server': [
    { ...server, credentials: { basic } },
    /: credentials.basic: want=type: oci, too$/,
  ],
  'hosts of a bundle server': [{ ...server, blobHosts: [] }, /: blobHosts: want=type: oci, too$/],
  'a token server in plain HTTP': [
    { ...registry, tokenUrl: 'http://auth.example/token' },
    /: tokenUrl: want=https, or http on loopback/,
  ],
  'a path in the place of a host': [
    { ...registry, blobHosts: ['store.example/a'] },
    /: blobHosts\[?.?0\]?: want=<host> or <host>:<port>$/,
  ],
  'a pattern of hosts': [
    { ...registry, blobHosts: ['user@store.example'] },
    /: blobHosts\[?.?0\]?: want=<host> or <host>:<port>$/,
  ],
}

for (const [what, [service, message]] of Object.entries(refused)) {
  test(`a registry or a server is refused with ${what}`, () => {
    assert.throws(() => parse(service), { code: 'cli/configuration', message })
  })
}
