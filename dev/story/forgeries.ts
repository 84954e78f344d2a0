import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { ApiError } from '../../src/kubernetes/api-error.ts'
import { encodeCertificateRequest } from '../kubelet/certificate-request.ts'
import { researcherAsks, stage } from './cast.ts'
import { endingOfRequest, expectEnding, metadataOf } from './requests.ts'
import {
  clientOf,
  collectionOf,
  create,
  expect,
  type Chapter,
  type Step,
  type World,
} from './world.ts'

/** The spec of a request for acme/researcher, as its kubelet would write it. */
interface RequestSpec {
  readonly signerName: string
  readonly podName: string
  readonly podUID: string
  readonly serviceAccountName: string
  readonly serviceAccountUID: string
  readonly nodeName: string
  readonly nodeUID: string
  readonly maxExpirationSeconds: number
  readonly stubPKCS10Request: string
  readonly unverifiedUserAnnotations: Readonly<Record<string, string>>
}

/** Requests that no kubelet made: an administrator may create them, so the signer has to see through them. */
export const forgeriesChapter: Chapter = {
  title: 'Requests that kubelet did not make',
  steps: [
    forged('for a pod that does not exist', 'PodNotFound', () =>
      Promise.resolve({ podName: 'ghost', podUID: randomUUID() }),
    ),
    forged('with the UID of another pod', 'PodMismatch', async (world) => ({
      podUID: (await metadataOf(world, 'Pod', 'analyst', 'globex')).uid,
    })),
    forged('from a node that the pod does not run on', 'NodeMismatch', async (world) => ({
      nodeName: 'node-b',
      nodeUID: (await metadataOf(world, 'Node', 'node-b')).uid,
    })),
    forged(
      'with a service account that is not the pod’s',
      'ServiceAccountMismatch',
      async (world) => ({
        serviceAccountName: 'model-gateway',
        serviceAccountUID: (await metadataOf(world, 'ServiceAccount', 'model-gateway', 'acme')).uid,
      }),
    ),
    forged('for a pod whose spec asks for no certificate', 'VolumeNotDeclared', async (world) => ({
      podName: 'bystander',
      podUID: (await metadataOf(world, 'Pod', 'bystander', 'acme')).uid,
    })),
    forged('with names in its certificate request', 'CertificateRequestNotEmpty', () =>
      Promise.resolve({ stubPKCS10Request: certificateRequest('system:masters') }),
    ),
    {
      title: 'node-b asks for a pod of node-a',
      async check(world) {
        const node = await clientOf(world.cluster, {
          name: 'system:node:node-b',
          groups: ['system:nodes'],
        })
        try {
          await create(node, requestFor(await genuine(world), `forged-${randomUUID()}`))
        } catch (error) {
          expect(error instanceof ApiError && error.status === 403, String(error))
          return `refused by admission: ${error.message}`
        } finally {
          node.close()
        }
        throw new Error('want=403 got=created')
      },
    },
  ],
}

function certificateRequest(commonName?: string): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const names = commonName === undefined ? {} : { commonName }
  return encodeCertificateRequest({ privateKey, ...names }).toString('base64')
}

async function genuine(world: World): Promise<RequestSpec> {
  const [pod, serviceAccount, node] = await Promise.all([
    metadataOf(world, 'Pod', 'researcher', 'acme'),
    metadataOf(world, 'ServiceAccount', 'researcher', 'acme'),
    metadataOf(world, 'Node', stage.node),
  ])
  return {
    signerName: stage.signerName,
    podName: 'researcher',
    podUID: pod.uid,
    serviceAccountName: 'researcher',
    serviceAccountUID: serviceAccount.uid,
    nodeName: stage.node,
    nodeUID: node.uid,
    maxExpirationSeconds: 3600,
    stubPKCS10Request: certificateRequest(),
    unverifiedUserAnnotations: researcherAsks(world.own),
  }
}

function requestFor(spec: RequestSpec, name: string): Parameters<typeof create>[1] {
  return {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'PodCertificateRequest',
    metadata: { name, namespace: 'acme' },
    spec,
  }
}

function forged(
  how: string,
  reason: string,
  forge: (world: World) => Promise<Partial<RequestSpec>>,
): Step {
  return {
    title: `a request ${how}`,
    async check(world) {
      const name = `forged-${randomUUID()}`
      const spec = { ...(await genuine(world)), ...(await forge(world)) }
      await create(world.admin, requestFor(spec, name))
      const ending = await endingOfRequest(world, 'acme', name)
      expectEnding(ending, 'Denied', reason)
      const path = `${collectionOf('PodCertificateRequest', 'acme')}/${name}`
      await world.admin.request({ method: 'DELETE', path })
      return `refused ${ending.reason}: ${ending.message}`
    },
  }
}
