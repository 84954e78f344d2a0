import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import * as fc from 'fast-check'
import { CountersignError } from '../../src/errors.ts'
import { createApiClient, type ApiClient } from '../../src/kubernetes/api-client.ts'
import { ApiError } from '../../src/kubernetes/api-error.ts'
import {
  patchPodCertificateStatus,
  podCertificateRequests,
} from '../../src/kubernetes/pod-certificate-request.ts'
import { startFakeApiServer, statusAnswer, type FakeApiServer } from '../support/fake-api-server.ts'

const { parse } = podCertificateRequests('v1')

const spec = {
  signerName: 'countersign.dev/identity',
  podName: 'worker',
  podUID: 'pod-uid',
  serviceAccountName: 'worker',
  serviceAccountUID: 'sa-uid',
  nodeName: 'node-a',
  nodeUID: 'node-uid',
  maxExpirationSeconds: 3600,
  stubPKCS10Request: 'MAA=',
}
const metadata = {
  name: 'req-1',
  namespace: 'agents',
  uid: 'request-uid',
  resourceVersion: '7',
  creationTimestamp: '2026-11-01T10:00:00Z',
}

describe('a pod certificate request', () => {
  test('is read with our names for its fields', () => {
    const request = parse({
      metadata,
      spec: { ...spec, unverifiedUserAnnotations: { 'countersign.dev/role': 'agent' } },
      status: {},
    })
    assert.deepEqual(request, {
      metadata: {
        name: 'req-1',
        namespace: 'agents',
        uid: 'request-uid',
        resourceVersion: '7',
        labels: {},
        annotations: {},
        ownerReferences: [],
        creationTimestamp: new Date('2026-11-01T10:00:00Z'),
        deletionTimestamp: undefined,
      },
      spec: {
        signerName: 'countersign.dev/identity',
        pod: { name: 'worker', uid: 'pod-uid' },
        serviceAccount: { name: 'worker', uid: 'sa-uid' },
        node: { name: 'node-a', uid: 'node-uid' },
        maxExpirationSeconds: 3600,
        key: { kind: 'csr', der: Buffer.from([0x30, 0]) },
        unverifiedUserAnnotations: { 'countersign.dev/role': 'agent' },
      },
      status: {
        conditions: [],
        terminal: undefined,
        certificateChain: '',
        notBefore: undefined,
        beginRefreshAt: undefined,
        notAfter: undefined,
      },
    })
  })

  const csr = { kind: 'csr', der: Buffer.from([0x30, 0]) }
  const proof = { kind: 'proof', spki: Buffer.from('key'), proof: Buffer.from('proof') }
  const pair = { pkixPublicKey: 'a2V5', proofOfPossession: 'cHJvb2Y=' }
  // The API server writes what is not there as nothing, as null or as an empty value.
  const keys = [
    { name: 'a 1.36 kubelet in v1', fields: { stubPKCS10Request: 'MAA=' }, want: csr },
    {
      name: 'a 1.36 kubelet in v1beta1',
      fields: { stubPKCS10Request: 'MAA=', pkixPublicKey: null, proofOfPossession: null },
      want: csr,
    },
    { name: 'a 1.35 kubelet', fields: pair, want: proof },
    { name: 'a 1.35 kubelet', fields: { ...pair, stubPKCS10Request: null }, want: proof },
    { name: 'a 1.35 kubelet', fields: { ...pair, stubPKCS10Request: '' }, want: proof },
    { name: 'a 1.35 kubelet through v1', fields: { stubPKCS10Request: '' }, want: undefined },
    { name: 'a 1.35 kubelet through v1', fields: { stubPKCS10Request: null }, want: undefined },
    { name: 'half a pair', fields: { pkixPublicKey: 'a2V5' }, want: undefined },
    { name: 'nobody', fields: {}, want: undefined },
  ]
  for (const { name, fields, want } of keys) {
    test(`of ${name} with ${JSON.stringify(fields)} has ${want?.kind ?? 'no'} key`, () => {
      const { stubPKCS10Request: _, ...rest } = spec
      assert.deepEqual(parse({ metadata, spec: { ...rest, ...fields } }).spec.key, want)
    })
  }

  test('has the lifetime that the API server would have stored when it names none', () => {
    const { maxExpirationSeconds: _, ...rest } = spec
    assert.equal(parse({ metadata, spec: rest }).spec.maxExpirationSeconds, 86_400)
  })

  test('has the conditions of all three types', () => {
    for (const type of ['Issued', 'Denied', 'Failed']) {
      const conditions = [
        { type, status: 'True', reason: 'R', lastTransitionTime: '2026-11-01T10:00:00Z' },
      ]
      const request = parse({ metadata, spec, status: { conditions } })
      assert.deepEqual(request.status.conditions, [
        {
          type,
          status: 'True',
          reason: 'R',
          message: '',
          lastTransitionTime: new Date('2026-11-01T10:00:00Z'),
        },
      ])
    }
  })

  const malformed = [
    { want: 'podcertificaterequest: want=object got=null', raw: null },
    { want: 'spec: want=object got=undefined', raw: { metadata } },
    { want: 'metadata: want=object got=undefined', raw: { spec } },
    {
      want: 'spec.podUID: want=text got=nothing',
      raw: { metadata, spec: { ...spec, podUID: '' } },
    },
    {
      want: 'spec.nodeName: want=text got=number',
      raw: { metadata, spec: { ...spec, nodeName: 7 } },
    },
    {
      want: 'spec.maxExpirationSeconds: want=integer got=number',
      raw: { metadata, spec: { ...spec, maxExpirationSeconds: 1.5 } },
    },
    {
      want: 'spec.stubPKCS10Request: want=base64 got="M_A="',
      raw: { metadata, spec: { ...spec, stubPKCS10Request: 'M_A=' } },
    },
    {
      want: 'spec.stubPKCS10Request: want=at most 10240 bytes got=13660 base64 characters',
      raw: { metadata, spec: { ...spec, stubPKCS10Request: 'A'.repeat(13_660) } },
    },
    {
      want: 'spec.unverifiedUserAnnotations["a/b"]: want=text got=list',
      raw: { metadata, spec: { ...spec, unverifiedUserAnnotations: { 'a/b': [] } } },
    },
    {
      want: 'status.notAfter: want=RFC 3339 time got="tomorrow"',
      raw: { metadata, spec, status: { notAfter: 'tomorrow' } },
    },
    {
      want: 'status.conditions[0].type: want=text got=nothing',
      raw: { metadata, spec, status: { conditions: [{}] } },
    },
  ]
  for (const { want, raw } of malformed) {
    test(`is refused where it breaks ${want}`, () => {
      assert.throws(() => parse(raw), { code: 'kubernetes/object', message: want })
    })
  }

  test('is read or refused, whatever it holds', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...Object.keys(spec)), (value, field) => {
        try {
          const request = parse({ metadata, spec: { ...spec, [field]: value }, status: value })
          assert.equal(typeof request.spec.pod.uid, 'string')
        } catch (error) {
          assert.ok(error instanceof CountersignError)
          assert.equal(error.code, 'kubernetes/object')
        }
      }),
    )
  })
})

