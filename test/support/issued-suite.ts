import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { stringify } from 'yaml'
import type { Cluster } from '../../dev/cluster.ts'
import { encodeCertificateRequest } from '../../dev/kubelet/certificate-request.ts'
import { issuedSchema } from '../../src/cli/issued/issued-configuration.ts'
import { runIssued } from '../../src/cli/issued/run-issued.ts'
import { parseConfiguration } from '../../src/cli/configuration.ts'
import type { Running } from '../../src/cli/running.ts'
import { issuedRights } from '../../src/issued/rights.ts'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { createApiClient } from '../../src/kubernetes/api-client.ts'
import { silentLog } from '../../src/log.ts'
import { parseCredentialBundle } from '../../src/pki/credential.ts'
import { carryRevocations } from '../../src/signer/carry-revocations.ts'
import { requirement } from '../requirements.ts'
import { signerName } from '../signer/asked.ts'
import { profile as anyProfile } from '../signer/signer-world.ts'
import { newKey, pemOf } from '../signer/signing-request.ts'
import { eventually } from './eventually.ts'
import {
  agentRules,
  create,
  issuedPath,
  namespace,
  openSite,
  requestsPath,
  type Site,
} from './issued-site.ts'
import { createBudget, openServedPods } from './served-pods.ts'

interface Status {
  readonly state?: string
  readonly error?: string
  readonly notAfter?: string
  readonly podsLeft?: number
}

