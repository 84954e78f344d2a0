import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseClusterDomain } from '../../src/identity/cluster-domain.ts'

for (const text of ['cluster.local', 'local', 'k8s-1.example', `${'a'.repeat(63)}.b`, 'x.1a']) {
  test(`a cluster may have the domain ${text}`, () => {
    assert.equal(parseClusterDomain(text), text)
  })
}

const refused: readonly (readonly [text: string, message: string])[] = [
  ['', 'has the wrong length, want=1..121 got=0'],
  [`${'a.'.repeat(60)}bc`, 'has the wrong length, want=1..121 got=122'],
  ['Cluster.Local', 'has a label that is none, want=[a-z0-9-]{1,63} got="Cluster"'],
  ['cluster.local.', 'has a label that is none, want=[a-z0-9-]{1,63} got=""'],
  ['a..b', 'has a label that is none, want=[a-z0-9-]{1,63} got=""'],
  ['-a.b', 'has a label that is none, want=[a-z0-9-]{1,63} got="-a"'],
  ['a_b', 'has a label that is none, want=[a-z0-9-]{1,63} got="a_b"'],
  ['fd00::1', 'has a label that is none, want=[a-z0-9-]{1,63} got="fd00::1"'],
  ['10.0.0.1', 'is an IP address or ends like one, got="10.0.0.1"'],
  ['cluster.1', 'is an IP address or ends like one, got="cluster.1"'],
]
for (const [text, message] of refused) {
  test(`a cluster may not have the domain ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseClusterDomain(text), {
      code: 'identity/cluster-domain',
      message: `cluster domain ${message}`,
    })
  })
}
