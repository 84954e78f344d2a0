import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { resourcePath } from '../../src/kubernetes/resource.ts'
import {
  namespaces,
  nodes,
  pods,
  serviceAccounts,
  services,
} from '../../src/kubernetes/workloads.ts'

const metadata = { name: 'x', namespace: 'agents', uid: 'u', resourceVersion: '1' }

describe('a pod', () => {
  test('is read with its certificate volumes, and without what we do not use', () => {
    const pod = pods.parse({
      metadata: {
        ...metadata,
        labels: { app: 'worker' },
        deletionTimestamp: '2026-11-01T10:00:00Z',
        ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'rs', uid: 'r' }],
      },
      spec: {
        nodeName: 'node-a',
        serviceAccountName: 'worker',
        containers: [{ env: [{ name: 'SECRET', value: 's' }] }],
        volumes: [
          { name: 'scratch', emptyDir: {} },
          {
            name: 'identity',
            projected: {
              sources: [
                { configMap: { name: 'c' } },
                { podCertificate: null },
                {
                  podCertificate: {
                    signerName: 'countersign.dev/identity',
                    keyType: 'ECDSAP256',
                    maxExpirationSeconds: 3600,
                    credentialBundlePath: 'credentials.pem',
                    userAnnotations: { 'countersign.dev/role': 'agent' },
                  },
                },
              ],
            },
          },
        ],
      },
      status: { phase: 'Running' },
    })
    assert.equal(pod.nodeName, 'node-a')
    assert.equal(pod.serviceAccountName, 'worker')
    assert.equal(pod.phase, 'Running')
    assert.deepEqual(pod.metadata.labels, { app: 'worker' })
    assert.deepEqual(pod.metadata.deletionTimestamp, new Date('2026-11-01T10:00:00Z'))
    assert.deepEqual(pod.metadata.ownerReferences, [
      { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'rs', uid: 'r' },
    ])
    assert.deepEqual(pod.podCertificates, [
      {
        volumeName: 'identity',
        signerName: 'countersign.dev/identity',
        keyType: 'ECDSAP256',
        maxExpirationSeconds: 3600,
        credentialBundlePath: 'credentials.pem',
        keyPath: undefined,
        certificateChainPath: undefined,
        userAnnotations: { 'countersign.dev/role': 'agent' },
      },
    ])
    assert.ok(!JSON.stringify(pod).includes('SECRET'))
  })

  test('that is not bound yet, with the API server’s account plugin off, is read too', () => {
    const pod = pods.parse({ metadata, spec: { volumes: null } })
    assert.equal(pod.nodeName, undefined)
    assert.equal(pod.serviceAccountName, 'default')
    assert.equal(pod.phase, 'Pending')
    assert.deepEqual(pod.podCertificates, [])
  })

  const malformed = [
    { spec: undefined, want: 'spec: want=object got=undefined' },
    { spec: { volumes: {} }, want: 'spec.volumes: want=list got=object' },
    { spec: { volumes: [{}] }, want: 'spec.volumes[0].name: want=text got=nothing' },
    {
      spec: { volumes: [{ name: 'v', projected: { sources: [{ podCertificate: {} }] } }] },
      want: 'spec.volumes[0].projected.sources[0].podCertificate.signerName: want=text got=nothing',
    },
  ]
  for (const { spec, want } of malformed) {
    test(`is refused where it breaks ${want}`, () => {
      assert.throws(() => pods.parse({ metadata, spec }), {
        code: 'kubernetes/object',
        message: want,
      })
    })
  }
})

test('a node says its kubelet’s version once it has one', () => {
  const nodeInfo = { kubeletVersion: 'v1.37.0' }
  assert.equal(nodes.parse({ metadata, status: { nodeInfo } }).kubeletVersion, 'v1.37.0')
  assert.equal(nodes.parse({ metadata }).kubeletVersion, undefined)
})

test('a Service without selector has an empty one', () => {
  assert.deepEqual(services.parse({ metadata, spec: {} }).selector, {})
  const service = services.parse({
    metadata,
    spec: { selector: { app: 'x' }, type: 'ExternalName' },
  })
  assert.deepEqual(service.selector, { app: 'x' })
  assert.equal(service.type, 'ExternalName')
})

test('a namespace and a service account are their metadata', () => {
  const annotations = { 'countersign.dev/models': 'a,b', empty: '' }
  for (const resource of [namespaces, serviceAccounts]) {
    const parsed = resource.parse({ metadata: { ...metadata, annotations } })
    assert.deepEqual(parsed.metadata.annotations, annotations)
    assert.deepEqual(Object.keys(parsed), ['metadata'])
  }
})

describe('a resource path', () => {
  const cases = [
    { resource: pods, options: {}, want: '/api/v1/pods' },
    { resource: pods, options: { namespace: 'a' }, want: '/api/v1/namespaces/a/pods' },
    {
      resource: pods,
      options: { namespace: 'a', name: 'b', subresource: 'status' },
      want: '/api/v1/namespaces/a/pods/b/status',
    },
    { resource: nodes, options: { namespace: 'a', name: 'n' }, want: '/api/v1/nodes/n' },
    {
      resource: nodes,
      options: { name: '../secrets/x?watch=1' },
      want: '/api/v1/nodes/..%2Fsecrets%2Fx%3Fwatch%3D1',
    },
    {
      resource: { ...nodes, group: 'certificates.k8s.io', plural: 'clustertrustbundles' },
      options: { name: 'countersign.dev:identity:a' },
      want: '/apis/certificates.k8s.io/v1/clustertrustbundles/countersign.dev%3Aidentity%3Aa',
    },
  ]
  for (const { resource, options, want } of cases) {
    test(`is ${want}`, () => assert.equal(resourcePath(resource, options), want))
  }

  for (const name of ['', '.', '..']) {
    test(`never holds the name ${JSON.stringify(name)}`, () => {
      assert.throws(() => resourcePath(pods, { namespace: 'a', name }), {
        code: 'kubernetes/object',
        message: `path segment: want=a name got=${JSON.stringify(name)}`,
      })
    })
  }
})