describe('a status patch', () => {
  let server: FakeApiServer
  let client: ApiClient
  before(async () => {
    server = await startFakeApiServer()
    client = createApiClient({ kubeconfig: server.kubeconfig })
  })
  after(async () => {
    client.close()
    await server[Symbol.asyncDispose]()
  })

  const read = parse({ metadata, spec })
  const status = {
    conditions: [
      {
        type: 'Denied',
        status: 'True',
        reason: 'PodMismatch',
        message: 'no',
        lastTransitionTime: '2026-11-01T10:00:00Z',
      },
    ],
  } as const

  test('names the very object that was read', async () => {
    server.script({ body: { metadata, spec, status } })
    const options = { version: 'v1beta1', metadata: read.metadata, status, dryRun: true } as const
    const written = await patchPodCertificateStatus(client, options)
    assert.equal(written.status.conditions[0]?.reason, 'PodMismatch')
    const [request] = server.requests.slice(-1)
    assert.equal(
      request?.path,
      '/apis/certificates.k8s.io/v1beta1/namespaces/agents/podcertificaterequests/req-1/status',
    )
    assert.equal(request.method, 'PATCH')
    assert.equal(request.headers['content-type'], 'application/merge-patch+json')
    assert.equal(request.query.get('dryRun'), 'All')
    assert.deepEqual(request.body, {
      metadata: { uid: 'request-uid', resourceVersion: '7' },
      status,
    })
  })

  test('that comes second is an ApiError with the server’s status', async () => {
    server.script(statusAnswer(409, 'Conflict'))
    const patch = patchPodCertificateStatus(client, {
      version: 'v1',
      metadata: read.metadata,
      status,
    })
    await assert.rejects(patch, (error) => error instanceof ApiError && error.status === 409)
    assert.equal(server.requests.at(-1)?.query.get('dryRun'), null)
  })
})
