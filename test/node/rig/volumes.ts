import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { nodeName, storageClass, type Layout } from './layout.ts'

const volumeCount = 4

/**
 * The node's default StorageClass and its volumes: `local` ones, because they follow a pod's fsGroup, which
 * hostPath does not. Four are enough for two ledgers and what a test leaves behind.
 */
export async function volumeManifests(layout: Layout): Promise<readonly object[]> {
  const volumes: object[] = []
  for (let number = 0; number < volumeCount; number++) {
    const path = join(layout.volumes, `${number}`)
    await mkdir(path, { recursive: true })
    const here = { key: 'kubernetes.io/hostname', operator: 'In', values: [nodeName] }
    volumes.push({
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: `${storageClass}-${number}` },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        storageClassName: storageClass,
        persistentVolumeReclaimPolicy: 'Retain',
        local: { path },
        nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [here] }] } },
      },
    })
  }
  const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' }
  const storage = {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: storageClass, annotations },
    provisioner: 'kubernetes.io/no-provisioner',
    volumeBindingMode: 'WaitForFirstConsumer',
  }
  return [storage, ...volumes]
}