/** The suite, on two clusters that `start` gives. */
export function issuedSuite(title: string, start: (folder: string) => Promise<Cluster>): void {
  describe(title, () => {
    let folder: string
    let hub: Site
    let edge: Site
    let keeper: Running

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'issued-'))
      const open = (name: string): Promise<Site> =>
        openSite(() => start(join(folder, name)), { name, folder })
      hub = await open('hub')
      edge = await open('edge')
      keeper = await startKeeper()
    })

    after(async () => {
      await (keeper as Running | undefined)?.[Symbol.asyncDispose]()
      await (edge as Site | undefined)?.[Symbol.asyncDispose]()
      await (hub as Site | undefined)?.[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    })

    function startKeeper(): Promise<Running> {
      const { trustDomain, agentKubeconfig: kubeconfig } = edge
      const { identityExtensionOid } = anyProfile
      const more = { bouncePods: true, revocations: true, identityExtensionOid, admin: { port: 0 } }
      const text = stringify({ trustDomain, kubeconfig, ...more })
      return runIssued(parseConfiguration(text, issuedSchema, 'x.yaml'), silentLog)
    }

    test('the rights that are documented are those that the agent uses, and no others', async () => {
      await eventually('it is ready', () => keeper.ready())
      // An API server learns of rights by a watch of its own, and the agent asks again.
      await eventually(
        'it has its rights',
        () => keeper.conditions().find(({ name }) => name === 'rights')?.ok === true,
      )
      const given = agentRules.flatMap(({ apiGroups: [group], resources: [resource], verbs }) =>
        verbs.map((verb) => `${verb} ${group} ${resource}`),
      )
      const used = issuedRights({ trustBundle: 'x', bouncePods: true, revocations: true }).map(
        ({ verb, group, resource, subresource }) =>
          [verb, group, [resource, subresource].filter(Boolean).join('/')].join(' '),
      )
      assert.deepEqual(used.toSorted(), given.toSorted())
    })

    const uriOf = (site: Site): string => `spiffe://${site.trustDomain}/ns/${namespace}/sa/search`

    function issued(name: string, spec: object = {}): object {
      const wanted = { hosts: [uriOf(edge)], issuedCertificateSecret: `${name}-identity` }
      return {
        apiVersion: 'countersign.dev/v1alpha1',
        kind: 'IssuedCertificate',
        metadata: { name },
        spec: { ...wanted, ...spec },
      }
    }

    async function statusOf(name: string): Promise<Status> {
      return (await edge.admin({ path: `${issuedPath}/${name}` })).body.status ?? {}
    }

    async function reaches(name: string, state: string): Promise<Status> {
      await eventually(`${name} is ${state}`, async () => (await statusOf(name)).state === state)
      return statusOf(name)
    }

    async function secretOf(name: string): Promise<Readonly<Record<string, string>>> {
      const { body } = await edge.admin({ path: `/api/v1/namespaces/${namespace}/secrets/${name}` })
      const data = (body.data ?? {}) as Record<string, string>
      const decode = (text: string): string => Buffer.from(text, 'base64').toString()
      return Object.fromEntries(Object.entries(data).map(([key, text]) => [key, decode(text)]))
    }

    test('the hub signs what the edge proves, under its own name, and the key never leaves it', async () => {
      requirement('issued.as-declared')
      await create(edge.admin, issuedPath, issued('search'))
      const { notAfter } = await reaches('search', 'Finished')
      const secret = await secretOf('search-identity')
      const { 'tls.crt': chain = '', 'tls.key': key = '' } = secret
      const leaf = new X509Certificate(chain)
      assert.equal(leaf.subjectAltName, `URI:${uriOf(edge)}`)
      assert.ok(leaf.checkPrivateKey(createPrivateKey(key)))
      assert.equal(leaf.validToDate.toISOString().replace('.000', ''), notAfter)
      const { identityExtensionOid } = anyProfile
      const { svid } = parseCredentialBundle(secret['credential-bundle.pem'] ?? '', {
        identityExtensionOid,
      })
      const { uid } = (await edge.admin({ path: `${issuedPath}/search` })).body.metadata
      assert.equal(svid.identity?.cluster, 'edge')
      assert.deepEqual(svid.identity.pod, { name: 'search', uid })
      const [intent] = edge.signer().ledger.records
      assert.ok(intent?.kind === 'issuance-intent')
      assert.deepEqual(intent.pod, { name: 'search', uid })
      for (const { admin } of [hub, edge]) {
        const told = JSON.stringify((await admin({ path: requestsPath })).body)
        assert.ok(!told.includes(Buffer.from(key).toString('base64').slice(40, 120)))
      }
      assert.deepEqual((await hub.admin({ path: requestsPath })).body.items, [])
    })

    test('what is asked of the hub in the name of the edge is denied, by whomever', async () => {
      requirement('issued.as-declared')
      const { uid } = (await edge.admin({ path: `${issuedPath}/search` })).body.metadata
      const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts/search`
      const account = (await edge.admin({ path: accounts })).body.metadata.uid
      const reference = [namespace, 'search', uid, 'search', account].join('/')
      const body = {
        metadata: {
          name: 'stolen',
          annotations: { 'countersign.dev/issued-certificate': reference },
        },
        spec: {
          signerName,
          request: Buffer.from(pemOf(encodeCertificateRequest({ privateKey: newKey() }))).toString(
            'base64',
          ),
          usages: ['digital signature', 'client auth', 'server auth'],
        },
      }
      // Of the agent of the hub itself, whose namespaces, accounts and names are the same.
      const own = createApiClient({ kubeconfig: hub.agentKubeconfig })
      const request = {
        apiVersion: 'certificates.k8s.io/v1',
        kind: 'CertificateSigningRequest',
        ...body,
      }
      await own.request({ method: 'POST', path: requestsPath, body: request })
      own.close()
      const conditions = async (): Promise<readonly { type: string; reason: string }[]> =>
        (await hub.admin({ path: `${requestsPath}/stolen` })).body.status.conditions ?? []
      await eventually('it is answered', async () => (await conditions()).length > 0)
      const [condition] = await conditions()
      assert.equal(condition?.type, 'Denied')
      assert.ok(['RequestNotDeclared', 'ServiceAccountMismatch'].includes(condition.reason))
    })

    test('while the hub is away it is requested and no more, and a killed agent goes on with the same request', async () => {
      requirement('issued.resumes-anywhere')
      await edge.stopSigner()
      await create(edge.admin, issuedPath, issued('patient'))
      await reaches('patient', 'Requested')
      await keeper[Symbol.asyncDispose]()
      const count = async (): Promise<number> =>
        (await edge.admin({ path: requestsPath })).body.items.length
      const before = await count()
      keeper = await startKeeper()
      await edge.startSigner()
      await reaches('patient', 'Finished')
      assert.equal(await count(), before)
    })

    test('what is refused says why, and is asked again when it is changed', async () => {
      await create(edge.admin, issuedPath, issued('of-acme', { org: 'acme' }))
      const { error } = await reaches('of-acme', 'Failed')
      assert.match(error ?? '', /^denied: "TenantNotProved": ".*acme/)
      const patch = { spec: { org: null } }
      await edge.admin({ method: 'PATCH', path: `${issuedPath}/of-acme`, body: patch })
      assert.equal((await reaches('of-acme', 'Finished')).error, undefined)
    })

    test('a Revocation takes the key from the Secret, and lifting it has another one asked for', async () => {
      requirement('issued.ends-when-revoked')
      await create(edge.admin, issuedPath, issued('stolen'))
      await reaches('stolen', 'Finished')
      const { 'tls.key': key } = await secretOf('stolen-identity')
      const { uid: podUID } = (await edge.admin({ path: `${issuedPath}/stolen` })).body.metadata
      const revocations = '/apis/countersign.dev/v1alpha1/revocations'
      await create(edge.admin, revocations, {
        apiVersion: 'countersign.dev/v1alpha1',
        kind: 'Revocation',
        metadata: { name: 'stolen' },
        spec: { podUID, reason: 'a test' },
      })
      const { error } = await reaches('stolen', 'Failed')
      assert.equal(error, 'revoked: by the Revocation stolen')
      const left = Object.keys(await secretOf('stolen-identity')).toSorted()
      assert.deepEqual(left, ['tls.crt', 'trust-bundle.pem'])
      await edge.admin({ method: 'DELETE', path: `${revocations}/stolen` })
      await reaches('stolen', 'Finished')
      assert.notEqual((await secretOf('stolen-identity'))['tls.key'], key)
    })

    test('what is revoked on the hub for the edge ends there, and is lifted there', async () => {
      requirement('signer.revocations-travel')
      await create(edge.admin, issuedPath, issued('far'))
      await reaches('far', 'Finished')
      const { uid: podUID } = (await edge.admin({ path: `${issuedPath}/far` })).body.metadata
      const clients = [hub, edge].map(({ kubeconfig }) => createApiClient({ kubeconfig }))
      const [hubClient = assert.fail(), client = assert.fail()] = clients
      const trustDomain = parseTrustDomain(edge.trustDomain)
      const carrying = carryRevocations({
        hub: hubClient,
        from: 'hub',
        client,
        trustDomain,
        log: silentLog,
      })
      const revocations = '/apis/countersign.dev/v1alpha1/revocations'
      await create(hub.admin, revocations, {
        apiVersion: 'countersign.dev/v1alpha1',
        kind: 'Revocation',
        metadata: {
          name: 'far',
          annotations: { 'countersign.dev/trust-domain': edge.trustDomain },
        },
        spec: { podUID, reason: 'a test' },
      })
      const { error } = await reaches('far', 'Failed')
      assert.match(error ?? '', /^revoked: by the Revocation carried-/)
      // Deleted it might be lost: it is lifted by what stands on it.
      const nobody = { metadata: { annotations: { 'countersign.dev/trust-domain': null } } }
      await hub.admin({ method: 'PATCH', path: `${revocations}/far`, body: nobody })
      await reaches('far', 'Finished')
      await carrying[Symbol.asyncDispose]()
      for (const each of clients) each.close()
    })

    test('pods are restarted by evictions, one at a time, as a disruption budget lets them', async () => {
      requirement('issued.restarts-one-at-a-time')
      const pods = await openServedPods(edge.admin, { app: 'proxy', replicas: 2 })
      const budget = await createBudget(edge.admin, 'proxy')
      await create(
        edge.admin,
        issuedPath,
        issued('proxy', { podsToBounce: [{ labels: { app: 'proxy' } }] }),
      )
      await eventually(
        'the budget is told of',
        async () => (await statusOf('proxy')).error !== undefined,
      )
      const { state, error, podsLeft } = await statusOf('proxy')
      assert.equal(state, 'Issued')
      assert.match(
        error ?? '',
        /^podsToBounce: pod proxy-0 may not be evicted: .*disruption budget/,
      )
      assert.equal(podsLeft, 2)
      assert.deepEqual(await pods.names(), ['proxy-0', 'proxy-1'])
      await budget.allow()
      await pods.untilEnding()
      await keeper[Symbol.asyncDispose]()
      await budget.remove()
      keeper = await startKeeper()
      await pods.replace()
      await eventually('the second one', async () => (await statusOf('proxy')).podsLeft === 1)
      await pods.untilEnding()
      await pods.replace()
      await reaches('proxy', 'Finished')
      assert.deepEqual(await pods.names(), ['proxy-2', 'proxy-3'])
      const { body } = await edge.admin({ path: `/api/v1/namespaces/${namespace}/events` })
      const events = body.items as readonly { reason: string; involvedObject: { name: string } }[]
      const told = events.filter(({ reason }) => reason === 'NotRestarted')
      assert.ok(
        told.every(({ involvedObject }) => involvedObject.name === 'proxy') && told.length > 0,
      )
    })

    for (const [name, spec] of [
      ['two-hosts', { hosts: ['spiffe://a/ns/tools/sa/a', 'spiffe://a/ns/tools/sa/b'] }],
      ['dns-host', { hosts: ['search.example'] }],
      ['two-tenants', { org: 'acme', annotations: { 'countersign.dev/tenant': 'other' } }],
      ['all-pods', { podsToBounce: [{ labels: {} }] }],
      ['pods-elsewhere', { podsToBounce: [{ namespace: 'kube-system' }] }],
      ['no-secret', { issuedCertificateSecret: '../other' }],
    ] as const) {
      test(`the API server takes no IssuedCertificate that can never be issued: ${name}`, async () => {
        const body = issued(name, spec)
        const answer = await edge.admin({ method: 'POST', path: issuedPath, body })
        assert.equal(answer.status, 422, JSON.stringify(answer.body))
      })
    }
  })
}
